"""A text as what it may be cut into without cutting a timed word, and where each unit stands in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from asr_hub.model import Hypothesis
from asr_hub.text.timing import Timing, timings
from asr_hub.text.words import Token, tokens


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A timed word, or a word of a text that has no times."""

    key: str
    """What is compared: see `tokens`."""
    at: int
    """Where it begins in the text, with the punctuation before it."""
    is_unspaced: bool
    """Its writing puts no space between words."""
    is_timed: bool = False
    start: int = 0
    """Milliseconds"""
    end: int = 0
    first: int = 0
    """Index of its first timed word."""

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def units(hypothesis: Hypothesis) -> list[Unit]:
    """All of them in order; they have times where the timed words are the words of the text."""
    spelled = tokens(hypothesis.text)
    timed = timings(spelled, hypothesis.words)
    places = _places(spelled)
    made = []
    for group in _groups(spelled, timed):
        first, last = group[0], group[-1]
        unit = Unit(
            key="".join(spelled[at].key for at in group),
            at=places[first],
            is_unspaced=spelled[last].is_unspaced,
        )
        if timed:
            begins, ends = timed[first].start, max(timed[first].start, timed[last].end)
            unit = msgspec.structs.replace(unit, is_timed=True, start=begins, end=ends, first=timed[first].first)
        made.append(unit)
    return made


def _places(spelled: Sequence[Token]) -> list[int]:
    places, at = [], 0
    for token in spelled:
        at += len(token.gap)
        places.append(at)
        at += len(token.lead) + len(token.text) + len(token.trail)
    return places


def _groups(spelled: Sequence[Token], timed: Sequence[Timing]) -> Iterator[range]:
    begin = 0
    for at, (before, token) in enumerate(pairwise(spelled), 1):
        is_apart = bool(token.gap) or token.is_unspaced or before.is_unspaced
        if timed[at].first > timed[at - 1].last if timed else is_apart:
            yield range(begin, at)
            begin = at
    if spelled:
        yield range(begin, len(spelled))
