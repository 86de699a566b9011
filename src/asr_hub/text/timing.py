"""When each word of a text was said, from the timed words of its engine, however that one divides them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

import msgspec

from asr_hub.model import Word
from asr_hub.text.words import Token, tokens


class Timing(msgspec.Struct, frozen=True):
    """When one word or character was heard, and how surely."""

    start: int
    """Milliseconds of audio since the session began."""
    end: int
    confidence: float | None
    """The mean of the timed words it lies in."""
    first: int
    """Index of the timed word it begins in."""
    last: int
    """Index of the timed word it ends in."""


def timings(spelled: Sequence[Token], timed: Sequence[Word]) -> tuple[Timing, ...]:
    """
    A timing for each of `spelled`; none at all where the timed words are not the words of the text.

    A timed word that is several of them, as `今天` and `well-known` are, shares its time out by the letter.
    """
    letters = [(number, each) for number, word in enumerate(timed) for each in _letters(tokens(word.text))]
    if "".join(each for _, each in letters) != _letters(spelled):
        return ()
    owners = [number for number, _ in letters]
    lengths = Counter(owners)
    begins = {number: at for at, number in reversed(list(enumerate(owners)))}
    found = []
    at = 0
    for token in spelled:
        last_at = at + len(_letters([token])) - 1
        first, last = owners[at], owners[last_at]
        start, _ = _share(timed[first], at - begins[first], lengths[first])
        _, end = _share(timed[last], last_at - begins[last], lengths[last])
        found.append(Timing(start, end, mean([word.confidence for word in timed[first : last + 1]]), first, last))
        at = last_at + 1
    return tuple(found)


def in_order(timed: Sequence[Word], start: int, end: int) -> tuple[Word, ...]:
    """The words inside an utterance and one after another: who is too early begins late, who is too long ends early."""
    starts = []
    earliest = start
    for word in timed:
        earliest = max(earliest, min(word.start, end))
        starts.append(earliest)
    return tuple(
        msgspec.structs.replace(word, start=begins, end=max(begins, min(word.end, follows)))
        for word, begins, follows in zip(timed, starts, [*starts, end][1:], strict=True)
    )


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are told."""
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def _share(word: Word, letter: int, letters: int) -> tuple[int, int]:
    length = word.end - word.start
    return word.start + length * letter // letters, word.start + length * (letter + 1) // letters


def _letters(spelled: Sequence[Token]) -> str:
    return "".join(each for token in spelled for each in token.key if unicodedata.category(each)[0] in "LMN")
