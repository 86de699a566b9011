"""
What one client may say, and when: the server's side of one connection, without a socket.

    waiting ──start, attach──> opening ──opened──> publishing ──close──> closing ──over──> over
                                            └────> viewing

`_NEXT` is the whole of it. A message that is not in the table for the current state raises and changes nothing.
Whatever ends the conversation (`closed` read, a fatal error, the peer gone) moves it to `over`, from any state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

import msgspec

from asr_hub.config.schema import MAX_HOTWORD_WEIGHT, MIN_HOTWORD_WEIGHT
from asr_hub.errors import ClientError, HubError, ProtocolError, TooLarge
from asr_hub.model import Role
from asr_hub.wire.messages import AnyClientMessage, Attach, Clear, Close, Configure, Error, Finalize, Start
from asr_hub.wire.refusal import as_message, ending


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one client may say."""

    max_text_bytes: int = 64 * 1024
    """Of one JSON message."""
    max_audio_bytes: int = 1024 * 1024
    """Of one audio frame."""
    max_hotwords: int = 500
    max_hotword_chars: int = 100
    max_name_chars: int = 128
    """Of a session id or the name of a provider."""
    max_errors: int = 32
    """Refused messages after which the connection ends: who does not read errors must not pile them up."""


class State(Enum):
    WAITING = "waiting"
    """For `start` or `attach`."""
    OPENING = "opening"
    """One of them was read; the hub has not answered yet."""
    PUBLISHING = "publishing"
    VIEWING = "viewing"
    CLOSING = "closing"
    """`close` was read; `closed` has not been sent."""
    OVER = "over"
    """Nothing more is read or sent."""


class Refusal(msgspec.Struct, frozen=True):
    """What a connection is told about an error, and whether it ends with it."""

    message: Error
    close_code: int | None
    """WebSocket close code, or nothing where the connection goes on."""


class Conversation:
    """
    The rules of one connection.

    `receive_text` and `receive_audio` check what the client says; the caller acts on what they return, calls `opened`
    when the hub has answered `start` or `attach`, and asks `refuse` what to do about every HubError on the way.
    """

    __slots__ = ("_errors", "_limits", "_max_audio", "state")

    def __init__(self, limits: Limits) -> None:
        self.state = State.WAITING
        self._limits = limits
        self._max_audio = limits.max_audio_bytes
        self._errors = 0

    def receive_text(self, data: bytes) -> AnyClientMessage:
        """
        One JSON message of the client.

        Raises ProtocolError (its code says what is wrong), TooLarge. Whether audio of that format can be taken is for
        the hub to say.
        """
        if len(data) > self._limits.max_text_bytes:
            raise TooLarge(
                f"a text message has at most {self._limits.max_text_bytes} bytes; send audio in binary frames",
                code="text-too-large",
            )
        return self.receive(_decode(data))

    def receive(self, message: AnyClientMessage) -> AnyClientMessage:
        """
        One message of a client whose protocol has types of its own. Its fields have the types they say.

        Raises ProtocolError.
        """
        state = _NEXT[self.state].get(type(message))
        if state is None:
            raise self._not_now(message)
        _check(message, self._limits)
        self.state = state
        return message

    def receive_audio(self, data: bytes) -> bytes:
        """
        One audio frame of the client, 1 byte to `max_audio_bytes`.

        Raises ProtocolError, TooLarge. Whether the bytes are audio of the session's format is for the session to say.
        """
        if self.state is State.PUBLISHING and 0 < len(data) <= self._max_audio and not data.startswith(_MESSAGE):
            return data
        raise self._no_audio(data)

    def opened(self, role: Role) -> None:
        """The hub has attached the connection."""
        self.state = State.PUBLISHING if role is Role.PUBLISHER else State.VIEWING

    def over(self) -> None:
        """The connection ends."""
        self.state = State.OVER

    def refuse(self, error: HubError, *, seq: int) -> Refusal:
        """
        What to tell the client about an error; a fatal one moves the conversation to `over`.

        A client that is not attached yet has nothing to go on with: every error is fatal to it.
        """
        close_code, is_fatal = ending(error)
        self._errors += 1
        if not is_fatal and self._errors > self._limits.max_errors:
            error = ProtocolError(
                f"{self._limits.max_errors} messages were refused on this connection; the last one because: {error}",
                code="too-many-errors",
            )
            close_code, is_fatal = ending(error)
        if is_fatal or self.state in _UNATTACHED:
            self.state = State.OVER
            return Refusal(as_message(error, seq=seq), close_code)
        return Refusal(as_message(error, seq=seq), None)

    def _not_now(self, message: AnyClientMessage) -> ProtocolError:
        name = _NAMES[type(message)]
        if self.state is State.VIEWING and not isinstance(message, Start | Attach):
            return ProtocolError(
                f"a viewer may not send `{name}`; attach with role `publisher` to command the session, "
                "or just close the WebSocket to leave",
                code="viewer-may-not",
            )
        code, text = _NOT_NOW[self.state]
        return ProtocolError(text.format(name=f"`{name}`"), code=code)

    def _no_audio(self, data: bytes) -> ClientError:
        if self.state is State.VIEWING:
            return ProtocolError(
                "a viewer sends no audio; attach with role `publisher` to go on speaking", code="viewer-may-not"
            )
        if self.state is not State.PUBLISHING:
            code, text = _NOT_NOW[self.state]
            return ProtocolError(text.format(name="audio"), code=code)
        if not data:
            return ProtocolError(
                "an audio frame was empty; send `finalize` to end an utterance and `close` to end the session",
                code="empty-audio",
            )
        if data.startswith(_MESSAGE):
            return ProtocolError(
                "a JSON message came in a binary frame; send it in a text frame, and audio in binary ones",
                code="text-in-binary",
            )
        return TooLarge(
            f"an audio frame of {len(data)} bytes; at most {self._max_audio} are taken, so send 20 to 200 ms per frame",
            code="frame-too-large",
        )


