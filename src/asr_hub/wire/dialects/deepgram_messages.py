"""The frames that a client of Deepgram is sent. Times are seconds of audio since the session began."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

import msgspec

from asr_hub.model import Hypothesis, Word

DEPRECATED = "deprecated"
"""What stands for a transaction key, there as here."""


class ModelInfo(msgspec.Struct, frozen=True):
    name: str
    version: str = "1"
    arch: str = "asr-hub"


class SpokenWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    word: str
    """In lower case, without punctuation."""
    start: float
    end: float
    confidence: float
    punctuated_word: str | None = None
    """As it is written; where the client asks for punctuation."""
    speaker: int | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to read a stretch of audio."""

    transcript: str
    confidence: float
    words: Sequence[SpokenWord]
    languages: Sequence[str] | None = None


class Channel(msgspec.Struct, frozen=True):
    alternatives: Sequence[Reading]


class Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A text frame."""


class ResultsMetadata(msgspec.Struct, frozen=True, kw_only=True):
    request_id: str
    model_info: ModelInfo
    model_uuid: str


class Results(Told, frozen=True, kw_only=True, tag="Results"):
    channel_index: tuple[int, int] = (0, 1)
    """Which channel, and of how many."""
    duration: float
    start: float
    is_final: bool
    """The words will not change."""
    speech_final: bool
    """Nobody speaks any more."""
    from_finalize: bool
    """The answer to `Finalize`."""
    channel: Channel
    metadata: ResultsMetadata


class SpeechBegan(Told, frozen=True, kw_only=True, tag="SpeechStarted"):
    channel: tuple[int, int] = (0, 1)
    timestamp: float


class UtteranceEnd(Told, frozen=True, kw_only=True, tag="UtteranceEnd"):
    channel: tuple[int, int] = (0, 1)
    last_word_end: float


class Metadata(Told, frozen=True, kw_only=True, tag="Metadata"):
    """The last one."""

    transaction_key: str = DEPRECATED
    request_id: str
    sha256: str
    """Of all audio, as it came."""
    created: str
    """ISO 8601"""
    duration: float
    channels: int
    models: tuple[str, ...]
    model_info: dict[str, ModelInfo]


class ConfigureSuccess(Told, frozen=True, kw_only=True, tag="ConfigureSuccess", omit_defaults=True):
    request_id: str
    keyterms: Sequence[str] | None = None


class ConfigureFailure(Told, frozen=True, kw_only=True, tag="ConfigureFailure"):
    request_id: str
    code: str
    description: str


class Failed(Told, frozen=True, kw_only=True, tag="Error", omit_defaults=True):
    variant: str
    description: str
    message: str | None = None
    """What the client said, where that could not be read."""


class Speakers:
    """Who speaks, as numbers from 0 in the order in which they were first heard."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, speaker: str | None) -> int | None:
        """Nothing where it is not known who speaks."""
        return None if speaker is None else self._numbers.setdefault(speaker, len(self._numbers))


def model_uuid(provider: str) -> str:
    """The same one for the same provider, always."""
    return str(uuid5(NAMESPACE_URL, f"asr-hub:{provider}"))


def seconds(ms: int) -> float:
    return ms / 1000


def reading(
    hypothesis: Hypothesis, *, punctuated: bool, speaker: int | None = None, languages: bool = False
) -> Reading:
    """A hypothesis, its words as written too where `punctuated`."""
    words = tuple(_spoken(word, hypothesis, punctuated, speaker) for word in hypothesis.words)
    language = hypothesis.language if languages else None
    return Reading(
        transcript=hypothesis.text,
        confidence=_sure(hypothesis.confidence) if hypothesis.text else 0.0,
        words=words,
        languages=None if language is None else (language,),
    )


def _spoken(word: Word, hypothesis: Hypothesis, punctuated: bool, speaker: int | None) -> SpokenWord:
    return SpokenWord(
        word=_PUNCTUATION.sub("", word.text).lower() or word.text,
        start=seconds(word.start),
        end=seconds(word.end),
        confidence=_sure(word.confidence if word.confidence is not None else hypothesis.confidence),
        punctuated_word=word.text if punctuated else None,
        speaker=speaker,
    )


def _sure(confidence: float | None) -> float:
    # Clients drop what is below their threshold, and of an engine that has no confidence that would be everything.
    return 1.0 if confidence is None else confidence


_PUNCTUATION = re.compile(r"^[^\w]+|[^\w]+$")
