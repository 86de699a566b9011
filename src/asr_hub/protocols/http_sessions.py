"""Sessions over plain HTTP: open one, post audio and commands, and read what it says as events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.requests import ClientDisconnect

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import Conflict, HubError, ProtocolError, TooLarge, UnsupportedAudio
from asr_hub.model import Role, SessionId
from asr_hub.protocols.admission import admitted
from asr_hub.protocols.early_answer import EarlyAnswer
from asr_hub.protocols.facts import View
from asr_hub.protocols.http import told
from asr_hub.protocols.http_publisher import Publisher, Publishers
from asr_hub.protocols.openapi import ErrorBody, errors
from asr_hub.protocols.port import DoorPort, HubPort
from asr_hub.protocols.sse import EventSettings, Watchers
from asr_hub.protocols.timer_wheel import TimerWheel
from asr_hub.wire.conversation import Conversation, Limits
from asr_hub.wire.messages import Clear, Configure, Finalize, Ready, Start


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long things are kept for clients that are not connected."""

    publisher_idle: float = 15.0
    """Seconds without a request after which a session is free for another publisher."""
    linger: float = 5.0
    """
    Seconds that a body is read on, and dropped, after it was refused.

    A client that listens only when it has sent all is told the reason; one that never ends is hung up on.
    """
    events: EventSettings = EventSettings()
    resolution: float = 0.25
    """Of all these times, in seconds."""


class TakenView(View):
    """How much audio the hub has."""

    session: str
    audio_offset: int
    """Samples per channel since the session began: send from here on."""


class AudioErrorBody(ErrorBody):
    """Why audio was refused, and what was taken before."""

    audio_offset: int | None = None
    """Samples per channel that the hub has: send from here on. Left out where the request was not let in."""


class AudioErrorView(View):
    """The body of an answer that refuses audio."""

    error: AudioErrorBody


class HttpSessions:
    """The routes, and what outlives a request. Call `close` before the server stops."""

    def __init__(
        self,
        hub: HubPort,
        door: DoorPort,
        *,
        limits: Limits | None = None,
        settings: HttpSettings | None = None,
    ) -> None:
        limits, settings = limits or Limits(), settings or HttpSettings()
        self.wheel = TimerWheel(resolution=settings.resolution)
        self.publishers = Publishers(hub, self.wheel, idle=settings.publisher_idle, limits=limits)
        self.watchers = Watchers(hub, self.wheel, limits=limits, settings=settings.events)
        self.router = _router(hub, door, self.publishers, self.watchers, limits, settings.linger)

    def close(self) -> None:
        """Let go of every session and end every stream of events."""
        self.publishers.close()
        self.watchers.close()


def _router(
    hub: HubPort, door: DoorPort, publishers: Publishers, watchers: Watchers, limits: Limits, linger: float
) -> APIRouter:
    api = APIRouter(prefix="/v1/sessions", tags=["sessions"])
    speaker = Depends(admitted(door, Scope.SPEAK))
    _add_audio(api, hub, publishers, speaker, linger)
    _add_events(api, watchers, Depends(admitted(door, Scope.WATCH)))

    @api.post(
        "",
        summary="Open a session",
        status_code=201,
        responses={**_READY, **errors(400, 401, 403, 404, 413, 415, 429, 503)},
        openapi_extra=_body(Start),
        response_class=Response,
    )
    async def create(request: Request, grant: Grant = speaker) -> Response:
        """
        You become its publisher. The body has the fields of `start` and may be empty; `ready` answers. What the session
        says comes from its events. Needs the scope `speak`.
        """
        start = await _read(request, Conversation(limits), Start, limits)
        session, ready = publishers.open(start, grant)
        return Response(ready, 201, {"Location": f"{api.prefix}/{session}"}, media_type="application/json")

    @api.post(
        "/{session}/finalize",
        summary="End the utterance",
        status_code=202,
        responses=errors(400, 401, 403, 404, 409, 429),
    )
    async def finalize(session: str, grant: Grant = speaker) -> TakenView:
        """The session goes on. The events `endpoint` and `final` follow, even where nothing was said."""
        return _tell(publishers.hold(SessionId(session), grant), Finalize())

    @api.post(
        "/{session}/clear",
        summary="Forget what is not final",
        status_code=202,
        responses=errors(400, 401, 403, 404, 409, 429),
    )
    async def clear(session: str, grant: Grant = speaker) -> TakenView:
        """The event `endpoint` follows, and no `final` for that utterance."""
        return _tell(publishers.hold(SessionId(session), grant), Clear())

    @api.patch(
        "/{session}",
        summary="Change a running session",
        status_code=202,
        responses=errors(400, 401, 403, 404, 409, 413, 429, 503),
        openapi_extra=_body(Configure),
    )
    async def configure(request: Request, session: str, grant: Grant = speaker) -> TakenView:
        """Holds from the next utterance on. The body has the fields of `configure`; absent ones stay as they are."""
        conversation = Conversation(limits)
        conversation.opened(Role.PUBLISHER)
        message = await _read(request, conversation, Configure, limits)
        return _tell(publishers.hold(SessionId(session), grant), message)

    return api


