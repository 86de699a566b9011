"""Facts become messages."""

from __future__ import annotations

import pytest

from asr_hub.effects.delivery import message_of
from asr_hub.model import EndpointReason, Hypothesis, ProviderName, Role, SessionId
from asr_hub.store.slices import sessions, transcripts
from asr_hub.wire import messages as wire

pytestmark = pytest.mark.unit

ID = SessionId("s")
HEARD = Hypothesis(text="hello", start=0, end=100, is_final=True)

TABLE = [
    (sessions.AudioTaken(session=ID, audio_offset=5), wire.AudioAck(audio_offset=5)),
    (sessions.SpeechStarted(session=ID, utterance=1, audio_ms=20), wire.SpeechStarted(utterance=1, at=20)),
    (
        sessions.SpeechEnded(session=ID, utterance=1, audio_ms=90, reason=EndpointReason.SILENCE),
        wire.Endpoint(utterance=1, at=90, reason=EndpointReason.SILENCE),
    ),
    (sessions.WakeWordHeard(session=ID, phrase="hub", audio_ms=7), wire.WakeWord(phrase="hub", at=7)),
    (
        transcripts.HypothesisRevised(session=ID, utterance=1, hypothesis=HEARD),
        wire.Partial(utterance=1, hypothesis=HEARD),
    ),
    (
        transcripts.UtteranceFinalized(
            session=ID, utterance=1, hypothesis=HEARD, reason=EndpointReason.CLOSE, latency_ms=3
        ),
        wire.Final(utterance=1, hypothesis=HEARD, reason=EndpointReason.CLOSE, latency_ms=3),
    ),
    (
        transcripts.UtteranceCorrected(session=ID, utterance=1, hypothesis=HEARD),
        wire.Revision(utterance=1, hypothesis=HEARD),
    ),
    (
        transcripts.RecognitionFailed(
            session=ID, utterance=1, provider=ProviderName("p"), code="provider", message="died", retryable=True
        ),
        wire.Error(code="provider", message="died", retryable=True, scope="session"),
    ),
    (
        transcripts.UtteranceHandedOn(
            session=ID,
            utterance=1,
            provider=ProviderName("p"),
            to=ProviderName("q"),
            code="provider",
            message="p: died; say it again",
        ),
        wire.Warning(code="handed-on", message="p: died; q hears the utterance"),
    ),
    (sessions.SessionWarned(session=ID, code="c", message="m"), wire.Warning(code="c", message="m")),
    (sessions.SessionClosed(session=ID, reason="close", audio_offset=9), wire.Closed(reason="close", audio_offset=9)),
    (sessions.SessionAttached(session=ID, role=Role.VIEWER, protocol="x"), None),
    (sessions.FinalizeRequested(session=ID), None),
    (sessions.CloseRequested(session=ID, reason="idle"), None),
]


@pytest.mark.parametrize(("event", "message"), TABLE, ids=lambda item: type(item).__name__)
def test_what_a_client_is_told(event: sessions.SessionEvent, message: wire.ServerMessage | None) -> None:
    assert message_of(event) == message


def test_every_kind_of_session_message_comes_from_a_fact() -> None:
    told = {type(message) for _, message in TABLE}
    told_otherwise = {wire.Ready, wire.Levels, wire.Reset}
    assert told | told_otherwise >= set(wire.AnyServerMessage.__args__)
