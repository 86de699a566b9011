"""Where a sentence ends, by what is written, whichever way the engine writes."""

from __future__ import annotations

import msgspec

from asr_hub.model import Hypothesis
from asr_hub.text.marks import FULL_STOP, is_only_full_stop, may_end_sentence
from asr_hub.text.stretches import Stretch


class Writing(msgspec.Struct, frozen=True):
    """How an engine writes an utterance."""

    language: str | None
    counts_with_points: bool
    """In its language, `3.` is `third`."""
    has_capitals: bool
    has_marks: bool
    """Of those that end sentences."""


def writing_of(hypothesis: Hypothesis) -> Writing:
    text = hypothesis.text
    primary = (hypothesis.language or "").replace("_", "-").partition("-")[0].lower()
    return Writing(hypothesis.language, primary in _ORDINALS, text.lower() != text, may_end_sentence(text))


def ends_sentence(before: Stretch, after: Stretch, writing: Writing) -> bool:
    """Whether the marks behind `before` end its sentence: not where they are of an abbreviation, nor in `Well… no`."""
    if not may_end_sentence(before.trail):
        return False
    if not after.is_apart and not before.is_unspaced:
        return not is_only_full_stop(before.trail)
    if writing.has_capitals and _first_letter(after.text).islower():
        return False
    return not (is_only_full_stop(before.trail) and _is_abbreviated(before, after, writing))


def _is_abbreviated(before: Stretch, after: Stretch, writing: Writing) -> bool:
    word = before.text[: len(before.text) - len(before.trail)].lstrip("([{\"'\u00ab\u201c\u2018\u201e")
    if word.isdecimal():
        return writing.counts_with_points and len(word) <= _LONGEST_ORDINAL
    if all(len(part) == 1 for part in word.split(FULL_STOP)):
        # Initials, and abbreviations such as `e.g.`; a Chinese character is a word.
        return word.lower() != word.upper()
    key = word.casefold()
    return key in _TITLES or (key in _NUMBERED and after.text[:1].isdecimal())


def _first_letter(text: str) -> str:
    return next((character for character in text if character.isalnum()), "")


_LONGEST_ORDINAL = 2
"""Digits: what is longer is rather a year."""
_ORDINAL_LANGUAGES = "bs cs da de et fi hr hu is lb lv nb nn no pl sk sl sr tr"
_BEFORE_NAMES = (
    "approx bzw ca capt cf col dhr dott dr dra evtl fr gen hon hr ing jr lt mag messrs mevr mlle mme mr mrs ms prof "
    "rev sen sgt sig sr sra srta st vs"
)
_BEFORE_NUMBERS = "abs art ch fig no nos nr num p pp s sec vol ziff"
_ORDINALS = frozenset(_ORDINAL_LANGUAGES.split())
"""Languages that write `3.` for `third`."""
_TITLES = frozenset(_BEFORE_NAMES.split())
"""What stands before the word that it is about, and so ends no sentence."""
_NUMBERED = frozenset(_BEFORE_NUMBERS.split())
"""Likewise, where a number follows."""
