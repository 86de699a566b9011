"""What Vosk answers: JSON in four shapes, read into one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from asr_hub.errors import ProviderError
from asr_hub.providers.worker_messages import HeardWord

UNKNOWN = "[unk]"
"""The engine's word for speech that its grammar or dictionary does not have."""


class Reading(msgspec.Struct, frozen=True):
    """One reading of one part of an utterance."""

    text: str
    words: tuple[HeardWord, ...] = ()
    others: tuple[str, ...] = ()
    """Other readings, the best one first."""


def read_part(answer: str) -> Reading:
    """A part of the utterance that is decoded for good: what `Result` and `FinalResult` answer."""
    part = _decode(answer)
    if part.alternatives:
        best, *others = (_reading(each.text, each.result) for each in part.alternatives)
        texts = dict.fromkeys(other.text for other in others if other.text and other.text != best.text)
        return Reading(best.text, best.words, tuple(texts))
    return _reading(part.text, part.result)


def read_partial(answer: str) -> Reading:
    """What `PartialResult` answers."""
    part = _decode(answer)
    return _reading(part.partial, part.partial_result)


class _Word(msgspec.Struct, frozen=True):
    word: str
    start: float
    """Seconds since the recogniser began."""
    end: float
    conf: float | None = None


class _Alternative(msgspec.Struct, frozen=True):
    """Its `confidence` is the negated cost of a path in the lattice: no probability, and so not read."""

    text: str
    result: tuple[_Word, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    text: str = ""
    result: tuple[_Word, ...] = ()
    partial: str = ""
    partial_result: tuple[_Word, ...] = ()
    alternatives: tuple[_Alternative, ...] = ()


_decoder = msgspec.json.Decoder(_Answer)


def _decode(answer: str) -> _Answer:
    try:
        return _decoder.decode(answer)
    except msgspec.DecodeError as exc:
        raise ProviderError(f"vosk gave an answer that cannot be read: {exc}") from exc


def _reading(text: str, words: Iterable[_Word]) -> Reading:
    spoken = " ".join(word for word in text.split() if word != UNKNOWN)
    return Reading(spoken, tuple(_heard(word) for word in words if word.word != UNKNOWN))


def _heard(word: _Word) -> HeardWord:
    confidence = None if word.conf is None else round(min(1.0, max(0.0, word.conf)), 4)
    return HeardWord(word.word, round(word.start * 1000), round(word.end * 1000), confidence)
