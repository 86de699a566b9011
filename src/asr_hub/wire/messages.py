"""
The messages of the hub's own protocol, v1. Every transport carries these and only these.

A client opens with `start` (a new session) or `attach` (one that lives), then sends audio in binary frames and commands
as JSON text. Every server message carries `seq`: it numbers what the session says, without gap, except that a message
that was merged into a newer one on its way to a slow reader is counted in `skipped` of the next. `ready` and an `error`
of the connection alone repeat the current `seq` and do not advance it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Pass, Role, SessionId

VERSION = 1


class ClientMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """What a client sends. A field the hub does not know is refused, so that a typo is told."""


class Start(ClientMessage, frozen=True, tag="start"):
    """Open a session and become its publisher. Answered by `ready`."""

    format: AudioFormat = AudioFormat()
    provider: str | None = None
    """A provider of the configuration; by default its default."""
    language: str | None = None
    """BCP 47"""
    hotwords: tuple[str, ...] = ()
    hotword_weights: dict[str, float] = {}
    """How much some hotwords are preferred to others, from 0.1 to 10; the others have 1."""
    partials: bool = True
    levels: bool = False
    """Send `levels` a few times per second."""
    wait_for: Pass = Pass.FAST
    """Finals come when this pass has read them, or its time is over; later passes come as revisions."""


class Attach(ClientMessage, frozen=True, tag="attach"):
    """Come back to a session that lives, or watch it. Answered by `ready`, then by what was missed."""

    session: SessionId
    role: Role = Role.PUBLISHER
    seq: int | None = None
    """The last `seq` seen. Without it everything the session still keeps is sent."""
    take_over: bool = False
    """Become the publisher even while another connection is: for a client whose old socket died unnoticed."""


class Configure(ClientMessage, frozen=True, tag="configure"):
    """Change a running session. Holds from the next utterance on; absent fields stay as they are."""

    provider: str | None = None
    language: str | None = None
    hotwords: tuple[str, ...] | None = None
    hotword_weights: dict[str, float] | None = None
    partials: bool | None = None
    levels: bool | None = None
    wait_for: Pass | None = None


class Finalize(ClientMessage, frozen=True, tag="finalize"):
    """End the utterance now and go on. Answered by `endpoint` and `final`, even where nothing was said."""


class Clear(ClientMessage, frozen=True, tag="clear"):
    """Forget what is not final. Answered by `endpoint`; no `final` follows for that utterance."""


class Close(ClientMessage, frozen=True, tag="close"):
    """No more audio. What is left is finalised, then `closed` comes."""


AnyClientMessage = Start | Attach | Configure | Finalize | Clear | Close


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the hub sends. Clients ignore fields they do not know."""

    seq: int = 0
    """The place of this message in what the session says; 0 before a session exists."""
    skipped: int | msgspec.UnsetType = msgspec.UNSET
    """How many messages just before this one were merged into newer ones."""


class Ready(ServerMessage, frozen=True, tag="ready"):
    """The connection is attached. Send audio from `audio_offset` on."""

    session: SessionId
    role: Role
    provider: str
    format: AudioFormat
    audio_offset: int
    """Samples per channel that the hub has already taken."""
    resume_window: float
    """Seconds that the session outlives its last publisher."""
    version: int = VERSION


class SpeechStarted(ServerMessage, frozen=True, tag="speech-started"):
    utterance: int
    at: int
    """Milliseconds of audio since the session began."""


class Partial(ServerMessage, frozen=True, tag="partial"):
    """Replaces the partial before it."""

    utterance: int
    hypothesis: Hypothesis


class Endpoint(ServerMessage, frozen=True, tag="endpoint"):
    """The utterance is over. Its `final` follows, unless the reason is `clear`."""

    utterance: int
    at: int
    """Milliseconds of audio since the session began."""
    reason: EndpointReason


class Final(ServerMessage, frozen=True, tag="final"):
    """The words of the utterance. Comes once and is never taken back."""

    utterance: int
    hypothesis: Hypothesis
    reason: EndpointReason
    latency_ms: int | None = None
    """From the end of the utterance's audio to this final, in the hub."""


class Revision(ServerMessage, frozen=True, tag="revision"):
    """A later pass read the utterance, or who speaks was told late. The final before it stays in the history."""

    utterance: int
    hypothesis: Hypothesis
    latency_ms: int | None = None
    """From the end of the utterance's audio, in the hub."""


class WakeWord(ServerMessage, frozen=True, tag="wake-word"):
    """The phrase was heard: the session listens."""

    phrase: str
    at: int
    """Milliseconds of audio since the session began: the end of the phrase."""


class AudioAck(ServerMessage, frozen=True, tag="audio-ack"):
    """The hub has taken this much audio; the client may forget it."""

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
    scope: Literal["connection", "session"] = "connection"
    """A connection's error is told to it alone and does not advance `seq`."""


class Reading(msgspec.Struct, frozen=True):
    """The latest reading of one utterance."""

    utterance: int
    hypothesis: Hypothesis


class Reset(ServerMessage, frozen=True, tag="reset"):
    """
    What follows the last `seq` of this reader is no longer kept: forget what was shown, show this, and go on.

    `seq` is where the session stands. Only event streams send it; a WebSocket is told `resume-gap` or `slow-client`.
    """

    finals: tuple[Reading, ...]
    """In the order of the utterances, revised where a later pass read differently; without words and alternatives."""
    provider: str
    audio_offset: int
    """Samples per channel that the hub has taken."""
    partial: Reading | None = None
    """Of the utterance whose final has not come."""


class Closed(ServerMessage, frozen=True, tag="closed"):
    """The session is over. Nothing follows."""

    reason: str
    audio_offset: int = 0
    """Samples per channel that were taken in all."""


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
    | Reset
    | Closed
)
