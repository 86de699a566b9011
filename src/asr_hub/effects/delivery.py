"""Which message, if any, tells a client of a fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asr_hub.store.event import SessionEvent
from asr_hub.store.slices.sessions import (
    AudioTaken,
    SessionClosed,
    SessionWarned,
    SpeechEnded,
    SpeechStarted,
    WakeWordHeard,
)
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    RecognitionFailed,
    UtteranceCorrected,
    UtteranceFinalized,
    UtteranceHandedOn,
)
from asr_hub.wire import messages as wire


def message_of(event: SessionEvent) -> wire.ServerMessage | None:
    """The message for `event`, not yet numbered, or nothing: most facts are no client's business."""
    project = _PROJECTIONS.get(type(event))
    return project(event) if project is not None else None


_PROJECTIONS: dict[type[SessionEvent], Callable[[Any], wire.ServerMessage]] = {
    AudioTaken: lambda e: wire.AudioAck(audio_offset=e.audio_offset),
    SpeechStarted: lambda e: wire.SpeechStarted(utterance=e.utterance, at=e.audio_ms),
    SpeechEnded: lambda e: wire.Endpoint(utterance=e.utterance, at=e.audio_ms, reason=e.reason),
    WakeWordHeard: lambda e: wire.WakeWord(phrase=e.phrase, at=e.audio_ms),
    HypothesisRevised: lambda e: wire.Partial(utterance=e.utterance, hypothesis=e.hypothesis),
    UtteranceFinalized: lambda e: wire.Final(
        utterance=e.utterance, hypothesis=e.hypothesis, reason=e.reason, latency_ms=e.latency_ms
    ),
    UtteranceCorrected: lambda e: wire.Revision(
        utterance=e.utterance, hypothesis=e.hypothesis, latency_ms=e.latency_ms
    ),
    RecognitionFailed: lambda e: wire.Error(code=e.code, message=e.message, retryable=e.retryable, scope="session"),
    # What to do about the failure stands behind the semicolon, and nobody has to do it.
    UtteranceHandedOn: lambda e: wire.Warning(
        code="handed-on", message=f"{e.message.partition('; ')[0]}; {e.to} hears the utterance"
    ),
    SessionWarned: lambda e: wire.Warning(code=e.code, message=e.message),
    SessionClosed: lambda e: wire.Closed(reason=e.reason, audio_offset=e.audio_offset),
}
