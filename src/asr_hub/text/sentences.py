"""What was heard as sentences with times, whatever pieces the engine heard it in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from asr_hub.model import Hypothesis
from asr_hub.text.boundaries import Writing, ends_sentence, writing_of
from asr_hub.text.marks import may_end_sentence
from asr_hub.text.stretches import TOUCH_MS, Stretch, by_speaker, joined

PAUSE_MS = 700
"""A longer pause ends a sentence where a mark may, or where the engine writes no punctuation."""
LONG_PAUSE_MS = 2_000
"""A longer pause ends one in any case."""


class Sentence(msgspec.Struct, frozen=True):
    """A sentence, or what was said between two pauses. Times are milliseconds."""

    text: str
    """One line"""
    start: int
    end: int
    speaker: str | None = None
    is_apart: bool = False
    """A space belongs between it and the sentence before."""
    utterance: int = 0
    """Index of the hypothesis it begins in."""


def sentences(hypotheses: Sequence[Hypothesis]) -> list[Sentence]:
    """
    All that is said, in order of the beginnings; those of one speaker are in the order of the hypotheses.

    A sentence ends at a mark that ends sentences, in any writing: not at the point of an abbreviation, an initial or an
    ordinal number, and where the engine writes capitals, not before a word without. A long pause ends one too, and so
    do another language, and the end of an utterance whose engine writes no punctuation. Times are those of the words
    where the engine has them, otherwise by share of length.
    """
    writings = [writing_of(hypothesis) for hypothesis in hypotheses]
    groups = [(speaker, group) for speaker, said in by_speaker(hypotheses).items() for group in _groups(said, writings)]
    groups.sort(key=lambda one: one[1][0].start)
    made: list[Sentence] = []
    before: Stretch | None = None
    for speaker, group in groups:
        first = group[0]
        is_same = bool(made) and made[-1].speaker == speaker
        is_apart = first.is_apart if is_same else bool(before and not (before.is_unspaced and first.is_unspaced))
        end = max(each.end for each in group)
        made.append(Sentence(joined(group), first.start, end, speaker, is_apart, first.utterance))
        before = group[-1]
    return made


def _groups(said: Sequence[Stretch], writings: Sequence[Writing]) -> Iterator[Sequence[Stretch]]:
    begin = 0
    for at in range(1, len(said)):
        if _is_boundary(said[at - 1], said[at], writings):
            yield said[begin:at]
            begin = at
    yield said[begin:]


def _is_boundary(before: Stretch, after: Stretch, writings: Sequence[Writing]) -> bool:
    writing, next_writing = writings[before.utterance], writings[after.utterance]
    pause = after.start - before.end
    if pause > LONG_PAUSE_MS or writing.language != next_writing.language:
        return True
    if may_end_sentence(before.trail):
        return pause > PAUSE_MS or ends_sentence(before, after, writing)
    if writing.has_marks and next_writing.has_marks:
        return False
    return pause > (PAUSE_MS if before.utterance == after.utterance else TOUCH_MS)
