"""The shapes of what a recording client is told and may say over Socket.IO, in the default namespace."""

from __future__ import annotations

from typing import Literal

import msgspec

from asr_hub.model import HUB_RATE, Encoding


class StartRecording(msgspec.Struct, frozen=True, kw_only=True):
    """Open a session and record. All of it is optional; what is not known is named in `recording_started`."""

    language: str | None = None
    """BCP 47; `auto` is the engine's own."""
    provider: str | None = None
    hotwords: str | tuple[str, ...] = ()
    """A list, or one text of them with spaces or commas between."""
    sample_rate: int = HUB_RATE
    """Hertz"""
    channels: int = 1
    encoding: Encoding = Encoding.PCM_S16LE
    partials: bool = True


class ConnectionNamed(msgspec.Struct, frozen=True, kw_only=True):
    """Told once, when the client has connected."""

    session_id: str


class RecordingStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A session is open: what is sent is heard."""

    status: Literal["ok"]
    session_id: str
    """With which others may watch, over any protocol of the hub."""
    provider: str
    ignored: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Names of options that the hub does not know."""


class TimedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text and where it is in the audio."""

    text: str
    start_ms: int
    """Milliseconds of audio since the recording began."""
    end_ms: int


class VadEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody begins to speak, or has stopped."""

    type: Literal["start", "end"]
    time: int
    """Milliseconds of audio since the recording began."""


class Transcription(msgspec.Struct, frozen=True, kw_only=True):
    """What is heard now. Replaces the one before it until `is_final`."""

    text: str
    """Of the current utterance."""
    punc_text: str
    """The best reading of a final; empty before."""
    full_text: str
    """Of the whole recording so far."""
    is_final: bool
    is_speaking: bool
    is_speech_active: bool
    vad_event: VadEvent | None
    segment: TimedText | None
    current_time_ms: int


class RecordingStopped(msgspec.Struct, frozen=True, kw_only=True):
    """No more audio is taken; `final_result` follows."""

    message: str
    reason: str


class FinalResult(msgspec.Struct, frozen=True, kw_only=True):
    """The recording, in the readings of each pass."""

    paraformer: str
    """The fast pass."""
    paraformer_length: int
    """Characters"""
    sensevoice: str
    """The accurate pass, or else the fast one."""
    sensevoice_length: int
    llm_merged: str
    """The corrected pass, or else the best there is."""
    llm_merged_length: int
    passes: dict[str, tuple[str, ...]]
    """Which passes each of the three really comes from."""
    timestamps: tuple[TimedText, ...]
    """Words, or whole segments where the engine has no word times."""
    realtime_segments: tuple[TimedText, ...]
    dropped_segments: int
    """Segments that were too old to be kept."""
    session_id: str
    reason: str
    duration_ms: int
    """Milliseconds of audio"""


class WakeWordSpotted(msgspec.Struct, frozen=True, kw_only=True):
    """The phrase was heard: the session listens."""

    phrase: str
    time: int
    """Milliseconds of audio since the recording began."""


class RecordingWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Something is not as asked for, and the recording goes on."""

    code: str
    message: str


class RecordingError(msgspec.Struct, frozen=True, kw_only=True):
    """What the client said was refused, or the recording cannot go on."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None
    """Seconds"""
