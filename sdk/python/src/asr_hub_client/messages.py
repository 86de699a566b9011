"""
The messages of the native protocol, v1, as a client sees them: docs/reference/protocol.md has the whole of it.

What the hub sends may have fields and types that are not here, because a newer hub may say more: both are ignored.
Words whose list may grow (`reason`, `pass_`, an error's `code`) are plain strings for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
WhichPass = Literal["fast", "accurate", "corrected"]

_WIDTHS: Mapping[str, int] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


class AudioFormat(msgspec.Struct, frozen=True):
    """How to read raw audio bytes."""

    sample_rate: int = 16_000
    """Hertz, 8000 to 192000"""
    channels: int = 1
    """Interleaved, 1 to 8; they are mixed down to one."""
    encoding: Encoding = "pcm_s16le"

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample of every channel. Audio offsets count these."""
        return self.channels * _WIDTHS[self.encoding]

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.bytes_per_frame


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What a client sends. What is as by default is left out: an older hub is not asked for what it does not know."""


class Start(ClientMessage, frozen=True, tag="start"):
    """Open a session and become its publisher. Answered by `Ready`."""

    format: AudioFormat = AudioFormat()
    provider: str | None = None
    """A provider of the hub; by default its default."""
    language: str | None = None
    """BCP 47"""
    hotwords: tuple[str, ...] = ()
    hotword_weights: dict[str, float] = {}
    """How much some hotwords are preferred to others, from 0.1 to 10; the others have 1."""
    partials: bool = True
    levels: bool = False
    """Send `Levels` a few times per second."""
    wait_for: WhichPass = "fast"
    """Finals come when this pass has read them, or its time is over; later passes come as revisions."""


class Attach(ClientMessage, frozen=True, tag="attach"):
    """Come back to a session that lives, or watch it. Answered by `Ready`, then by what was missed."""

    session: str
    role: Literal["publisher", "viewer"] = "publisher"
    seq: int | None = None
    """The last `seq` seen. Without it everything the session still keeps is sent."""
    take_over: bool = False
    """Become the publisher even while another connection is."""


class Configure(ClientMessage, frozen=True, tag="configure"):
    """Change a running session. Holds from the next utterance on; absent fields stay as they are."""

    provider: str | None = None
    language: str | None = None
    hotwords: tuple[str, ...] | None = None
    hotword_weights: dict[str, float] | None = None
    partials: bool | None = None
    levels: bool | None = None
    wait_for: WhichPass | None = None


class Finalize(ClientMessage, frozen=True, tag="finalize"):
    """End the utterance now and go on."""


class Clear(ClientMessage, frozen=True, tag="clear"):
    """Forget what is not final."""


class Close(ClientMessage, frozen=True, tag="close"):
    """No more audio."""


Command = Configure | Finalize | Clear | Close
"""What a client may say once it is attached."""


class Word(msgspec.Struct, frozen=True):
    """One word of a hypothesis."""

    text: str
    start: int
    """Milliseconds of audio since the session began."""
    end: int
    confidence: float | None = None


class Alternative(msgspec.Struct, frozen=True):
    """Another thing that may have been said."""

    text: str
    confidence: float | None = None


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"pass_": "pass"}):
    """What an engine thinks was said in one utterance, so far."""

    text: str
    start: int
    """Milliseconds of audio since the session began."""
    end: int
    is_final: bool = False
    stable: int = 0
    """Characters at the beginning of `text` that later partials keep."""
    revision: int = 0
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None
    speaker: str | None = None
    tags: dict[str, str] = {}
    alternatives: tuple[Alternative, ...] = ()
    """The best one first; `text` is not among them."""
    provider: str = ""
    pass_: str = "fast"
    """`fast`, `accurate`, `corrected`"""


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the hub sends."""

    seq: int = 0
    """The place of this message in what the session says."""
    skipped: int | UnsetType = UNSET
    """How many messages just before this one were merged into newer ones."""


class Ready(ServerMessage, frozen=True, tag="ready"):
    """The connection is attached."""

    session: str
    role: str
    provider: str
    format: AudioFormat
    audio_offset: int
    """Samples per channel that the hub has already taken."""
    resume_window: float
    """Seconds that the session outlives its last publisher."""
    version: int = 1


