"""What an utterance sounds like."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.made import SECONDS, coloured, pcm, sounds
from tests.audio.shapes import voice

from asr_hub.audio.speechiness import measure
from asr_hub.text.phantom import PhantomLimits

pytestmark = pytest.mark.unit

LIMITS = PhantomLimits()
RATES = (16_000, 8_000)

STEADY = {
    "white noise", "pink noise", "brown noise", "wind", "hum", "hum in noise", "whistle", "dial tone", "chords",
}  # fmt: skip
TONES = {"whistle", "dial tone", "busy tone", "keypad", "siren"}
WITHOUT_CONSONANTS = {"hum", "whistle", "dial tone", "busy tone", "siren", "chords", "arpeggio", "melody"}


@pytest.mark.parametrize("rate", RATES)
def test_levels_are_those_of_the_samples(rate: int) -> None:
    loud, quiet = sounds(rate, dbfs=-20.0)["whistle"], sounds(rate, dbfs=-60.0)["whistle"]
    sound = measure(loud + quiet, rate)
    assert sound.seconds == 2 * SECONDS
    assert sound.loudest == pytest.approx(-20, abs=0.1)
    assert sound.level == pytest.approx(-23, abs=0.1)
    assert sound.sounding == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("rate", RATES)
def test_what_moves_is_told_from_what_stands_still(rate: int) -> None:
    still = {name for name, each in sounds(rate).items() if (measure(each, rate).movement or 0.0) < LIMITS.steady}
    assert still == STEADY
    assert (measure(voice(SECONDS, rate=rate), rate).movement or 0.0) > 2 * LIMITS.steady


@pytest.mark.parametrize("rate", RATES)
def test_tones_are_told_from_everything_else(rate: int) -> None:
    assert {name for name, each in sounds(rate).items() if measure(each, rate).tone > LIMITS.tone} == TONES
    assert measure(voice(SECONDS, rate=rate), rate).tone < LIMITS.tone


@pytest.mark.parametrize("rate", RATES)
def test_music_has_no_hiss(rate: int) -> None:
    without = {name for name, each in sounds(rate).items() if measure(each, rate).hiss < LIMITS.no_hiss}
    assert without == WITHOUT_CONSONANTS


@pytest.mark.parametrize("seconds", [3, 10, 30])
def test_noise_stands_still_however_long_it_lasts(seconds: int) -> None:
    for slope in (0.0, 0.5, 1.0):
        noise = pcm(coloured(seconds * 16_000, slope=slope, seed=seconds), -30)
        assert (measure(noise, 16_000).movement or 0.0) < LIMITS.almost_steady


@pytest.mark.parametrize("name", ["white noise", "arpeggio", "keypad"])
def test_only_levels_depend_on_loudness(name: str) -> None:
    loud, quiet = (measure(sounds(dbfs=dbfs)[name], 16_000) for dbfs in (-20.0, -40.0))
    assert loud.level - quiet.level == pytest.approx(20, abs=0.1)
    assert loud.movement == pytest.approx(quiet.movement, abs=0.3)
    assert loud.tone == pytest.approx(quiet.tone, abs=0.01)
    assert loud.hiss == pytest.approx(quiet.hiss, abs=0.01)


@pytest.mark.parametrize("seconds", [10, 30])
def test_a_word_in_a_long_silence_moves(seconds: int) -> None:
    word = voice(0.3)
    noise = np.frombuffer(pcm(coloured(16_000 * seconds, slope=0.5), -60), "<i2").copy()
    noise[80_000 : 80_000 + len(word) // 2] += np.frombuffer(word, "<i2")
    assert (measure(noise.tobytes(), 16_000).movement or 0.0) > LIMITS.almost_steady


def test_movement_of_a_moment_is_unknown() -> None:
    assert measure(voice(0.7), 16_000).movement is None


def test_no_audio_is_silence() -> None:
    for empty in (b"", b"\0", bytes(2), bytes(32_000)):
        sound = measure(empty, 16_000)
        assert sound.level == sound.loudest == -100


@settings(max_examples=40, deadline=None)
@given(
    samples=st.lists(st.sampled_from([-32768, -1, 0, 1, 32767]), max_size=40),
    times=st.integers(0, 400),
    rate=st.sampled_from(RATES),
)
def test_any_samples_have_finite_numbers(samples: list[int], times: int, rate: int) -> None:
    sound = measure(np.array(samples * times, "<i2").tobytes(), rate)
    assert -100 <= sound.level <= sound.loudest + 1e-6 <= 1e-6
    assert 0 <= sound.sounding <= sound.seconds
    assert 0 <= sound.tone <= 1.0001 and 0 <= sound.hiss <= 1.0001
    assert sound.movement is None or (sound.movement >= 0 and math.isfinite(sound.movement))


def test_long_audio_has_no_seam() -> None:
    """More than is in memory at a time."""
    once, often = (measure(sounds()["melody"] * times, 16_000) for times in (1, 7))
    assert often.tone == pytest.approx(once.tone, abs=0.01)
    assert often.hiss == pytest.approx(once.hiss, abs=0.001)
    assert often.sounding == pytest.approx(7 * once.sounding, abs=0.2)
