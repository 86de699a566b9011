"""The numbers in a text, said or written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.text.pieces import pieces
from asr_hub.text.spoken_numbers import numbers

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "language", "values"),
    [
        ("twenty five", "en", "25"),
        ("nineteen eighty four", "en", "19 84"),
        ("two hundred and five thousand three hundred and one", "en", "205301"),
        ("a hundred and one", "en", "101"),
        ("five and six", "en", "5 6"),
        ("one two three", "en", "1 2 3"),
        ("three point one four million", "en", "3140000"),
        ("2.5 million", "en", "2500000"),
        ("2 thousand 500", "en", "2500"),
        ("minus five and -5", "en", "-5 -5"),
        ("twenty first 21st", "en", "21 21"),
        ("1,000.50 1'000 1.000.000,5", "en", "1000.5 1000 1000000.5"),
        ("5:30", "en", "5 30"),
        ("covid-19 mp3", "en", "19 3"),
        ("no one is here", "en", "1"),
        ("fünfundzwanzig", "de", "25"),
        ("fünf und zwanzig", "de", "25"),
        ("zweitausenddreihundertvier", "de", "2304"),
        ("ein haus", "de", ""),
        ("hunderteins am einundzwanzigsten dritten", "de", "101 21 3"),
        ("fünf komma zwei", "de", "5.2"),
        ("quatre-vingt-dix-sept", "fr", "97"),
        ("soixante et onze", "fr", "71"),
        ("dix-neuf cent vingt et un", "fr", "1921"),
        ("treinta y cinco mil doscientos", "es", "35200"),
        ("mil millones", "es", "1000000000"),
        ("ventitré ventuno duecentocinquanta", "it", "23 21 250"),
        ("cento e vinte e cinco", "pt", "125"),
        ("vijfentwintig tweehonderd", "nl", "25 200"),
        ("二十五 两百零三 一万二千", "zh", "25 203 12000"),
        ("二〇二六 三点五 百分之五", "zh", "2026 3.5 5"),
        ("3万 一亿二千万", "zh", "30000 120000000"),
        ("twenty five fünfundzwanzig vingt-cinq 二十五", None, "25 25 25 25"),
    ],
)
def test_a_number_has_its_value(text: str, language: str | None, values: str) -> None:
    assert [f"{number.value.normalize():f}" for number in numbers(pieces(text), language)] == values.split()


@given(st.text(max_size=80), st.sampled_from(["en", "de", "fr", "zh", None]))
def test_numbers_stand_one_after_another_in_any_text(text: str, language: str | None) -> None:
    found = pieces(text)
    end = 0
    for number in numbers(found, language):
        assert end <= number.start < number.end <= len(found)
        end = number.end


@given(st.integers(0, 10**12))
def test_digits_have_their_value(value: int) -> None:
    [number] = numbers(pieces(str(value)))
    assert (number.value, number.digits) == (value, str(value))
    [number] = numbers(pieces(f"{value:,}"))
    assert number.value == value
