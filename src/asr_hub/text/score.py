"""How wrong a text is: the errors of its words and characters, which add up over utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from asr_hub.text.align import Operation, align
from asr_hub.text.words import plain, words


class Errors(msgspec.Struct, frozen=True):
    """What was heard wrong, counted against what was said."""

    said: int = 0
    """Words, or characters, of the reference."""
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float | None:
        """Errors for each word said: above 1 where much was invented, and none where nothing was said."""
        return self.errors / self.said if self.said else None

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.said + other.said,
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
        )


class Score(msgspec.Struct, frozen=True):
    """The errors of one text, or the sum of several: `Score()` is where a sum begins."""

    words: Errors = Errors()
    """For the word error rate. Of a writing without spaces, each character is a word."""
    characters: Errors = Errors()
    """For the character error rate. The space between two words counts as one."""

    def __add__(self, other: Score) -> Score:
        return Score(self.words + other.words, self.characters + other.characters)


def score(reference: str, heard: str) -> Score:
    """
    The fewest errors that turn `reference` into `heard`, neither of them with case or punctuation (see `words`).

    Of a longer text than `align` takes, give its sentences one by one and add what comes back.
    """
    return Score(count(words(reference), words(heard)), count(plain(reference), plain(heard)))


def count(reference: Sequence[str], heard: Sequence[str]) -> Errors:
    """The fewest errors between two sequences that are compared as they are."""
    kinds = Counter(step.operation for step in align(reference, heard))
    return Errors(len(reference), kinds[Operation.SUBSTITUTE], kinds[Operation.INSERT], kinds[Operation.DELETE])
