"""
What an OpenAI server answers to a transcription request, read strictly and put into the hub's terms.

The shapes are those of https://platform.openai.com/docs/api-reference/audio: `json` and `verbose_json`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from asr_hub.errors import ProviderError
from asr_hub.providers.cloud.one_line import one_line
from asr_hub.providers.worker_messages import Heard, HeardWord

LONGEST_TEXT = 200_000
"""Characters: more was not said in one utterance."""

NO_SPEECH = 0.6
IMPROBABLE = -1.0
"""A segment with a higher `no_speech_prob` and a lower `avg_logprob` is silence: the thresholds Whisper itself uses."""


class Logprob(msgspec.Struct, frozen=True):
    """The log probability of one token."""

    logprob: float | None = None


class AnsweredWord(msgspec.Struct, frozen=True):
    """A word with its times in seconds."""

    word: str
    start: float
    end: float


class Segment(msgspec.Struct, frozen=True):
    """A stretch of the text, with what the model thinks of it. Times are seconds."""

    text: str
    start: float = 0.0
    end: float = 0.0
    avg_logprob: float | None = None
    no_speech_prob: float | None = None


class DetectedLanguage(msgspec.Struct, frozen=True):
    """One of the languages that the model found."""

    code: str = ""


class Answer(msgspec.Struct, frozen=True):
    """`json` and `verbose_json` alike: what is not there is nothing."""

    text: str
    words: tuple[AnsweredWord, ...] | None = None
    segments: tuple[Segment, ...] | None = None
    logprobs: tuple[Logprob, ...] | None = None
    languages: tuple[DetectedLanguage, ...] | None = None


def read_answer(name: str, body: bytes) -> Answer:
    """What the provider `name` was answered. Raises ProviderError where `body` is not a transcription."""
    try:
        answer = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ProviderError(f"{name}: the server's answer is no transcription: {exc}") from None
    if len(answer.text) > LONGEST_TEXT:
        raise ProviderError(f"{name}: the server's answer has {len(answer.text)} characters; nobody said that")
    return answer


def final(answer: Answer, duration: int) -> Heard:
    """The final of an utterance of `duration` milliseconds. Segments that are silence are kept back."""
    segments = answer.segments or ()
    phantoms = [segment for segment in segments if _is_silence(segment)]
    spoken = [segment for segment in segments if not _is_silence(segment)]
    text = one_line(answer.text)
    words: Iterable[AnsweredWord] = answer.words or ()
    if phantoms:
        text = one_line(*(segment.text for segment in spoken))
        words = [word for word in words if any(s.start <= (word.start + word.end) / 2 <= s.end for s in spoken)]
    languages = answer.languages or ()
    return Heard(
        text=text,
        end=duration,
        words=_timed(text, tuple(words), spoken, duration) if text else (),
        confidence=_overall(answer, spoken) if text else None,
        language=languages[0].code or None if len(languages) == 1 else None,
        is_final=True,
        suppressed=one_line(*(segment.text for segment in phantoms)),
        suppressed_because=_reason(phantoms),
    )


def confidence(logprobs: Iterable[Logprob] | None) -> float | None:
    """The mean probability of tokens, as a geometric mean: 0 to 1. Nothing without tokens."""
    return _probability([one.logprob for one in logprobs or () if one.logprob is not None])


def _timed(
    text: str, words: Sequence[AnsweredWord], segments: Sequence[Segment], duration: int
) -> tuple[HeardWord, ...]:
    """Words with times that rise and stay inside the utterance, spelled as in the text where the two agree."""
    spelled = text.split()
    if [_letters(token) for token in spelled] != [_letters(word.word) for word in words]:
        spelled = [one_line(word.word) for word in words]
    timed = []
    at = 0
    for spelling, word in zip(spelled, words, strict=True):
        start = min(max(at, _ms(word.start)), duration)
        at = min(max(start, _ms(word.end)), duration)
        middle = (word.start + word.end) / 2
        certain = next((_certainty(s) for s in segments if s.start <= middle <= s.end), None)
        timed.append(HeardWord(spelling, start, at, certain))
    return tuple(timed)


def _letters(word: str) -> str:
    """What is the same in a word of the text, with its marks and capitals, and in one of the list, without them."""
    return "".join(character for character in word.casefold() if character.isalnum())


def _overall(answer: Answer, spoken: Sequence[Segment]) -> float | None:
    if answer.logprobs:
        return confidence(answer.logprobs)
    return _probability([segment.avg_logprob for segment in spoken if segment.avg_logprob is not None])


def _certainty(segment: Segment) -> float | None:
    return _probability([segment.avg_logprob] if segment.avg_logprob is not None else [])


def _probability(logprobs: Sequence[float]) -> float | None:
    if not logprobs:
        return None
    return math.exp(min(0.0, math.fsum(max(value, -1e3) for value in logprobs) / len(logprobs)))


def _is_silence(segment: Segment) -> bool:
    if segment.no_speech_prob is None or segment.avg_logprob is None:
        return False
    return segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < IMPROBABLE


def _reason(phantoms: Sequence[Segment]) -> str:
    if not phantoms:
        return ""
    likely = min(segment.no_speech_prob or 0.0 for segment in phantoms)
    return f"no speech with a probability of {likely:.2f} or more, by the model's own word"


def _ms(seconds: float) -> int:
    """msgspec lets no NaN and no infinity through JSON, but numbers beyond all measure."""
    return round(1000 * min(max(seconds, 0.0), 1e6))
