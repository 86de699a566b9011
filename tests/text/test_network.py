from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import TooLarge
from asr_hub.text.network import MOST_WORDS, network

pytestmark = pytest.mark.unit

WORDS = st.lists(st.sampled_from("abcd"), max_size=8)


def places(*readings: str) -> list[str]:
    """The network for the eye: what each reading has at a place, `-` where it has nothing."""
    words = [reading.split() for reading in readings]
    return [" ".join("-" if at is None else words[of][at] for of, at in enumerate(slot)) for slot in network(words)]


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        (("the cat sat", "the bat sat", "the cat sat"), ["the the the", "cat bat cat", "sat sat sat"]),
        (("the cat", "the old cat", "an old cat"), ["the the an", "- old old", "cat cat cat"]),
        (("a b", "b c"), ["a -", "b b", "- c"]),
        (("a b", "", "a"), ["a - a", "b - -"]),
        (("a x b", "a b", "a y b"), ["a a a", "x - y", "b b b"]),
        (("a b", "a", "c"), ["a a c", "b - -"]),
        (("", "a"), ["- a"]),
        (("", ""), []),
    ],
)
def test_the_same_words_are_at_one_place(readings: tuple[str, ...], found: list[str]) -> None:
    assert places(*readings) == found


@given(st.lists(WORDS, max_size=5))
def test_each_reading_keeps_its_words_and_their_order(readings: list[list[str]]) -> None:
    slots = network(readings)
    for number, reading in enumerate(readings):
        assert [slot[number] for slot in slots if slot[number] is not None] == list(range(len(reading)))
    assert all(any(at is not None for at in slot) for slot in slots)


@pytest.mark.parametrize("lengths", [(0, 600), (1, 600), (2, 600), (600, 1), (300, 600), (600, 300)])
def test_readings_of_quite_different_lengths_are_put_together(lengths: tuple[int, int]) -> None:
    readings = [[f"{length} {number}" for number in range(length)] for length in lengths]
    slots = network(readings)
    assert len(slots) == max(lengths)
    for number, length in enumerate(lengths):
        assert [slot[number] for slot in slots if slot[number] is not None] == list(range(length))


def test_a_reading_with_a_piece_more_is_aligned_on_both_sides_of_it() -> None:
    said = [str(number) for number in range(400)]
    slots = network([said, [*said[:200], *(["extra"] * 300), *said[200:]]])
    assert sum(None not in slot for slot in slots) == 400 and len(slots) == 700


def test_a_reading_with_too_many_words_is_refused() -> None:
    with pytest.raises(TooLarge, match=str(MOST_WORDS)):
        network([["a"], ["a"] * (MOST_WORDS + 1)])
