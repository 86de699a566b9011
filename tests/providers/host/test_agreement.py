from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.host.agreement import Agreement, joined

pytestmark = pytest.mark.unit

TEXT = st.lists(st.sampled_from(["go", "Go,", "forward", "ten", "十", "米", "meters."]), max_size=8).map(" ".join)


def test_what_two_readings_begin_with_is_stable() -> None:
    agreement = Agreement()
    assert agreement.read("go forth") == ("go forth", 0)
    assert agreement.read("go forward ten") == ("go forward ten", 2)
    assert agreement.read("go forward ten meters") == ("go forward ten meters", 14)


def test_a_stable_word_stays_when_a_reading_begins_otherwise() -> None:
    agreement = Agreement()
    agreement.read("go forward")
    agreement.read("go forward")
    assert agreement.read("no forward ten") == ("go forward ten", 10)


def test_case_and_punctuation_do_not_make_another_word() -> None:
    agreement = Agreement()
    agreement.read("hello world")
    assert agreement.read("Hello, world again") == ("Hello, world again", 12)


def test_chinese_is_agreed_on_by_the_character() -> None:
    agreement = Agreement()
    agreement.read("今天天气")
    assert agreement.read("今天下雨") == ("今天下雨", 2)


@given(st.lists(TEXT, max_size=10))
def test_stable_text_is_a_prefix_of_all_that_follows(readings: list[str]) -> None:
    agreement = Agreement()
    promised = ""
    for reading in readings:
        shown, stable = agreement.read(reading)
        assert 0 <= stable <= len(shown) and stable >= len(promised)
        assert shown.startswith(promised)
        promised = shown[:stable]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("go", "forward", "go forward"),
        ("", "go", "go"),
        ("go ", "", "go"),
        ("今天", "天气", "今天天气"),
        ("今天。", "天气", "今天。天气"),
        ("今天", "weather", "今天 weather"),
    ],
)
def test_joined(first: str, second: str, both: str) -> None:
    assert joined(first, second) == both
