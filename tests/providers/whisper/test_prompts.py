"""What goes before the text: as much as has room, and the right end of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.whisper.prompts import ROOM, told

pytestmark = pytest.mark.unit

TOKENS = st.lists(st.integers(0, 50_000), max_size=300)


@given(hotwords=st.lists(TOKENS, max_size=20), text=TOKENS)
def test_hotwords_are_whole_and_the_text_is_its_end(hotwords: list[list[int]], text: list[int]) -> None:
    tokens, count = told(hotwords, text)
    assert len(tokens) <= ROOM
    first = [token for word in hotwords[:count] for token in word]
    rest = list(tokens[len(first) :])
    assert list(tokens[: len(first)]) == first
    assert rest == text[len(text) - len(rest) :]
    if count < len(hotwords):
        assert len(first) + len(hotwords[count]) > ROOM - min(len(text), ROOM // 2)
    assert len(rest) == min(len(text), ROOM - len(first))


def test_both_get_half_where_both_are_long() -> None:
    tokens, count = told([[1] * 10] * 100, [2] * 1000)
    assert (count, tokens.count(1), tokens.count(2)) == (11, 110, 113)


def test_nothing_is_nothing() -> None:
    assert told((), ()) == ((), 0)


def test_hotwords_end_with_the_first_that_has_no_room() -> None:
    assert told([[1] * 200, [2] * 100, [3]], ()) == ((1,) * 200, 1)