class SpeechStarted(ServerMessage, frozen=True, tag="speech-started"):
    utterance: int
    at: int
    """Milliseconds of audio since the session began."""


class Partial(ServerMessage, frozen=True, tag="partial"):
    """Replaces the partial before it."""

    utterance: int
    hypothesis: Hypothesis


class Endpoint(ServerMessage, frozen=True, tag="endpoint"):
    """The utterance is over. Its `Final` follows, unless the reason is `clear`."""

    utterance: int
    at: int
    """Milliseconds of audio since the session began."""
    reason: str


class Final(ServerMessage, frozen=True, tag="final"):
    """The words of the utterance. Comes once and is never taken back."""

    utterance: int
    hypothesis: Hypothesis
    reason: str
    latency_ms: int | None = None


class Revision(ServerMessage, frozen=True, tag="revision"):
    """A later pass read the utterance, or who speaks was told late."""

    utterance: int
    hypothesis: Hypothesis
    latency_ms: int | None = None


class WakeWord(ServerMessage, frozen=True, tag="wake-word"):
    """The phrase was heard: the session listens."""

    phrase: str
    at: int
    """Milliseconds of audio since the session began."""


class AudioAck(ServerMessage, frozen=True, tag="audio-ack"):
    """The hub has taken this much audio."""

    audio_offset: int
    """Samples per channel since the session began."""


class Levels(ServerMessage, frozen=True, tag="levels"):
    at: int
    """Milliseconds of audio since the session began."""
    rms_db: float
    """dB of full scale"""
    peak_db: float


class Warning(ServerMessage, frozen=True, tag="warning"):
    """Something is not as asked for, and the session goes on."""

    code: str
    message: str


class Error(ServerMessage, frozen=True, tag="error"):
    """A request was refused, or something failed. `message` says what to do."""

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None
    """Seconds"""
    scope: str = "connection"
    """`connection`: told to this one alone, without a `seq` of its own. `session`: told to everybody attached."""


class Closed(ServerMessage, frozen=True, tag="closed"):
    """The session is over. Nothing follows."""

    reason: str
    audio_offset: int = 0
    """Samples per channel that were taken in all."""


class Reading(msgspec.Struct, frozen=True):
    """The latest reading of one utterance."""

    utterance: int
    hypothesis: Hypothesis


class Reset(ServerMessage, frozen=True, tag="reset"):
    """What was missed is no longer kept: forget what was shown, show this, and go on. Over `http` only."""

    finals: tuple[Reading, ...]
    """In the order of the utterances, in their latest readings; without words and alternatives."""
    provider: str
    audio_offset: int
    """Samples per channel that the hub has taken."""
    partial: Reading | None = None


AnyServerMessage = (
    Ready
    | SpeechStarted
    | Partial
    | Endpoint
    | Final
    | Revision
    | WakeWord
    | AudioAck
    | Levels
    | Warning
    | Error
    | Closed
    | Reset
)

TYPES: Mapping[str, type[ServerMessage]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyServerMessage)
}
"""The server messages by their `type`."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a newer hub. Only its place counts."""

    type: str
    seq: int = 0
    skipped: int | UnsetType = UNSET


def encode(message: ClientMessage) -> str:
    """A message as JSON text."""
    return _encoder.encode(message).decode()


def decode(data: bytes | str) -> AnyServerMessage | Unknown:
    """A message from JSON. Raises ValueError for what is no message of any version of the protocol."""
    unknown = msgspec.json.decode(data, type=Unknown)
    if unknown.type not in TYPES:
        return unknown
    return _decoder.decode(data)


def from_object(value: object) -> AnyServerMessage | Unknown:
    """A message from what JSON was read into. Raises ValueError like `decode`."""
    unknown = msgspec.convert(value, Unknown)
    if unknown.type not in TYPES:
        return unknown
    message: AnyServerMessage = msgspec.convert(value, AnyServerMessage)
    return message


def to_object(message: ClientMessage) -> dict[str, object]:
    """A message as the objects that JSON is made of."""
    value: dict[str, object] = msgspec.to_builtins(message)
    return value


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyServerMessage] = msgspec.json.Decoder(AnyServerMessage)
