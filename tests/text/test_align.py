from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import TooLarge
from asr_hub.text.align import MOST_ITEMS, Operation, Step, align

pytestmark = pytest.mark.unit

WORDS = st.lists(st.sampled_from("abcd"), max_size=40)


def told(reference: str, heard: str) -> list[str]:
    """An alignment for the eye: `a`, `a>b`, `-a`, `+b`."""
    one, other = reference.split(), heard.split()
    shown = []
    for operation, at, by in align(one, other):
        match operation:
            case Operation.MATCH:
                shown.append(one[at or 0])
            case Operation.SUBSTITUTE:
                shown.append(f"{one[at or 0]}>{other[by or 0]}")
            case Operation.DELETE:
                shown.append(f"-{one[at or 0]}")
            case Operation.INSERT:
                shown.append(f"+{other[by or 0]}")
    return shown


def distance(one: list[str], other: list[str]) -> int:
    """The textbook's table (Wagner and Fischer, 1974)."""
    above = list(range(len(other) + 1))
    for row, first in enumerate(one, 1):
        costs = [row]
        for at, second in enumerate(other):
            costs.append(min(above[at] + (first != second), above[at + 1] + 1, costs[at] + 1))
        above = costs
    return above[-1]


@pytest.mark.parametrize(
    ("reference", "heard", "steps"),
    [
        ("the cat sat", "the cat sat", ["the", "cat", "sat"]),
        ("the cat sat", "the bat sat", ["the", "cat>bat", "sat"]),
        ("the cat sat", "the sat", ["the", "-cat", "sat"]),
        ("the cat sat", "the old cat sat", ["the", "+old", "cat", "sat"]),
        ("a b c d", "b c d e", ["-a", "b", "c", "d", "+e"]),
        ("", "a b", ["+a", "+b"]),
        ("a b", "", ["-a", "-b"]),
        ("", "", []),
    ],
)
def test_what_was_done_to_each_word_is_told(reference: str, heard: str, steps: list[str]) -> None:
    assert told(reference, heard) == steps


@given(WORDS, WORDS)
def test_an_alignment_has_the_fewest_errors(one: list[str], other: list[str]) -> None:
    errors = sum(step.operation is not Operation.MATCH for step in align(one, other))
    assert errors == distance(one, other)


@given(WORDS, WORDS)
def test_every_word_of_both_sides_has_its_step_in_order(one: list[str], other: list[str]) -> None:
    steps = align(one, other)
    assert [step.reference for step in steps if step.reference is not None] == list(range(len(one)))
    assert [step.heard for step in steps if step.heard is not None] == list(range(len(other)))
    for operation, reference, heard in steps:
        assert (operation is Operation.INSERT) == (reference is None)
        assert (operation is Operation.DELETE) == (heard is None)
        if reference is not None and heard is not None:
            assert (operation is Operation.MATCH) == (one[reference] == other[heard])


def test_a_text_aligns_by_its_characters() -> None:
    assert align("今天", "今日") == (Step(Operation.MATCH, 0, 0), Step(Operation.SUBSTITUTE, 1, 1))


@pytest.mark.parametrize("sides", [("a" * (MOST_ITEMS + 1), ""), ("", "a" * (MOST_ITEMS + 1))])
def test_a_text_too_long_to_align_is_refused(sides: tuple[str, str]) -> None:
    with pytest.raises(TooLarge, match=str(MOST_ITEMS)):
        align(*sides)
