"""Timestamps among tokens: what is text, when it was said, and what was left unheard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.whisper.segments import LEAST_S, timed

pytestmark = pytest.mark.unit

FIRST = 1000


def at(seconds: float) -> int:
    return FIRST + round(seconds * 50)


@given(
    tokens=st.lists(st.one_of(st.integers(0, FIRST - 1), st.integers(FIRST, FIRST + 1500)), max_size=60),
    seconds=st.floats(0.1, 30),
)
def test_times_lie_in_the_clip_and_no_text_is_made_up(tokens: list[int], seconds: float) -> None:
    part = timed(tokens, first_timestamp=FIRST, seconds=seconds)
    text = [token for token in tokens if token < FIRST]
    assert list(part.tokens) == text[: len(part.tokens)]
    assert 0 <= part.start <= part.end <= seconds
    if part.rest is None:
        assert list(part.tokens) == text
    else:
        assert LEAST_S <= part.rest <= seconds - LEAST_S


def test_a_text_between_two_timestamps_is_whole() -> None:
    assert timed([at(1), 5, 6, at(3)], first_timestamp=FIRST, seconds=12) == ((5, 6), 1.0, 3.0, None)


def test_segments_are_put_together() -> None:
    tokens = [at(0), 5, at(2), at(2.5), 6, 7, at(4)]
    assert timed(tokens, first_timestamp=FIRST, seconds=12) == ((5, 6, 7), 0.0, 4.0, None)


@pytest.mark.parametrize("half", [(), (8, 9)])
def test_a_segment_that_is_not_whole_is_heard_again_from_its_beginning(half: tuple[int, ...]) -> None:
    tokens = [at(0), 5, at(2), at(2.5), 6, at(4), at(4), *half]
    assert timed(tokens, first_timestamp=FIRST, seconds=12) == ((5, 6), 0.0, 4.0, 4.0)


def test_what_begins_at_the_very_end_is_not_heard_again() -> None:
    tokens = [at(0), 5, at(11.5), at(11.5)]
    assert timed(tokens, first_timestamp=FIRST, seconds=12) == ((5,), 0.0, 11.5, None)


def test_no_timestamps_are_the_whole_clip() -> None:
    assert timed([5, 6], first_timestamp=FIRST, seconds=12) == ((5, 6), 0.0, 12, None)
