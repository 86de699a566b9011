"""
How a job goes on as Server-Sent Events (WHATWG HTML, 9.2), from how it stands now to its end.

A reader has no queue: what it is sent is how the job stands when it can take it. An id is told with each event, so that
EventSource, which comes back after every end, learns with 204 that it has seen the last one.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Response

from asr_hub.access.grant import Grant, Scope
from asr_hub.bell import Bell
from asr_hub.protocols.admission import admitted
from asr_hub.protocols.event_readers import EventReader, EventReaders
from asr_hub.protocols.jobs_live import JobsLivePort, JobWatch, jobs_unavailable
from asr_hub.protocols.openapi import errors
from asr_hub.protocols.port import DoorPort
from asr_hub.protocols.sse import EventSettings
from asr_hub.wire.jobs import JobProgress

PATH = "/api/v1/asr/events/{id}"


class JobEvents:
    """The route, and everybody who reads there. Whoever owns this calls `close` before the server stops."""

    def __init__(self, jobs: JobsLivePort | None, door: DoorPort, *, settings: EventSettings | None = None) -> None:
        """Without `jobs` the hub keeps none, and says so."""
        self._jobs = jobs
        self._settings = settings or EventSettings()
        self._readers = EventReaders()
        self.router = _router(self, Depends(admitted(door, Scope.WATCH)))

    def __len__(self) -> int:
        return len(self._readers)

    async def watch(self, job: str, *, last: str | None, grant: Grant) -> Response:
        """
        What happens to a job; 204 where `last` is the id of the last event there is.

        Waits until it is known how the job stands. Raises what `JobsLivePort.watch` and `JobWatch.read` raise.
        """
        self._readers.check_open()
        if self._jobs is None:
            raise jobs_unavailable()
        bell = Bell()
        watch = self._jobs.watch(job, grant=grant, on_change=bell.ring)
        try:
            while (first := watch.read()) is None:
                await bell.wait()
            self._readers.check_open()
        except BaseException:
            watch.close()
            raise
        if watch.is_over and id_of(first) == last:
            watch.close()
            return Response(status_code=204)
        return self._readers.answer(JobReader(watch, first, bell, self._settings))

    def close(self) -> None:
        """End every stream; EventSource comes back to whoever serves then."""
        self._readers.close()


class JobReader(EventReader):
    """One reader of one job, how it stands first."""

    def __init__(self, watch: JobWatch, first: JobProgress, bell: Bell, settings: EventSettings) -> None:
        super().__init__(bell, settings, line="jobs.events")
        self._watch = watch
        self._first = first

    def greeting(self) -> bytes:
        return event(self._first, self.settings.retry_ms)

    def look(self) -> bytes:
        if self._watch.is_over:
            self.is_ending = True
            return b""
        message = self._watch.read()
        return event(message) if message is not None else b""

    def leave(self) -> None:
        self._watch.close()


def event(message: JobProgress, retry_ms: int | None = None) -> bytes:
    """One message as one event. JSON has no bare line breaks, so one `data` line holds it."""
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    return b"id: %b\nevent: job\n%bdata: %b\n\n" % (id_of(message).encode(), retry, msgspec.json.encode(message))


def id_of(message: JobProgress) -> str:
    """Of a state. One end of a job has another than an end before it, which came to nothing and was tried again."""
    return f"{message.status}-{round(message.updated_at * 1000)}"


def _router(events: JobEvents, watcher: Any) -> APIRouter:
    api = APIRouter(tags=["files"], generate_unique_id_function=attrgetter("name"))

    @api.get(
        PATH,
        summary="How a job goes on, as Server-Sent Events",
        responses={**_EVENTS, **errors(401, 403, 404, 429, 503)},
        response_class=Response,
    )
    async def job_events(
        id: Annotated[str, Path(description="The `task_id` of a job.")],
        last_event_id: Annotated[str | None, Header()] = None,
        grant: Grant = watcher,
    ) -> Response:
        """
        First how it stands now, then each change, and the end of the stream after it is done, failed or cancelled. A
        reader that is slow is told the latest and not everything. 204 says that the last event was seen already. Needs
        the scope `watch`, and is for the key that submitted the job, or one with the scope `admin`.
        """
        return await events.watch(id, last=last_event_id, grant=grant)

    return api


_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`job` events, until the job is over.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The job is over, and `Last-Event-ID` is its last event."},
}