_NEXT: Mapping[State, Mapping[type, State]] = {
    State.WAITING: {Start: State.OPENING, Attach: State.OPENING},
    State.OPENING: {},
    State.PUBLISHING: {
        Configure: State.PUBLISHING,
        Finalize: State.PUBLISHING,
        Clear: State.PUBLISHING,
        Close: State.CLOSING,
    },
    State.VIEWING: {},
    State.CLOSING: {},
    State.OVER: {},
}

_UNATTACHED = frozenset({State.WAITING, State.OPENING, State.OVER})

_NOT_NOW: Mapping[State, tuple[str, str]] = {
    State.WAITING: ("not-started", "{name} came before the session; send `start` or `attach` first"),
    State.OPENING: ("not-started", "{name} came before the session was ready; wait for `ready`"),
    State.PUBLISHING: (
        "already-started",
        "{name} came on a connection that has its session; open another connection for another one",
    ),
    State.VIEWING: (
        "already-started",
        "{name} came on a connection that has its session; open another connection for another one",
    ),
    State.CLOSING: ("closing", "{name} came after `close`; wait for `closed`, then start a new session"),
    State.OVER: ("closing", "{name} came after the end of the conversation; open a new connection"),
}

_NAMES: Mapping[type, str] = {
    Start: "start",
    Attach: "attach",
    Configure: "configure",
    Finalize: "finalize",
    Clear: "clear",
    Close: "close",
}

_decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)


