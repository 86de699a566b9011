"""Rough speech is still speech where it says it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.train_tiny.augment import LONGEST_S, plain, rough
from tools.train_tiny.corpus import RATE

pytestmark = pytest.mark.unit


def buzz(seconds: float) -> np.ndarray:
    return (8000 * np.sign(np.sin(np.arange(int(seconds * RATE)) / 20))).astype(np.int16)


@settings(deadline=None)
@given(st.floats(0.2, 3.5), st.integers(0, 10_000))
def test_an_example_fits_and_knows_where_its_speech_is(seconds, seed) -> None:
    example = rough(buzz(seconds), np.random.default_rng(seed))
    assert example is not None
    assert len(example.audio) <= LONGEST_S * RATE
    assert np.isfinite(example.audio).all()
    assert 0 <= example.begins < example.ends <= len(example.audio) / RATE
    inside = example.audio[int(example.begins * RATE) : int(example.ends * RATE)]
    outside = np.concatenate([example.audio[: int(example.begins * RATE)], example.audio[int(example.ends * RATE) :]])
    if len(outside):
        assert np.mean(inside**2) > np.mean(outside**2)


def test_speech_begins_where_the_example_says() -> None:
    examples = [rough(buzz(1), np.random.default_rng(seed)) for seed in range(30)]
    late = [example for example in examples if example is not None and example.begins > 0.1]
    assert len(late) > 15
    for example in late:
        start = int(example.begins * RATE)
        assert np.mean(example.audio[start : start + RATE // 20] ** 2) > 2 * np.mean(example.audio[:start] ** 2)


def test_an_utterance_that_would_get_too_long_is_left_out() -> None:
    assert rough(buzz(LONGEST_S), np.random.default_rng(1)) is None


def test_the_same_seed_gives_the_same_example_and_another_gives_another() -> None:
    first, again, other = (rough(buzz(1), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first is not None and again is not None and other is not None
    assert np.array_equal(first.audio, again.audio)
    assert not np.array_equal(first.audio, other.audio)


def test_tests_hear_every_voice_at_the_same_level() -> None:
    quiet, loud = plain(buzz(1) // 10), plain(buzz(1) * 2)
    assert np.abs(quiet).max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(loud).max() == pytest.approx(0.5, abs=0.01)
