from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.speech import noise, silence, tone

from asr_hub.providers.host.cutting import quiet_place

pytestmark = pytest.mark.unit

NOISE = noise(11.0)


def test_the_cut_lies_in_the_pause() -> None:
    pcm = tone(6.0) + silence(0.5) + tone(5.0)
    at = quiet_place(pcm, 16_000, 10.0) / 32_000
    assert 6.1 <= at <= 6.4


def test_of_two_pauses_the_later_one_is_taken() -> None:
    pcm = tone(6.0) + silence(0.5) + tone(1.0) + silence(0.5) + tone(5.0)
    assert 7.6 <= quiet_place(pcm, 16_000, 10.0) / 32_000 <= 7.9


@given(st.floats(0.1, 5.0), st.sampled_from((8000, 16_000)))
def test_the_cut_is_whole_and_in_the_second_half(longest: float, rate: int) -> None:
    at = quiet_place(NOISE, rate, longest)
    assert at % 2 == 0
    assert int(longest * rate) // 2 <= at // 2 <= int(longest * rate)