def _add_audio(api: APIRouter, hub: HubPort, publishers: Publishers, speaker: Any, linger: float) -> None:
    @api.post(
        "/{session}/audio",
        summary="Send audio",
        response_model=TakenView,
        responses=_REFUSED,
        openapi_extra=_AUDIO,
    )
    async def audio(
        request: Request,
        session: str,
        offset: Annotated[int | None, Query(ge=0, le=_MAX_INTEGER)] = None,
        take_over: bool = False,
        grant: Grant = speaker,
    ) -> Response:
        """
        Raw samples in the session's format: a piece of it, or one body that lasts as long as the speech.

        `offset` says where the body starts, in samples per channel: what the hub has already is skipped, and a gap is
        refused with `audio-gap`. `take_over` ends other publishers. Errors say in `audio_offset` what was taken.
        """
        id = SessionId(session)
        publisher: Publisher | None = None
        is_read = False
        try:
            _check_encoding(request.headers)
            _check_type(request.headers)
            publisher = publishers.hold(id, grant, take_over=take_over)
            async with publisher.turn(take_over=take_over):
                body = publisher.body(offset)
                async for data in request.stream():
                    for piece in body.add(data):
                        await publisher.hear(piece)
                is_read = True
                body.end()
        except ClientDisconnect:
            # What was taken stays taken; there is nobody to tell.
            return Response(status_code=400)
        except HubError as error:
            return _refusal(error, _offset(hub, id, publisher, error), linger=None if is_read else linger)
        view = _taken(publisher)
        return Response(view.model_dump_json(), media_type="application/json")


