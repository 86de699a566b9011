"""Boosts of other services as weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.config.schema import MAX_HOTWORD_WEIGHT, MIN_HOTWORD_WEIGHT
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.weights import weighted

pytestmark = pytest.mark.unit


def test_no_boost_is_the_usual_weight_and_the_strongest_the_largest() -> None:
    phrases = [("Kinsky", 0.0), ("Prague  Castle", 10.0), ("Smetana", 20.0), ("Vltava", 99.0)]
    weights = weighted(phrases, strongest=20.0)
    assert weights == {"Kinsky": 1.0, "Prague Castle": 5.5, "Smetana": 10.0, "Vltava": 10.0}


def test_what_is_to_be_avoided_and_what_is_no_phrase_is_left_out() -> None:
    assert weighted([("no", -1.0), ("$MONTH", 1.0), (" ", 1.0), ("odd", float("nan"))], strongest=20.0) == {}


@given(st.lists(st.tuples(st.text(), st.floats())))
def test_every_weight_is_one_that_the_hub_takes(phrases: list[tuple[str, float]]) -> None:
    for word, weight in weighted(phrases, strongest=100.0).items():
        assert word.strip()
        assert MIN_HOTWORD_WEIGHT <= weight <= MAX_HOTWORD_WEIGHT


def test_phrases_that_the_hub_does_not_take_are_left_out() -> None:
    phrases = [("x" * 101, 0.0), ("zero\u200bwidth", 0.0), *((str(number), 0.0) for number in range(9))]
    assert list(weighted(phrases, strongest=20.0, limits=Limits(max_hotwords=3))) == ["0", "1", "2"]
