"""Files over REST, under `/api`: submit one, ask for its result, look back, get it again, and wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from operator import attrgetter
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from msgspec.structs import replace
from starlette.requests import ClientDisconnect

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import (
    Conflict,
    HubError,
    ProtocolError,
    ProviderError,
    TooLarge,
    UnsupportedAudio,
    error_of,
)
from asr_hub.protocols.admission import admitted
from asr_hub.protocols.early_answer import EarlyAnswer
from asr_hub.protocols.facts import HealthView, HubFacts, ProviderView
from asr_hub.protocols.file_names import attachment
from asr_hub.protocols.http import told
from asr_hub.protocols.jobs_audio import audio_answer
from asr_hub.protocols.jobs_form import FIELDS, FIRST_PRIORITY, MAX_BATCH, order_of, states_of, time_of
from asr_hub.protocols.jobs_live import jobs_unavailable
from asr_hub.protocols.jobs_port import (
    Document,
    FormatsView,
    HistoryView,
    JobErrorView,
    JobsPort,
    JobStatsView,
    ModelsView,
    ModelView,
    QueueView,
    ResultView,
    Search,
    SubmittedView,
    TaskView,
)
from asr_hub.protocols.jobs_upload import AUDIO, Body, Form, Uploads
from asr_hub.protocols.openapi import errors
from asr_hub.protocols.port import DoorPort

LINGER_S = 5.0
"""Seconds that a body is read on, and dropped, after it was refused: see `HttpSettings.linger`."""

PATIENCE_S = 600.0
"""Seconds that a client is kept waiting for a text."""

WAITING = 64
"""Clients that may be kept waiting at the same time."""

OFF = (
    "files are not transcribed here; whoever runs the hub installs 'asr-hub[jobs]' and sets `jobs: {enabled: on}`, "
    "or clients stream the audio to /v1/stream"
)

FORMAT = "format"
"""In which the text is answered."""

T = TypeVar("T")


def router(
    jobs: JobsPort | None,
    facts: HubFacts,
    door: DoorPort,
    *,
    off: str = OFF,
    linger: float = LINGER_S,
    patience: float = PATIENCE_S,
) -> APIRouter:
    """
    The routes. Without `jobs` each answers 503 `jobs-unavailable` with the message `off`, except for the hub's health.
    """
    api = APIRouter(prefix="/api", tags=["files"], generate_unique_id_function=attrgetter("name"))

    def there() -> JobsPort:
        if jobs is None:
            raise jobs_unavailable(off)
        return jobs

    ways = _Ways(there, Uploads(jobs.uploads) if jobs is not None else None, linger, patience)
    _add_submit(api, ways, door)
    _add_results(api, there, door)
    _add_changes(api, there, door)
    _add_looking_back(api, there, door)
    _add_hub(api, there, facts, door)
    return api


class _Ways:
    """How a file comes in, on whatever route."""

    def __init__(self, there: Callable[[], JobsPort], uploads: Uploads | None, linger: float, patience: float) -> None:
        self.there = there
        self._uploads = uploads
        self._linger = linger
        self._patience = patience
        self._waiting = 0

    async def take(
        self,
        request: Request,
        grant: Grant,
        known: frozenset[str],
        submit: Callable[[Form], Awaitable[T]],
        answer: Callable[[T], Awaitable[Response]],
    ) -> Response:
        """Read the form, submit it, and answer when nothing is left of it; or say why it was refused, at once."""
        body = Body(request)
        try:
            self.there().check_room(grant)
            assert self._uploads is not None
            async with self._uploads.form(body, known) as form:
                submitted = await submit(form)
            return await answer(submitted)
        except ClientDisconnect:
            # There is nobody to tell.
            return Response(status_code=400)
        except HubError as error:
            number, headers, text = told(error)
            if body.is_over:
                return Response(text, number, headers, media_type="application/json")
            return EarlyAnswer(text, number, headers, linger=self._linger)

    async def wait(self, request: Request, id: str, grant: Grant) -> None:
        """Until the job is over, or has been waited for long enough. Raises ClientDisconnect."""
        if self._waiting >= WAITING:
            return
        self._waiting += 1
        try:
            await _first(self.there().wait(id, grant), request, self._patience)
        finally:
            self._waiting -= 1


def _add_submit(api: APIRouter, ways: _Ways, door: DoorPort) -> None:
    @api.post(
        "/v1/asr/submit",
        summary="Have a file transcribed",
        status_code=202,
        response_model=SubmittedView,
        responses={
            200: {"model": SubmittedView, "description": "The result is there already."},
            **errors(400, 401, 403, 404, 413, 415, 429, 503),
        },
        openapi_extra=_form(),
    )
    async def submit(request: Request, grant: Grant = Depends(allowed(door, Scope.SPEAK))) -> Response:
        """
        When this answers the file is a job, which is done whatever happens to the hub. The same file with the same
        options is the same job, and is not heard again; one that had failed is tried again. Needs the scope `speak`.
        """

        async def taken(form: Form) -> SubmittedView:
            return await ways.there().submit(form.upload, order_of(form.fields), grant)

        async def answer(view: SubmittedView) -> Response:
            status = 200 if view.status == "done" else 202
            return Response(
                view.model_dump_json(), status, {"Location": view.result_url}, media_type="application/json"
            )

        return await ways.take(request, grant, FIELDS, taken, answer)

    @api.post(
        "/asr/transcribe",
        summary="The text of a file, at once",
        response_model=ResultView,
        responses={
            200: {"content": _DOCUMENTS, "description": "What was said."},
            202: {"model": ResultView, "description": "It takes long. Ask again at `result_url`."},
            **errors(400, 401, 403, 404, 409, 413, 415, 429, 502, 503, 504),
        },
        openapi_extra=_form(FORMAT),
    )
    async def transcribe(request: Request, grant: Grant = Depends(allowed(door, Scope.SPEAK))) -> Response:
        """
        Waits up to ten minutes, and goes before every file that was submitted. `format` asks for the text of a file
        in the place of JSON. A client that hangs up leaves a job behind, which is done all the same. Needs the scope
        `speak`.
        """

        async def taken(form: Form) -> tuple[str, str | None]:
            jobs = ways.there()
            format = _format(form, jobs)
            order = replace(order_of(form.fields), priority=FIRST_PRIORITY)
            return (await jobs.submit(form.upload, order, grant)).task_id, format

        async def answer(submitted: tuple[str, str | None]) -> Response:
            jobs, (id, format) = ways.there(), submitted
            await ways.wait(request, id, grant)
            view = await jobs.result(id, grant)
            if view.status == "done" and format is not None:
                return _document(await jobs.document(id, format, grant))
            _check_outcome(view)
            return await _json(view, 200 if view.status == "done" else 202)

        return await ways.take(request, grant, FIELDS | {FORMAT}, taken, answer)


def _add_results(api: APIRouter, there: Callable[[], JobsPort], door: DoorPort) -> None:
    reader = Depends(allowed(door, Scope.WATCH))

    @api.get(
        "/v1/asr/result/{task_id}",
        summary="How a job stands, and its text",
        response_model=ResultView,
        responses={
            200: {"content": _DOCUMENTS, "description": "How it stands, or what was said."},
            **errors(400, 401, 403, 404, 409, 429, 503),
        },
    )
    async def result(task_id: _Task, format: _Format = None, grant: Grant = reader) -> Response:
        """
        With `format` the text itself, once it is done; 409 `not-done` before. Needs the scope `watch`; only the key
        that submitted a job, and the scope `admin`, find it.
        """
        if format is not None:
            return _document(await there().document(task_id, format, grant))
        return await _json(await there().result(task_id, grant))

    @api.get(
        "/v1/asr/audio/{task_id}",
        summary="The file of a job",
        response_class=Response,
        responses={**_AUDIO, **errors(400, 401, 403, 404, 429, 503)},
    )
    async def audio(request: Request, task_id: _Task, grant: Grant = reader) -> Response:
        """As it was sent. `Range` asks for a part of it: one range, in bytes. Needs the scope `watch`."""
        return await audio_answer(await there().audio(task_id, grant), request.headers)

    @api.head(
        "/v1/asr/audio/{task_id}",
        summary="How large the file of a job is",
        response_class=Response,
        responses={200: {"description": "The headers of its answer."}, **errors(400, 401, 403, 404, 429, 503)},
    )
    async def audio_head(request: Request, task_id: _Task, grant: Grant = reader) -> Response:
        """What GET answers with, without the file."""
        return await audio_answer(await there().audio(task_id, grant), request.headers, is_head=True)


def _add_changes(api: APIRouter, there: Callable[[], JobsPort], door: DoorPort) -> None:
    owner = Depends(allowed(door, Scope.SPEAK))

    @api.post(
        "/v1/asr/retry/{task_id}",
        summary="Try a job again",
        status_code=202,
        responses=errors(400, 401, 403, 404, 409, 429, 503),
    )
    async def retry(task_id: _Task, grant: Grant = owner) -> TaskView:
        """
        One that failed or was cancelled goes on where it stopped: what was heard is not heard again. 409 `not-failed`
        otherwise. Needs the scope `speak`.
        """
        there().check_room(grant)
        return await there().retry(task_id, grant)

    @api.post(
        "/v1/asr/cancel/{task_id}",
        summary="Stop a job",
        status_code=202,
        responses=errors(400, 401, 403, 404, 429, 503),
    )
    async def cancel(task_id: _Task, grant: Grant = owner) -> TaskView:
        """What was heard is kept for a retry. Nothing happens to one that is over. Needs the scope `speak`."""
        return await there().cancel(task_id, grant)

    @api.delete(
        "/v1/asr/task/{task_id}",
        summary="Forget a job",
        status_code=204,
        response_class=Response,
        responses=errors(400, 401, 403, 404, 429, 503),
    )
    async def forget(task_id: _Task, grant: Grant = owner) -> Response:
        """It is stopped, and its file and its text are removed. Needs the scope `speak`."""
        await there().forget(task_id, grant)
        return Response(status_code=204)


def _add_looking_back(api: APIRouter, there: Callable[[], JobsPort], door: DoorPort) -> None:
    reader = Depends(allowed(door, Scope.WATCH))

    @api.get("/v1/asr/history", summary="Jobs, the newest first", responses=errors(400, 401, 403, 429, 503))
    async def history(
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        after: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
        state: Annotated[list[str], Query(max_length=10, description="One or several.")] = [],  # noqa: B006  FastAPI's
        text: Annotated[str, Query(max_length=200, description="In the name or in what was said.")] = "",
        since: Annotated[str | None, Query(max_length=64, description=_TIME)] = None,
        until: Annotated[str | None, Query(max_length=64, description=_TIME)] = None,
        all: Annotated[bool, Query(description="Of every key, for the scope `admin`.")] = False,
        grant: Grant = reader,
    ) -> HistoryView:
        """Those that were submitted with the key of the caller. Needs the scope `watch`."""
        if "\0" in text or "\0" in (after or ""):
            raise ProtocolError("`text` and `after` have no NUL in them", code="bad-value")
        search = Search(
            states=states_of(state),
            text=text.strip(),
            since=time_of("since", since),
            until=time_of("until", until),
            limit=limit,
            after=after,
            everybody=all,
        )
        if all:
            grant.must(Scope.ADMIN)
        return await there().history(search, grant)

    @api.get(
        "/v1/asr/queue/status",
        summary="How busy the hub is with files",
        responses=errors(401, 403, 429, 503),
        dependencies=[reader],
    )
    async def queue() -> QueueView:
        """Jobs that wait and that are worked at, of everybody. Needs the scope `watch`."""
        return await there().queue()

    @api.get(
        "/v1/stats",
        summary="What became of the files so far",
        responses=errors(401, 403, 429, 503),
        dependencies=[Depends(allowed(door, Scope.ADMIN))],
    )
    async def stats() -> JobStatsView:
        """Of those that are kept, with what is kept for how long. Needs the scope `admin`."""
        return await there().stats()


def _add_hub(api: APIRouter, there: Callable[[], JobsPort], facts: HubFacts, door: DoorPort) -> None:
    anybody = Depends(admitted(door))

    @api.get("/v1/health", summary="How the hub is", tags=["hub"])
    async def api_health() -> HealthView:
        """As `/health`."""
        return facts.health()

    @api.get("/asr/models", summary="The engines for files", responses=errors(401, 429, 503), dependencies=[anybody])
    async def models() -> ModelsView:
        """What may be named as `provider`."""
        there()
        return ModelsView(models=[_model(one) for one in facts.providers() if not one.is_shadow])

    @api.get(
        "/asr/formats", summary="What is read and written", responses=errors(401, 429, 503), dependencies=[anybody]
    )
    async def formats() -> FormatsView:
        """Containers of audio that may come, and what a text may be answered as."""
        return there().formats()


def allowed(door: DoorPort, scope: Scope) -> Callable[[Request], Awaitable[Grant]]:
    """A FastAPI dependency: who asks, with `scope` or ADMIN, and not for one session only."""
    admit = admitted(door)

    async def admit_allowed(request: Request) -> Grant:
        grant = await admit(request)
        if Scope.ADMIN not in grant.scopes:
            grant.must(scope)
        grant.must_roam()
        return grant

    return admit_allowed


async def _first(waiting: Coroutine[Any, Any, None], request: Request, seconds: float) -> None:
    """Wait for what the client waits for, so long at most. Raises ClientDisconnect, and what it raises."""
    over = asyncio.ensure_future(waiting)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((over, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            over.result()
        elif gone.done():
            raise ClientDisconnect
    finally:
        over.cancel()
        gone.cancel()
        await asyncio.gather(over, gone, return_exceptions=True)


def _format(form: Form, jobs: JobsPort) -> str | None:
    given = form.fields.get(FORMAT, [])
    names = [one.name for one in jobs.formats().outputs]
    if len(given) > 1 or any(one.strip() and one.strip() not in names for one in given):
        raise ProtocolError(f"`format` is one of {', '.join(names)}", code="bad-value")
    return (given[0].strip() or None) if given else None


def _check_outcome(view: ResultView) -> None:
    """Raises why there is no text, where there will be none."""
    if view.status == "cancelled":
        raise Conflict(f"job {view.task_id} was cancelled; send the file again, or retry it", code="cancelled")
    if view.status == "failed":
        raise _error(view.error or JobErrorView(code="internal", message="the job failed", retryable=True))


def _error(failure: JobErrorView) -> HubError:
    if failure.code in _OF_AUDIO:
        return UnsupportedAudio(failure.message, code=failure.code)
    if failure.code == TooLarge.code:
        return TooLarge(failure.message)
    error = error_of(failure.code, failure.message)
    return (
        ProviderError(failure.message, code=failure.code, retryable=failure.retryable)
        if type(error) is ProviderError
        else error
    )


def _document(document: Document) -> Response:
    headers = {"Content-Disposition": attachment(document.name), "X-Content-Type-Options": "nosniff"}
    return Response(document.text, headers=headers, media_type=document.media_type)


async def _json(view: ResultView, status: int = 200) -> Response:
    # A text of many hours takes a while to write: live sessions do not wait for it.
    body = await asyncio.to_thread(view.model_dump_json)
    return Response(body, status, media_type="application/json")


def _model(provider: ProviderView) -> ModelView:
    can: dict[str, Any] = dict(provider.capabilities or {})
    return ModelView(
        name=provider.name,
        kind=provider.kind,
        description=str(can.get("description", "")),
        is_default=provider.is_default,
        is_ready=provider.health in ("ready", "unloaded"),
        languages=list(can.get("languages", ())),
        word_times=bool(can.get("words", False)),
        hotwords=bool(can.get("hotwords", False)),
    )


def _form(*more: str) -> dict[str, Any]:
    properties = {**_FIELDS, **{name: _MORE[name] for name in more}}
    schema = {"type": "object", "required": [AUDIO], "additionalProperties": False, "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_Task = Annotated[str, Path(description="The job's `task_id`.", examples=["0f8b2c94d1e64a7fb1c2a5a3d2e6f701"])]

_Format = Annotated[
    str | None, Query(max_length=32, description="One of `GET /api/asr/formats`, such as `srt`.", examples=["srt"])
]

_TIME = "ISO 8601, or seconds since 1970."

_OF_AUDIO: Collection[str] = frozenset(
    {
        "unsupported-audio",
        "empty-file",
        "malformed-audio",
        "no-audio-stream",
        "empty-audio",
        "unsupported-rate",
        "truncated-audio",
    }
)
"""Codes that say what is wrong with a file."""

_DOCUMENTS = {
    media_type: {"schema": {"type": "string"}}
    for media_type in ("text/plain", "text/vtt", "text/tab-separated-values", "application/x-subrip")
}
"""JSON is told of besides."""

_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "All of it.", "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "A part.", "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The client has it: `If-None-Match` names its `ETag`."},
    416: {"description": "It has no such part; `Content-Range` says how long it is."},
}

_FIELDS: dict[str, dict[str, Any]] = {
    AUDIO: {"type": "string", "format": "binary", "description": "The file, of any kind that has audio in it."},
    "language": {"type": "string", "description": "BCP 47; by default the engine tells it."},
    "provider": {"type": "string", "description": "Who hears it; by default the hub's default."},
    "batch_size": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_BATCH,
        "description": "Segments that are heard at the same time; 0: as the hub has it.",
    },
    "priority": {
        "type": "string",
        "description": "1 to 100, the lower the sooner; or high (10), normal (50), low (90).",
        "pattern": "^([1-9][0-9]?|100|high|normal|low)$",
    },
    "hotwords": {"type": "string", "description": "Words to prefer, with commas between them, or sent several times."},
    "formats": {"type": "string", "description": "In which the result is offered; likewise. By default all."},
    "webhook": {"type": "string", "description": "An address that is told when the job is over."},
    "channels": {
        "type": "string",
        "enum": ["mix", "split"],
        "description": "`split`: each is heard by itself, and is a speaker.",
    },
}

_MORE: dict[str, dict[str, Any]] = {
    FORMAT: {"type": "string", "description": "Answer with the text of such a file, not with JSON."}
}
