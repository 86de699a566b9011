"""A text as the stretches that a line or a sentence may be made of, each with when it was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from asr_hub.model import Hypothesis
from asr_hub.text.timing import Timing, in_order, timings
from asr_hub.text.words import Token, tokens

TOUCH_MS = 200
"""An utterance that begins so soon behind the one before may go on with its sentence."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A word, or a character of a writing without spaces, with the punctuation around it."""

    text: str
    """One line, without white space at its ends."""
    start: int
    """Milliseconds"""
    end: int
    utterance: int = 0
    """Index of the hypothesis it is of."""
    trail: str = ""
    """The punctuation at its end."""
    is_apart: bool = False
    """White space stands between it and the stretch before."""
    is_unspaced: bool = False
    """Its writing puts no space between words."""
    is_inside: bool = False
    """It begins within the timed word of the stretch before."""


def stretches(hypothesis: Hypothesis, utterance: int = 0) -> list[Stretch]:
    """
    All of the text, in order. Times are in order and inside the utterance.

    They are those of the timed words where these are the words of the text; otherwise the time is shared out by length.
    """
    text = " ".join(hypothesis.text.split())
    spelled = tokens(text)
    start, end = hypothesis.start, max(hypothesis.start, hypothesis.end)
    if not spelled:
        return [Stretch(text=text, start=start, end=end, utterance=utterance)] if text else []
    timed = timings(spelled, in_order(hypothesis.words, start, end))
    groups = list(_groups(spelled))
    lengths = _lengths(spelled, groups)
    made = []
    for number, group in enumerate(groups):
        first, last = group[0], group[-1]
        begins = start + (end - start) * lengths[number] // lengths[-1]
        ends = start + (end - start) * lengths[number + 1] // lengths[-1]
        made.append(
            Stretch(
                text=_joined([spelled[at] for at in group]),
                start=timed[first].start if timed else begins,
                end=timed[last].end if timed else ends,
                utterance=utterance,
                trail=spelled[last].trail,
                is_apart=bool(spelled[first].gap),
                is_unspaced=spelled[last].is_unspaced,
                is_inside=first > 0 and _is_inside(timed, first),
            )
        )
    return made


def by_speaker(hypotheses: Sequence[Hypothesis]) -> dict[str | None, list[Stretch]]:
    """What each speaker says, in the order of the hypotheses; nobody's time goes back."""
    said: dict[str | None, list[Stretch]] = {}
    for number, hypothesis in enumerate(hypotheses):
        before = said.setdefault(hypothesis.speaker, [])
        for place, stretch in enumerate(stretches(hypothesis, number)):
            at = before[-1].end if before else stretch.start
            start = max(at, stretch.start)
            is_apart = stretch.is_apart or bool(
                place == 0 and before and not (before[-1].is_unspaced and stretch.is_unspaced)
            )
            before.append(replace(stretch, start=start, end=max(start, stretch.end), is_apart=is_apart))
    return {speaker: each for speaker, each in said.items() if each}


def joined(said: Iterable[Stretch]) -> str:
    """Their text, in one line."""
    return "".join(f" {each.text}" if each.is_apart else each.text for each in said).strip()


def _groups(spelled: Sequence[Token]) -> Iterator[range]:
    """Tokens that belong together: those of `well-known`, not the characters of Chinese."""
    begin = 0
    for at, (before, token) in enumerate(pairwise(spelled), 1):
        if token.gap or token.is_unspaced or before.is_unspaced:
            yield range(begin, at)
            begin = at
    yield range(begin, len(spelled))


def _lengths(spelled: Sequence[Token], groups: Sequence[range]) -> list[int]:
    """How many characters stand before each group, and in all."""
    lengths = [0]
    for group in groups:
        lengths.append(lengths[-1] + sum(map(_length, (spelled[at] for at in group))))
    return lengths


def _length(token: Token) -> int:
    return len(token.gap) + len(token.lead) + len(token.text) + len(token.trail)


def _joined(group: Sequence[Token]) -> str:
    return "".join(f"{token.lead}{token.text}{token.trail}" for token in group).strip()


def _is_inside(timed: Sequence[Timing], at: int) -> bool:
    return bool(timed) and timed[at].first == timed[at - 1].last
