"""What clients of OpenAI's Realtime API say and are told, for the tests of their codec."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from asr_hub.errors import NotFound
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Role, SessionId
from asr_hub.wire.dialects.codec import Step, Text
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.openai_realtime import Realtime
from asr_hub.wire.dialects.openai_realtime_session import first
from asr_hub.wire.messages import (
    AnyServerMessage,
    Endpoint,
    Final,
    Ready,
    SpeechStarted,
)

READY = Ready(
    session=SessionId("native"),
    role=Role.PUBLISHER,
    provider="p",
    format=AudioFormat(),
    audio_offset=0,
    resume_window=1,
)


def provider(model: str | None) -> str | None:
    if model == "absent":
        raise NotFound("there is no such model", code="model-not-found")
    return None if model is None else f"the {model}"


def codec(policy: Policy = "stable", *, model: str | None = None) -> Realtime:
    return Realtime(first(model), seed="s", policy=policy, provider=provider)


def update(**given: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": given}}})


def append(audio: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})


COMMIT = '{"type": "input_audio_buffer.commit"}'
CLEAR = '{"type": "input_audio_buffer.clear", "event_id": "mine"}'
NO_TURNS = update(turn_detection=None)


def events(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [json.loads(step.data) for step in steps if isinstance(step, Text)]


def told(it: Realtime, *messages: AnyServerMessage) -> list[dict[str, Any]]:
    return [event for message in messages for event in events(it.tell(message))]


def kinds(them: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("conversation.item.input_audio_transcription.") for event in them]


def hypothesis(text: str, *, stable: int | None = None, at: int = 0, **more: Any) -> Hypothesis:
    return Hypothesis(text=text, start=at, end=at + 500, stable=len(text) if stable is None else stable, **more)


def started(utterance: int) -> SpeechStarted:
    return SpeechStarted(utterance=utterance, at=100 * utterance)


def ended(utterance: int, reason: EndpointReason = EndpointReason.SILENCE) -> Endpoint:
    return Endpoint(utterance=utterance, at=100 * utterance + 50, reason=reason)


def final(utterance: int, text: str, reason: EndpointReason = EndpointReason.SILENCE, **more: Any) -> Final:
    return Final(utterance=utterance, hypothesis=hypothesis(text, **more), reason=reason)


COMMITTED = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
