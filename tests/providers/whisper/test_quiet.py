"""Words are cut to where there is sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.whisper.quiet import sounding, trimmed
from asr_hub.providers.worker_messages import HeardWord

pytestmark = pytest.mark.unit


def test_the_pause_around_a_word_is_not_the_word() -> None:
    tone = np.sin(np.arange(8000) / 5).astype(np.float32) * 0.3
    hum = np.full(8000, 0.001, np.float32)
    sound = sounding(np.concatenate([hum, tone, hum]), 16_000)
    assert trimmed([HeardWord("a", 0, 800), HeardWord("b", 800, 1500)], sound) == (
        HeardWord("a", 500, 800),
        HeardWord("b", 800, 1000),
    )


def test_a_word_in_the_quiet_stays() -> None:
    assert trimmed([HeardWord("a", 10, 90)], np.zeros(50, np.bool_)) == (HeardWord("a", 10, 90),)


@given(
    sound=st.lists(st.booleans(), max_size=50),
    times=st.lists(st.integers(0, 1200), min_size=2, max_size=12).map(sorted),
)
def test_words_only_shrink(sound: list[bool], times: list[int]) -> None:
    words = [HeardWord("a", start, end) for start, end in zip(times[::2], times[1::2], strict=False)]
    for before, after in zip(words, trimmed(words, np.array(sound, np.bool_)), strict=True):
        assert before.start <= after.start <= after.end <= before.end
