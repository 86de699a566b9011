"""
The actions of a live session as Server-Sent Events, from any of them on.

A reader has no queue, but a place among the actions that the hub keeps: what it is sent is what follows there when it
can take it. One that falls behind them is told where they begin now.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Response

from asr_hub.access.grant import Grant
from asr_hub.bell import Bell
from asr_hub.protocols.admission import admitted
from asr_hub.protocols.event_readers import EventReader, EventReaders
from asr_hub.protocols.openapi import errors
from asr_hub.protocols.port import DoorPort
from asr_hub.protocols.recordings_port import Actions, Following, RecordingsPort
from asr_hub.protocols.sse import EventSettings

PATH = "/v1/sessions/{session}/actions/events"

AT_ONCE = 100
"""Actions that are read at a time"""


class ActionEvents:
    """The route, and everybody who reads there. Whoever owns this calls `close` before the server stops."""

    def __init__(self, recordings: RecordingsPort, door: DoorPort, *, settings: EventSettings | None = None) -> None:
        self.recordings = recordings
        self._settings = settings or EventSettings()
        self._readers = EventReaders()
        self.router = _router(self, Depends(admitted(door)))

    def __len__(self) -> int:
        return len(self._readers)

    def follow(self, session: str, *, after: int | None, grant: Grant) -> Response:
        """The actions after number `after`, or all there are. Raises what `RecordingsPort.follow` raises."""
        self._readers.check_open()
        bell = Bell()
        following = self.recordings.follow(session, grant, after=after, on_change=bell.ring)
        return self._readers.answer(ActionReader(following, after, bell, self._settings))

    def close(self) -> None:
        """End every stream; EventSource comes back to whoever serves then."""
        self._readers.close()


class ActionReader(EventReader):
    """One reader of one session."""

    def __init__(self, following: Following, after: int | None, bell: Bell, settings: EventSettings) -> None:
        super().__init__(bell, settings, line="actions.events")
        self._following = following
        self._after = after

    def greeting(self) -> bytes:
        return b"retry: %d\n\n" % self.settings.retry_ms

    def look(self) -> bytes:
        # Before it is read: what is read then is the last of a session that is over.
        is_over = self._following.is_over
        chunk = self._read()
        if not chunk and is_over:
            self.is_ending = True
            return b"event: end\ndata: {}\n\n"
        return chunk

    def leave(self) -> None:
        self._following.close()

    def _read(self) -> bytes:
        found = self._following.read(AT_ONCE)
        gap = b""
        if self._after is not None and found.first > self._after:
            gap = b"event: gap\ndata: %b\n\n" % msgspec.json.encode({"first": found.first})
            self._after = found.first
        if found.actions:
            self._after = found.actions[-1].seq
        return gap + events_of(found)


def events_of(found: Actions) -> bytes:
    """Each action as one event. JSON has no bare line breaks, so one `data` line holds it."""
    return b"".join(
        b"id: %d\nevent: action\ndata: %b\n\n" % (one.seq, msgspec.json.encode(one)) for one in found.actions
    )


def _router(events: ActionEvents, watcher: Any) -> APIRouter:
    api = APIRouter(tags=["sessions"], generate_unique_id_function=attrgetter("name"))

    @api.get(
        PATH,
        summary="The actions of a live session, as Server-Sent Events",
        responses={**_EVENTS, **errors(401, 403, 404, 429, 503)},
        response_class=Response,
    )
    async def action_events(
        session: Annotated[str, Path(description="The session's public `name`, or its whole id.")],
        last_event_id: Annotated[str | None, Header()] = None,
        grant: Grant = watcher,
    ) -> Response:
        """
        Those that the hub has in memory first, or those after `Last-Event-ID`; then each as it comes. `gap` says that
        some are not kept any more, and where those begin that are. `end` says that the session is closed. By its id:
        needs the scope `watch`. By its name, without what was said: needs `admin`.
        """
        return events.follow(session, after=_number(last_event_id), grant=grant)

    return api


def _number(last_event_id: str | None) -> int | None:
    """None where it is no number of an action: it begins with the first."""
    told = last_event_id or ""
    return int(told) if told.isascii() and told.isdigit() and len(told) <= _MOST_DIGITS else None


_MOST_DIGITS = 15

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`action` events, until the session is closed.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}
