"""What is taken for no speech, and what is not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.providers.whisper.phantom import Guess, Limits, is_doubtful, why_no_speech
from asr_hub.wording import compression_ratio

pytestmark = pytest.mark.unit

LIMITS = Limits(compression_ratio=2.4, log_prob=-1.0, no_speech=0.6, phantoms=("Thank you.",))
SURE = Guess(text="turn on the lights", log_prob=-0.2, no_speech=0.1)
LOOP = "thank you for watching " * 30


@pytest.mark.parametrize(
    ("guess", "because"),
    [
        (SURE, ""),
        (replace(SURE, text=""), ""),
        (replace(SURE, text="… . !"), "no letter"),
        (replace(SURE, text="。"), "no letter"),
        (replace(SURE, text="七"), ""),
        (replace(SURE, no_speech=0.9), ""),
        (replace(SURE, log_prob=-1.5), ""),
        (replace(SURE, log_prob=-1.5, no_speech=0.9), "no speech: probability 0.90"),
        (replace(SURE, log_prob=-math.inf, no_speech=0.9), "no speech"),
        (replace(SURE, text=LOOP), "repetition, 138 characters a second"),
        (replace(SURE, text="no " * 12), ""),
        (replace(SURE, text="thank you"), "a known phantom"),
        (replace(SURE, text="thank you all"), ""),
    ],
)
def test_text_of_no_speech_is_told_from_speech(guess: Guess, because: str) -> None:
    found = why_no_speech(guess, LIMITS, seconds=5)
    assert found.startswith(because) and bool(found) == bool(because)


def test_a_repetition_that_can_be_said_is_speech() -> None:
    assert compression_ratio(LOOP) > LIMITS.compression_ratio
    assert not why_no_speech(replace(SURE, text=LOOP), LIMITS, seconds=25)


@pytest.mark.parametrize(
    ("guess", "doubtful"),
    [
        (SURE, False),
        (replace(SURE, log_prob=-1.5), True),
        (replace(SURE, log_prob=-math.inf), True),
        (replace(SURE, log_prob=-1.5, no_speech=0.9), False),
        (replace(SURE, text=LOOP), True),
    ],
)
def test_what_another_decoding_may_mend_is_doubtful(guess: Guess, doubtful: bool) -> None:
    assert is_doubtful(guess, LIMITS) == doubtful


@given(text=st.text(), log_prob=st.floats(), no_speech=st.floats(0, 1), seconds=st.floats(0, 30))
def test_any_text_gets_an_answer(text: str, log_prob: float, no_speech: float, seconds: float) -> None:
    guess = Guess(text=text, log_prob=log_prob, no_speech=no_speech)
    because = why_no_speech(guess, LIMITS, seconds=seconds)
    assert not (because and not text)
    if text and not any(map(str.isalnum, text)):
        assert because
