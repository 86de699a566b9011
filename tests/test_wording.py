"""What the letters of a text tell."""

# ruff: noqa: RUF001 - the letters of many scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.wording import LONGEST_LOOP, compression_ratio, letters, looped

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Thank you.", "thank  you"),
        ("ＡＢＣ１", "abc1"),
        ("ｶﾞ", "ガ"),
        ("café", "cafe\u0301"),
        ("Straße", "STRASSE"),
    ],
)
def test_the_same_words_have_the_same_letters(one: str, other: str) -> None:
    assert letters(one) == letters(other)


def test_the_marks_of_a_letter_belong_to_it() -> None:
    assert letters("की") != letters("का")


@given(st.text())
def test_letters_of_letters_are_the_same(text: str) -> None:
    once = letters(text)
    assert letters(once) == once or not once.isascii()
    assert not any(map(str.isspace, once))


def test_a_text_that_repeats_itself_compresses_well() -> None:
    assert compression_ratio("turn on the light in the kitchen, please") < 1.2
    assert compression_ratio("thank you for watching " * 30) > 10
    assert compression_ratio("") == 0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("no no no no no no", 1.0),
        ("no no no no no", 0.0),
        ("so, you know, you know, you know, you know, you know, you know", 12 / 13),
        ("谢谢谢谢谢谢", 1.0),
        ("字幕由字幕由字幕由字幕由字幕由字幕由", 1.0),
        ("ขอบคุณขอบคุณขอบคุณขอบคุณขอบคุณขอบคุณ", 1.0),
        ("one two three four five six seven", 0.0),
        ("", 0.0),
    ],
)
def test_a_sequence_said_over_and_over_is_a_loop(text: str, share: float) -> None:
    assert looped(text, 6) == pytest.approx(share)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=LONGEST_LOOP), st.integers(6, 12))
def test_any_sequence_loops(sequence: list[str], times: int) -> None:
    assert looped(" ".join(sequence * times), 6) >= 0.99 - 1 / times


@given(st.text())
def test_the_share_of_a_loop_is_a_share(text: str) -> None:
    assert 0 <= looped(text, 6) <= 1
