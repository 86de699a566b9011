"""Which word of one text stands for which word of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from asr_hub.errors import TooLarge

MOST_ITEMS = 10_000
"""Words or characters on either side. So many take 0.15 s and 25 MB; 2,000 take 8 ms."""


class Operation(StrEnum):
    """What was done to the reference at one place."""

    MATCH = "match"
    SUBSTITUTE = "substitute"
    INSERT = "insert"
    """Heard, and not in the reference."""
    DELETE = "delete"
    """In the reference, and not heard."""


class Step(NamedTuple):
    """One place of an alignment."""

    operation: Operation
    reference: int | None
    """Index of the word in the reference; none for an insertion."""
    heard: int | None
    """Index of the word in what was heard; none for a deletion."""


def align(reference: Sequence[str], heard: Sequence[str]) -> tuple[Step, ...]:
    """
    The alignment with the fewest substitutions, insertions and deletions; of several such, always the same.

    A text aligns by its characters, a sequence of words by its words. `TooLarge` beyond `MOST_ITEMS`.
    """
    if max(len(reference), len(heard)) > MOST_ITEMS:
        raise TooLarge(f"{len(reference)} and {len(heard)} words cannot be aligned: give {MOST_ITEMS} or fewer")
    return tuple(_steps_back(reference, heard))[::-1]


def _steps_back(reference: Sequence[str], heard: Sequence[str]) -> Iterator[Step]:
    """The steps from the last to the first, as the columns of the table of distances tell them."""
    columns = _columns(reference, heard)
    row, column = len(reference), len(heard)
    while row and column:
        bit = 1 << (row - 1)
        if columns[column][0] & bit:
            row -= 1
            yield Step(Operation.DELETE, row, None)
        elif columns[column - 1][1] & bit:
            column -= 1
            yield Step(Operation.INSERT, None, column)
        else:
            row, column = row - 1, column - 1
            is_same = reference[row] == heard[column]
            yield Step(Operation.MATCH if is_same else Operation.SUBSTITUTE, row, column)
    for left in range(row - 1, -1, -1):
        yield Step(Operation.DELETE, left, None)
    for left in range(column - 1, -1, -1):
        yield Step(Operation.INSERT, None, left)


def _columns(reference: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """
    For each beginning of `heard`, where the distance to a growing `reference` rises and where it falls, a bit a word.

    Hyyrö, "Explaining and extending the bit-parallel approximate string matching algorithm of Myers", 2001: a column
    of the table costs a dozen operations on integers of as many bits as the reference has words.
    """
    places: dict[str, int] = {}
    for row, item in enumerate(reference):
        places[item] = places.get(item, 0) | 1 << row
    mask = (1 << len(reference)) - 1
    rises, falls = mask, 0
    columns = [(rises, falls)]
    for item in heard:
        same = places.get(item, 0)
        diagonal = (((same & rises) + rises) ^ rises) | same | falls
        right_rises = ((falls | ~(diagonal | rises)) << 1) | 1
        right_falls = (rises & diagonal) << 1
        rises = (right_falls | ~(diagonal | right_rises)) & mask
        falls = right_rises & diagonal & mask
        columns.append((rises, falls))
    return columns