def _decode(data: bytes) -> AnyClientMessage:
    # msgspec leaves the strings of unknown fields unread, and RFC 6455 asks for valid UTF-8 throughout.
    try:
        text = bytes(data).decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError(
            f"a text message is not UTF-8 (byte {exc.start}); send audio in binary frames", code="bad-utf8"
        ) from None
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as exc:
        raise _invalid(str(exc)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ProtocolError(f"a text message is not JSON: {exc}", code="bad-json") from None
    except RecursionError:
        raise ProtocolError("a text message is nested too deeply; no message of v1 is", code="bad-json") from None


def _invalid(reason: str) -> ProtocolError:
    """Name what msgspec found wrong: its exceptions carry a text and no code. A test holds each of these texts."""
    # The text quotes what the client sent, and an error is no place to send 64 KiB back.
    reason = reason if len(reason) <= _MAX_REASON else f"{reason[: _MAX_REASON // 2]}…{reason[-_MAX_REASON // 2 :]}"
    if reason.startswith("Object contains unknown field"):
        return ProtocolError(f"{reason}; the fields of v1 are in docs/reference/protocol.md", code="unknown-field")
    if reason.startswith("Object missing required field `type`") or reason.endswith("`$.type`"):
        known = ", ".join(_NAMES.values())
        return ProtocolError(f"{reason}; `type` is one of {known}", code="unknown-message")
    if reason.startswith("Object missing required field"):
        return ProtocolError(f"{reason}; add it", code="missing-field")
    if reason.startswith("Expected"):
        return ProtocolError(reason, code="wrong-type")
    return ProtocolError(reason, code="bad-value")


def _check(message: AnyClientMessage, limits: Limits) -> None:
    match message:
        case Start():
            _check_name("provider", message.provider, limits)
            check_language(message.language)
            check_hotwords(message.hotwords, limits)
            check_weights(message.hotword_weights, limits)
        case Configure():
            _check_name("provider", message.provider, limits)
            check_language(message.language)
            check_hotwords(message.hotwords or (), limits)
            check_weights(message.hotword_weights or {}, limits)
        case Attach():
            _check_name("session", message.session, limits)
            if message.seq is not None and not 0 <= message.seq < 2**53:
                raise ProtocolError("`seq` is that of the last message seen, 0 or more", code="bad-value")
        case _:
            pass


def _check_name(field: str, name: str | None, limits: Limits) -> None:
    if name is None:
        return
    if not 0 < len(name) <= limits.max_name_chars or not name.isprintable():
        raise ProtocolError(f"`{field}` has 1 to {limits.max_name_chars} printable characters", code="bad-value")


def check_language(language: str | None) -> None:
    """Raises ProtocolError where it is no BCP 47 tag."""
    if language is not None and not (len(language) <= _MAX_LANGUAGE and _LANGUAGE.fullmatch(language)):
        raise ProtocolError("`language` is a BCP 47 tag such as `en`, `en-US` or `zh-Hant-TW`", code="bad-value")


def check_hotwords(hotwords: tuple[str, ...], limits: Limits = Limits()) -> None:
    """Raises ProtocolError where there are too many, or one is no word."""
    if len(hotwords) > limits.max_hotwords:
        raise ProtocolError(
            f"{len(hotwords)} hotwords; at most {limits.max_hotwords} are taken, so send the rarest words",
            code="bad-value",
        )
    for word in hotwords:
        if not word.strip() or len(word) > limits.max_hotword_chars or not word.isprintable():
            raise ProtocolError(
                f"each of `hotwords` has 1 to {limits.max_hotword_chars} printable characters", code="bad-value"
            )


def check_weights(weights: Mapping[str, float], limits: Limits = Limits()) -> None:
    """Raises ProtocolError where they are of no hotwords, or out of bounds."""
    check_hotwords(tuple(weights), limits)
    if not all(MIN_HOTWORD_WEIGHT <= weight <= MAX_HOTWORD_WEIGHT for weight in weights.values()):
        raise ProtocolError(
            f"the weight of a hotword is from {MIN_HOTWORD_WEIGHT:g} to {MAX_HOTWORD_WEIGHT:g}; 1 is usual",
            code="bad-value",
        )


_MAX_REASON = 200
"""Characters"""

_MESSAGE = b'{"type":'
"""How a message begins that a client sent as audio by mistake. The odds that audio does are one in 2^64."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)
"""The shape of a tag (RFC 5646, 2.1), not the registry of them."""

_MAX_LANGUAGE = 35
"""Characters: what RFC 5646, 4.4.1 asks software to have room for."""
