"""Audio as the model takes it."""

from __future__ import annotations

import ctranslate2
import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from tests.speech import noise, silence, tone

from asr_hub.providers.whisper.features import loudest_dbfs, padded, rows, samples, spectrogram

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("mels", [80, 128])
def test_a_frame_is_a_hundredth_of_a_second_and_padding_is_zero(mels: int) -> None:
    extract = FeatureExtractor(feature_size=mels)
    short, long = (spectrogram(samples(noise(seconds)), extract) for seconds in (1.0, 2.5))
    assert (short.shape, long.shape) == ((mels, 100), (mels, 250))
    batch = np.array(padded([short, long], 200))
    assert batch.shape == (2, mels, 200)
    assert np.array_equal(batch[0, :, :100], short) and not batch[0, :, 100:].any()
    assert np.array_equal(batch[1], long[:, :200])


@pytest.mark.parametrize("wanted", [(0, 1, 2), (2,), (2, 0), (1, 2)])
def test_rows_are_those_that_are_wanted(wanted: tuple[int, ...]) -> None:
    encoded = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    chosen = rows(ctranslate2.StorageView.from_array(encoded), wanted)
    assert np.array_equal(np.array(chosen), encoded[list(wanted)])


def test_loudness_is_that_of_the_loudest_moment() -> None:
    beep = silence(1.0) + tone(0.1, level=0.5) + silence(1.0)
    assert loudest_dbfs(samples(beep), 16_000) == pytest.approx(-9.0, abs=0.1)
    assert loudest_dbfs(samples(b""), 16_000) == loudest_dbfs(samples(silence(1.0)), 16_000) == -200


def test_samples_are_fractions_and_an_odd_byte_is_left_out() -> None:
    assert samples(b"\x00\x80\xff\x7f\x01").tolist() == [-1.0, 32767 / 32768]
