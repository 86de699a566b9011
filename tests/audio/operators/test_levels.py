from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from tests.audio.shapes import cuts, frames, noise

from asr_hub.audio.operators.levels import Levels, Reading
from asr_hub.model import AudioFrame

pytestmark = pytest.mark.unit


def readings(pieces: list[AudioFrame]) -> list[Reading]:
    meter = Levels(16_000)
    return [reading for piece in pieces if (reading := meter.process(piece)) is not None]


def test_a_full_scale_sine() -> None:
    sine = np.rint(32767 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype("<i2").tobytes()
    got = readings(frames(sine, [320]))
    assert [reading.at for reading in got] == [4000, 8000, 12_000, 16_000]
    assert all(abs(reading.rms + 3.01) < 0.01 and abs(reading.peak) < 0.01 for reading in got)


def test_silence_and_the_most_negative_sample() -> None:
    assert readings([AudioFrame(bytes(8000), 0)]) == [Reading(4000, -100.0, -100.0)]
    (reading,) = readings([AudioFrame(b"\0\x80" * 4000, 0)])
    assert (reading.rms, reading.peak) == (0.0, 0.0)


@settings(max_examples=30, deadline=None)
@given(cuts(largest=3999))
def test_the_cut_does_not_matter_and_four_a_second_are_the_most(sizes: list[int]) -> None:
    pcm = noise(20_000)
    assert readings(frames(pcm, sizes)) == readings(frames(pcm, [4000]))
    assert len(readings(frames(pcm, sizes))) == 5


def test_a_long_frame_gives_its_newest_reading() -> None:
    (reading,) = readings([AudioFrame(noise(16_100), 0)])
    assert reading.at == 16_000
