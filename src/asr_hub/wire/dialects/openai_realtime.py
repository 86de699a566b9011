"""
OpenAI's Realtime API (GA), transcription sessions: JSON over WebSocket, audio as base64.

The hub's session begins with the client's first settings, audio or commit, since those say what it is to be like; its
format cannot change afterwards. Clients take any `error` event for the end, so nothing is told of fields that the hub
does not know, and of settings that it cannot follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from asr_hub.errors import HubError, ProtocolError
from asr_hub.wire.dialects.codec import Audio, HangUp, Reply, Step
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.openai_realtime_events import Events
from asr_hub.wire.dialects.openai_realtime_items import Items
from asr_hub.wire.dialects.openai_realtime_session import BadField, Session, updated
from asr_hub.wire.messages import (
    AnyServerMessage,
    Clear,
    Closed,
    Configure,
    Endpoint,
    Error,
    Final,
    Finalize,
    Partial,
    Ready,
    SpeechStarted,
    Start,
)
from asr_hub.wire.refusal import ending

MAX_AUDIO_BYTES = 15 * 2**20
"""Of one event, as OpenAI has it."""

MAX_ERRORS = 32
"""Refused events after which the connection ends: who does not read errors must not pile them up."""


class Update(msgspec.Struct, frozen=True, tag="session.update"):
    session: dict[str, Any]
    event_id: str | None = None


class Append(msgspec.Struct, frozen=True, tag="input_audio_buffer.append"):
    audio: bytes
    """Base64 on the wire"""
    event_id: str | None = None


class Commit(msgspec.Struct, frozen=True, tag="input_audio_buffer.commit"):
    event_id: str | None = None


class ClearBuffer(msgspec.Struct, frozen=True, tag="input_audio_buffer.clear"):
    event_id: str | None = None


class Realtime:
    """
    `Codec` of one connection. Times on the wire are milliseconds of audio since the session began.

    `provider` gives the one that a model stands for; it raises NotFound. `seed` is in the ids of the connection.
    """

    def __init__(self, session: Session, *, seed: str, policy: Policy, provider: Callable[[str | None], str | None]):
        self._session = session
        self._before: Session | None = None
        """The settings before the step that may still be refused."""
        self._name = f"sess_{seed}"
        self._provider = provider
        self._events = Events(seed)
        self._items = Items(self._events, seed, policy)
        self._has_begun = False
        self._is_ready = False
        self._owed = 0
        """Updates to be answered when the hub's session is there."""
        self._cause: str | None = None
        """The id of the client's last event."""
        self._is_taken = True
        """The client's last frame was one that can be read."""
        self._errors = 0

    def greet(self) -> Sequence[Step]:
        return (self._events.session("session.created", self._name, self._session),)

    def receive_text(self, text: str) -> Sequence[Step]:
        self._before, self._cause, self._is_taken = None, None, False
        try:
            event = _decoder.decode(text)
        except (msgspec.DecodeError, RecursionError) as exc:
            self._cause = _id_of(text)
            raise _unreadable(exc) from None
        self._cause = event.event_id
        match event:
            case Append(audio):
                steps = self._hear(audio)
            case Update(update):
                steps = self._update(update)
            case Commit():
                steps = (*self._begin(), Finalize())
                self._items.finalize(is_wanted=True)
            case ClearBuffer():
                steps = self._clear()
        self._is_taken = True
        return steps

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        self._before, self._cause, self._is_taken = None, None, False
        raise ProtocolError("a binary frame; send audio as base64 in `input_audio_buffer.append`", code="invalid-event")

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        match message:
            case Ready(session=name):
                return self._ready(name)
            case SpeechStarted():
                return self._items.started(message, has_turns=self._session.has_turns)
            case Partial():
                return self._items.partial(message)
            case Endpoint():
                return self._items.ended(message)
            case Final():
                return self._items.final(message)
            case Error(scope="session"):
                self._items.failed(message)
                return ()
            case Closed(reason=reason):
                error = HubError(f"the hub closed the session: {reason}", code=reason)
                return (self._events.error(error), HangUp(1001, reason))
            case _:
                return ()

    def refuse(self, error: HubError) -> Sequence[Reply]:
        if self._before is not None:
            self._session, self._before = self._before, None
        told = self._events.error(error, cause=self._cause)
        self._errors += 1
        code, is_fatal = ending(error)
        # A session that could not begin has nothing to go on with.
        is_fatal = is_fatal or (self._is_taken and self._has_begun and not self._is_ready)
        if is_fatal or self._errors > MAX_ERRORS:
            return (told, HangUp(code, error.code))
        return (told,)

    def late(self) -> Sequence[Reply]:
        return ()

    def _hear(self, audio: bytes) -> Sequence[Step]:
        if len(audio) > MAX_AUDIO_BYTES:
            raise BadField(f"more than {MAX_AUDIO_BYTES >> 20} MiB of audio in one event; send less", param="audio")
        return (*self._begin(), Audio(audio))

    def _update(self, update: dict[str, Any]) -> Sequence[Step]:
        old, new = self._session, updated(self._session, update)
        if self._has_begun and new.format != old.format:
            raise BadField(
                "the format cannot change in a session that has begun; say it first, or connect again",
                param="session.audio.input.format",
            )
        if not self._has_begun:
            self._session = new
            try:
                steps = self._begin()
            except HubError:
                self._session = old
                raise
            self._owed = 1
            return steps
        change = self._changed(old, new)
        self._session, self._before = new, old
        if self._is_ready:
            return (*change, self._events.session("session.updated", self._name, new))
        self._owed += 1
        return change

    def _changed(self, old: Session, new: Session) -> Sequence[Step]:
        provider = self._provider(new.model) if new.model != old.model else None
        language = new.language if new.language != old.language else None
        hotwords = new.hotwords if new.hotwords != old.hotwords else None
        change = Configure(provider=provider, language=language, hotwords=hotwords)
        return () if change == Configure() else (change,)

    def _begin(self) -> Sequence[Step]:
        """The hub's session, where there is none. Raises NotFound for its model."""
        if self._has_begun:
            return ()
        it = self._session
        start = Start(format=it.format, provider=self._provider(it.model), language=it.language, hotwords=it.hotwords)
        self._has_begun = True
        return (start,)

    def _clear(self) -> Sequence[Step]:
        cleared = self._events.cleared()
        if not self._has_begun:
            return (cleared,)
        if not self._items.are_awaited:
            return (Clear(), cleared)
        # The hub would forget what was committed and is not heard yet, too.
        self._items.finalize(is_wanted=False)
        return (Finalize(), cleared)

    def _ready(self, name: str) -> Sequence[Reply]:
        self._is_ready = True
        self._name = name
        owed, self._owed = self._owed, 0
        return tuple(self._events.session("session.updated", name, self._session) for _ in range(owed))


def _unreadable(exc: msgspec.DecodeError | RecursionError) -> ProtocolError:
    match exc:
        case msgspec.ValidationError():
            reason, _, path = str(exc).partition(" - at `$")
            message = f"an event cannot be read: {reason}; a transcription session has {_EVENTS}"
            return BadField(message, param=path.strip("`.") or "type")
        case RecursionError():
            return ProtocolError("a text frame is nested too deeply; no event is", code="invalid-json")
        case _:
            return ProtocolError(f"a text frame is not JSON: {exc}", code="invalid-json")


def _id_of(text: str) -> str | None:
    """The id of an event that cannot be read otherwise, where it has one."""
    try:
        return msgspec.json.decode(text, type=_Named).event_id
    except (msgspec.DecodeError, RecursionError):
        return None


class _Named(msgspec.Struct, frozen=True):
    event_id: str | None = None


_decoder: msgspec.json.Decoder[Update | Append | Commit | ClearBuffer] = msgspec.json.Decoder(
    Update | Append | Commit | ClearBuffer
)

_EVENTS = "`session.update`, `input_audio_buffer.append`, `.commit` and `.clear`"
