"""What a client of OpenAI's REST API is told: answers, events of a stream, errors and models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from asr_hub.errors import HubError, Unauthorized, UnsupportedAudio
from asr_hub.wire.dialects.growing import Growing, Policy
from asr_hub.wire.dialects.openai_realtime_events import envelope
from asr_hub.wire.dialects.openai_rest import Asked
from asr_hub.wire.dialects.spacing import spaced
from asr_hub.wire.messages import AnyServerMessage, Final, Partial, SpeechStarted
from asr_hub.wire.status import status

UNKNOWN_SPEAKER = "unknown"
"""Of a segment of which nobody knows who speaks: clients take a text."""

END = b"data: [DONE]\n\n"

Task = Literal["transcribe", "translate"]


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """All that there is to tell of a file."""

    text: str
    duration_ms: int
    languages: tuple[str, ...] = ()
    """BCP 47: those that were heard, or the one that was said to be."""
    segments: Sequence[Mapping[str, Any]] = ()
    """As `verbose_json` has them; with a `speaker` where one is known."""
    words: Sequence[Mapping[str, Any]] = ()


def plain(spoken: Spoken) -> dict[str, Any]:
    """`json`"""
    return {"text": spoken.text, "usage": _usage(spoken), **_languages(spoken)}


def verbose(spoken: Spoken, asked: Asked, task: Task) -> dict[str, Any]:
    """`verbose_json`. The text of a translation is English."""
    language = "english" if task == "translate" else next(iter(spoken.languages), "und")
    answer: dict[str, Any] = {
        "task": task,
        "language": language,
        "duration": spoken.duration_ms / 1000,
        "text": spoken.text,
    }
    if asked.has_segments:
        answer["segments"] = spoken.segments
    if asked.has_words:
        answer["words"] = spoken.words
    return answer | {"usage": _usage(spoken)}


def diarized(spoken: Spoken) -> dict[str, Any]:
    """`diarized_json`"""
    return {
        "task": "transcribe",
        "duration": spoken.duration_ms / 1000,
        "text": spoken.text,
        "segments": _turns(spoken),
        "usage": _usage(spoken),
    }


class Deltas:
    """The events of a stream of one file, in their order. `[DONE]` ends it for those who wait for that."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._open: dict[int, Growing] = {}
        """Utterances that are not final, the oldest first: only that one grows, for what is told stays where it is."""
        self._told = ""

    def tell(self, message: AnyServerMessage) -> list[bytes]:
        """What is to be sent of something that the session says."""
        match message:
            case SpeechStarted(utterance=utterance):
                self._growing(utterance)
                return []
            case Partial(utterance=utterance, hypothesis=hypothesis):
                growing = self._growing(utterance)
                if next(iter(self._open)) != utterance:
                    return []
                return self._delta(growing, growing.partial(hypothesis))
            case Final(utterance=utterance, hypothesis=hypothesis):
                growing = self._growing(utterance)
                events = self._delta(growing, growing.final(hypothesis))
                del self._open[utterance]
                return events
            case _:
                return []

    def done(self, spoken: Spoken, *, are_turns: bool) -> list[bytes]:
        """The end. `are_turns`: who said what is told before."""
        turns = _turns(spoken) if are_turns else []
        done = {"type": "transcript.text.done", "text": spoken.text, "usage": _usage(spoken), **_languages(spoken)}
        return [*map(event, turns), event(done), END]

    def _growing(self, utterance: int) -> Growing:
        return self._open.setdefault(utterance, Growing(self._policy))

    def _delta(self, growing: Growing, text: str) -> list[bytes]:
        if not text:
            return []
        if growing.told == text:
            # The first of an utterance: a space belongs before it where it does in its script.
            text = spaced(self._told)[len(self._told) :] + text
        self._told += text
        return [event({"type": "transcript.text.delta", "delta": text})]


def event(message: Mapping[str, Any]) -> bytes:
    """
    One event of a stream.

    Without an `id`: OpenAI's client for Python takes a comment after an event that had one for an event without data,
    and fails.
    """
    return b"data: %b\n\n" % msgspec.json.encode(message)


def failed(error: HubError) -> bytes:
    """The stream ends with an error, which clients raise."""
    return event(error_body(error))


def error_body(error: HubError) -> dict[str, Any]:
    told = envelope(error)
    return {"error": told | {"code": "invalid_api_key"} if isinstance(error, Unauthorized) else told}


def refusal(error: HubError) -> tuple[int, dict[str, str], bytes]:
    """
    The status, headers and body of an answer that is an error.

    OpenAI calls a file that cannot be read a bad request. `x-should-retry` keeps its clients from trying in vain.
    """
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    number = 400 if isinstance(error, UnsupportedAudio) else status(error).http
    return number, headers, msgspec.json.encode(error_body(error))


def model_view(name: str, created: int) -> dict[str, Any]:
    """`created`: seconds since the epoch."""
    return {"id": name, "object": "model", "created": created, "owned_by": "asr-hub"}


def models_view(names: Sequence[str], created: int) -> dict[str, Any]:
    return {"object": "list", "data": [model_view(name, created) for name in names]}


def _usage(spoken: Spoken) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(spoken.duration_ms / 1000)}


def _languages(spoken: Spoken) -> dict[str, Any]:
    return {"languages": [{"code": code} for code in spoken.languages]} if spoken.languages else {}


def _turns(spoken: Spoken) -> list[dict[str, Any]]:
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            "start": segment["start"],
            "end": segment["end"],
            "speaker": segment.get("speaker", UNKNOWN_SPEAKER),
            "text": segment["text"],
        }
        for number, segment in enumerate(spoken.segments)
    ]