def _add_events(api: APIRouter, watchers: Watchers, watcher: Any) -> None:
    @api.get(
        "/{session}/events",
        summary="What a session says, as Server-Sent Events",
        responses={**_EVENTS, **errors(400, 401, 403, 404, 429, 503)},
        response_class=Response,
    )
    async def events(
        session: str,
        seq: Annotated[int | None, Query(ge=0, le=_MAX_INTEGER)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
        grant: Grant = watcher,
    ) -> Response:
        """
        `id` is the `seq`, `event` the type, `data` the message. Needs the scope `watch`.

        `Last-Event-ID`, or else `seq`, resumes after that message; `reset` says where the session stands when what
        follows it is no longer kept. 204 says that the session is over and all was read.
        """
        return watchers.watch(SessionId(session), seq=_last_seq(last_event_id, seq), grant=grant)


def _tell(publisher: Publisher, message: Configure | Finalize | Clear) -> TakenView:
    publisher.tell(message)
    return _taken(publisher)


def _taken(publisher: Publisher) -> TakenView:
    return TakenView(session=publisher.session, audio_offset=publisher.audio_offset)


def _refusal(error: HubError, audio_offset: int | None, *, linger: float | None) -> Response:
    number, headers, body = told(error)
    if audio_offset is not None:
        fields = json.loads(body)
        fields["error"]["audio_offset"] = audio_offset
        body = json.dumps(fields).encode()
    if linger is None:
        return Response(body, number, headers, media_type="application/json")
    return EarlyAnswer(body, number, headers, linger=linger)


def _offset(hub: HubPort, session: SessionId, publisher: Publisher | None, error: HubError) -> int | None:
    """What the hub has; nothing for those who are not let in to the session."""
    if publisher is not None:
        return publisher.audio_offset
    # The hub asks who somebody is before it looks at who else is there and at where the session stands.
    if isinstance(error, Conflict) or error.code == "closing":
        return hub.snapshot(session).audio_offset
    return None


def _check_encoding(headers: Mapping[str, str]) -> None:
    if (encoding := headers.get("content-encoding", "identity")) != "identity":
        raise UnsupportedAudio(f"the body is encoded with {encoding[:32]!r}; send the samples as they are")


def _check_type(headers: Mapping[str, str]) -> None:
    """Audio may be called anything that is not plainly something else: curl calls it a form."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith(("multipart/", "text/")) or kind == "application/json":
        raise UnsupportedAudio(f"the body is {kind[:64]}, not audio; send the raw samples, as application/octet-stream")


def _last_seq(last_event_id: str | None, seq: int | None) -> int | None:
    """EventSource keeps the query of its first request and says in the header what it saw since."""
    if not last_event_id:
        return seq
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= len(str(_MAX_INTEGER))):
        raise ProtocolError("`Last-Event-ID` is the `id` of the last event seen, a number", code="bad-value")
    return int(last_event_id)


async def _read(request: Request, conversation: Conversation, kind: type[_Message], limits: Limits) -> _Message:
    """The JSON body as a message of the native protocol, all of it but the `type`. Raises ProtocolError, TooLarge."""
    text = b""
    try:
        async for data in request.stream():
            text += data
            if len(text) > limits.max_text_bytes:
                raise TooLarge(f"a JSON body has at most {limits.max_text_bytes} bytes", code="text-too-large")
    except ClientDisconnect:
        raise ProtocolError("the body broke off") from None
    message = conversation.receive_text(_typed(text, kind))
    assert isinstance(message, kind)
    return message


def _typed(text: bytes, kind: type[_Message]) -> bytes:
    """The `type` comes first: where the body names another one, that is refused."""
    fields = text.strip() or b"{}"
    if not fields.startswith(b"{"):
        return fields
    rest = fields[1:].lstrip()
    between = b"" if rest.startswith(b"}") else b","
    return b'{"type":"%b"%b%b' % (str(kind.__struct_config__.tag).encode(), between, rest)


def _schema(message: type[msgspec.Struct], *, without: str | None = None) -> dict[str, Any]:
    """JSON Schema of a message, whole in itself: OpenAPI has no place for the definitions of another library."""
    (schema,), components = msgspec.json.schema_components((message,), ref_template="{name}")
    whole: dict[str, Any] = _inlined(schema, components)
    if without is not None:
        del whole["properties"][without]
        whole["required"] = [name for name in whole.get("required", ()) if name != without]
    return whole


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if (name := schema.get("$ref")) is not None:
        return _inlined(components[name], components)
    return {key: _inlined(value, components) for key, value in schema.items()}


def _body(message: type[msgspec.Struct]) -> dict[str, Any]:
    schema = _schema(message, without="type")
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}


_Message = TypeVar("_Message", Start, Configure)

_MAX_INTEGER = 2**53 - 1

_AUDIO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

_READY: dict[int | str, dict[str, Any]] = {
    201: {
        "description": "The session is open.",
        "content": {"application/json": {"schema": _schema(Ready)}},
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}

_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {**response, "model": AudioErrorView}
    for status, response in errors(400, 401, 403, 404, 409, 415, 429, 503).items()
}

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events without end.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "The session is over, and `closed` was the last event seen."},
}
