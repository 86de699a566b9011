"""What was heard as sentences with times, whatever pieces the engine heard it in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from asr_hub.model import Hypothesis
from asr_hub.text.marks import FULL_STOP, ends_sentence, is_only_full_stop
from asr_hub.text.stretches import Stretch, by_speaker, joined

PAUSE_MS = 700
"""A longer pause ends a sentence where the engine writes no punctuation."""
LONG_PAUSE_MS = 2_000
"""A longer pause ends one in any case."""
TOUCH_MS = 200
"""An utterance that begins so soon behind the one before may go on with its sentence."""


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
    kinds = [_Kind.of(hypothesis) for hypothesis in hypotheses]
    groups = [(speaker, group) for speaker, said in by_speaker(hypotheses).items() for group in _groups(said, kinds)]
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


class _Kind(msgspec.Struct, frozen=True):
    """How the engine writes."""

    language: str | None
    counts_with_points: bool
    has_capitals: bool
    has_marks: bool

    @classmethod
    def of(cls, hypothesis: Hypothesis) -> _Kind:
        text = hypothesis.text
        primary = (hypothesis.language or "").replace("_", "-").partition("-")[0].lower()
        return cls(hypothesis.language, primary in _ORDINALS, text.lower() != text, ends_sentence(text))


def _groups(said: Sequence[Stretch], kinds: Sequence[_Kind]) -> Iterator[Sequence[Stretch]]:
    begin = 0
    for at in range(1, len(said)):
        if _is_boundary(said[at - 1], said[at], kinds):
            yield said[begin:at]
            begin = at
    yield said[begin:]


def _is_boundary(before: Stretch, after: Stretch, kinds: Sequence[_Kind]) -> bool:
    kind, next_kind = kinds[before.utterance], kinds[after.utterance]
    pause = after.start - before.end
    if pause > LONG_PAUSE_MS or kind.language != next_kind.language:
        return True
    if ends_sentence(before.trail):
        return _ends(before, after, kind)
    if kind.has_marks and next_kind.has_marks:
        return False
    return pause > (PAUSE_MS if before.utterance == after.utterance else TOUCH_MS)


def _ends(before: Stretch, after: Stretch, kind: _Kind) -> bool:
    """Whether the marks behind a word end its sentence."""
    if not after.is_apart and not before.is_unspaced:
        return not is_only_full_stop(before.trail)
    if kind.has_capitals and _first_letter(after.text).islower():
        return False
    return not (is_only_full_stop(before.trail) and _is_abbreviated(before, after, kind))


def _is_abbreviated(before: Stretch, after: Stretch, kind: _Kind) -> bool:
    word = before.text[: len(before.text) - len(before.trail)].lstrip("([{\"'\u00ab\u201c\u2018\u201e")
    if word.isdecimal():
        return kind.counts_with_points and len(word) <= _LONGEST_ORDINAL
    if all(len(part) == 1 for part in word.split(FULL_STOP)):
        # Initials, and abbreviations such as `e.g.`; a Chinese character is a word.
        return word.lower() != word.upper()
    key = word.casefold()
    return key in _TITLES or (key in _NUMBERED and after.text[:1].isdecimal())


def _first_letter(text: str) -> str:
    return next((character for character in text if character.isalnum()), "")


_LONGEST_ORDINAL = 2
"""Digits: what is longer is rather a year."""
_ORDINALS = frozenset({"bs", "cs", "da", "de", "et", "fi", "hr", "hu", "is", "lb", "lv", "nb", "nn", "no"}) | frozenset(
    {"pl", "sk", "sl", "sr", "tr"}
)
"""Languages that write `3.` for `third`."""
_TITLES = frozenset(
    {"capt", "col", "dr", "gen", "hon", "jr", "lt", "messrs", "mr", "mrs", "ms", "prof", "rev", "sen"}
) | (
    frozenset({"sgt", "sr", "st", "vs", "bzw", "ca", "evtl", "fr", "hr", "ing", "mag", "dott", "sig", "sra", "srta"})
    | frozenset({"dra", "mme", "mlle", "dhr", "mevr", "approx", "cf"})
)
"""What stands before the word that it is about, and so ends no sentence."""
_NUMBERED = frozenset({"no", "nos", "nr", "num", "p", "pp", "vol", "fig", "art", "ch", "sec", "ziff", "abs", "s"})
"""What stands before a number."""
