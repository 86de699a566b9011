"""What Google's streaming answers add up to, in the hub's terms. Sans I/O, and without the SDK."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from asr_hub.errors import ProviderError
from asr_hub.providers.cloud.one_line import one_line
from asr_hub.providers.worker_messages import Heard, HeardWord

STABLE = 0.8
"""Interim text of a higher stability hardly changes: so the API's own description of `TranscriptNormalization`."""

_LONGEST_TEXT = 200_000


class WordInfo(Protocol):
    """google.cloud.speech_v2.types.WordInfo"""

    word: str
    start_offset: timedelta
    end_offset: timedelta
    confidence: float


class Alternative(Protocol):
    """google.cloud.speech_v2.types.SpeechRecognitionAlternative"""

    transcript: str
    confidence: float
    words: Sequence[WordInfo]


class Result(Protocol):
    """google.cloud.speech_v2.types.StreamingRecognitionResult"""

    alternatives: Sequence[Alternative]
    is_final: bool
    stability: float
    language_code: str


class Results:
    """
    The results of one utterance: final ones are kept, interim ones replace each other.

    Times are those of one stream of requests; `shift` says where in the utterance it began.
    """

    def __init__(self, name: str) -> None:
        self.shift = 0
        """Milliseconds"""
        self._name = name
        self._texts: list[str] = []
        self._words: list[HeardWord] = []
        self._confidences: list[float] = []
        self._language: str | None = None
        self._length = 0

    def take(self, results: Iterable[Result]) -> Heard | None:
        """The results of one response: the partial they give, without its end. Raises ProviderError."""
        interim: list[str] = []
        stable = 0
        is_stable = True
        is_news = False
        for result in results:
            if not result.alternatives:
                continue
            is_news = True
            best = result.alternatives[0]
            if result.is_final:
                self._keep(result, best)
                continue
            interim.append(best.transcript)
            is_stable = is_stable and result.stability > STABLE
            stable = len(interim) if is_stable else stable
        if not is_news:
            return None
        text = one_line(*self._texts, *interim)
        self._check(len(text))
        return Heard(text=text, stable=len(one_line(*self._texts, *interim[:stable]))) if text else None

    def final(self, duration: int) -> Heard:
        """What was heard in all of the utterance, which is `duration` milliseconds long."""
        text = one_line(*self._texts)
        return Heard(
            text=text,
            end=duration,
            words=_ordered(self._words, duration),
            confidence=sum(self._confidences) / len(self._confidences) if text and self._confidences else None,
            language=self._language,
            is_final=True,
        )

    def _keep(self, result: Result, best: Alternative) -> None:
        self._texts.append(best.transcript)
        self._length += len(best.transcript)
        self._check(self._length)
        for word in best.words:
            start, end = (self.shift + round(offset / _MS) for offset in (word.start_offset, word.end_offset))
            self._words.append(HeardWord(one_line(word.word), start, end, _probability(word.confidence)))
        if (confidence := _probability(best.confidence)) is not None:
            self._confidences.append(confidence)
        self._language = result.language_code or self._language

    def _check(self, length: int) -> None:
        if length > _LONGEST_TEXT:
            raise ProviderError(f"{self._name}: the server's answer has no end")


_MS = timedelta(milliseconds=1)


def _ordered(words: Iterable[HeardWord], duration: int) -> tuple[HeardWord, ...]:
    """Times that rise and stay inside the utterance."""
    ordered = []
    at = 0
    for word in words:
        start = min(max(at, word.start), duration)
        at = min(max(start, word.end), duration)
        ordered.append(HeardWord(word.text, start, at, word.confidence))
    return tuple(ordered)


def _probability(value: float) -> float | None:
    """0 is the API's sign for none."""
    return value if 0 < value <= 1 else None
