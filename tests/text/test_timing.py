from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.model import Word
from asr_hub.text.timing import in_order, timings
from asr_hub.text.words import tokens

pytestmark = pytest.mark.unit

TIMED = st.lists(st.builds(Word, st.sampled_from(["a", "b"]), st.integers(0, 2000), st.integers(0, 2000)), max_size=8)


def spans(text: str, *timed: Word) -> list[tuple[str, int, int]]:
    spelled = tokens(text)
    return [(each.text, time.start, time.end) for each, time in zip(spelled, timings(spelled, timed), strict=False)]


def test_a_word_has_the_time_of_its_timed_word() -> None:
    assert spans("Hello, world.", Word("hello", 0, 300), Word("world", 400, 900)) == [
        ("Hello", 0, 300),
        ("world", 400, 900),
    ]


def test_a_timed_word_of_several_words_shares_its_time_out_by_the_letter() -> None:
    assert spans("今天good-night", Word("今天", 100, 300), Word("good-night", 300, 1200)) == [
        ("今", 100, 200),
        ("天", 200, 300),
        ("good", 300, 700),
        ("night", 700, 1200),
    ]


def test_a_word_in_parts_begins_with_the_first_and_ends_with_the_last() -> None:
    timed = (Word("don", 0, 200, 0.5), Word("'t", 200, 300, 1.0), Word(".", 300, 310), Word("go", 320, 400, 0.25))
    first, second = timings(tokens("Don't. Go!"), timed)
    assert (first.start, first.end, first.confidence, first.first, first.last) == (0, 300, 0.75, 0, 1)
    assert (second.start, second.end, second.confidence) == (320, 400, 0.25)


@pytest.mark.parametrize("text", ["twenty two", "22 now", "2", ""])
def test_timed_words_that_are_not_those_of_the_text_tell_no_times(text: str) -> None:
    assert timings(tokens(text), (Word("22", 0, 500),)) == ()


def test_words_in_order_are_left_as_they_are() -> None:
    timed = (Word("a", 10, 20), Word("b", 30, 40), Word("c", 40, 50))
    assert in_order(timed, 0, 50) == timed


@given(TIMED, st.integers(0, 1000), st.integers(0, 1000))
def test_words_are_put_in_order_inside_the_utterance(timed: list[Word], start: int, length: int) -> None:
    ordered = in_order(timed, start, start + length)
    assert [word.text for word in ordered] == [word.text for word in timed]
    edges = [edge for word in ordered for edge in (word.start, word.end)]
    assert edges == sorted(edges) and all(start <= edge <= start + length for edge in edges)
