from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.shapes import assert_in_row, cuts, frames, joined, noise

from asr_hub.audio.operators.resample import Resample
from asr_hub.model import AudioFrame

pytestmark = pytest.mark.unit

RATES = [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (22_050, 8_000), (16_000, 24_000), (11_025, 16_000)]


def resample(pieces: list[AudioFrame], from_rate: int, to_rate: int) -> list[AudioFrame]:
    step = Resample(from_rate, to_rate)
    return [out for piece in pieces for out in step.process(piece)] + list(step.flush())


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_length_and_places_are_exact(from_rate: int, to_rate: int) -> None:
    out = resample(frames(noise(from_rate + 77), [441], rate=from_rate), from_rate, to_rate)
    assert_in_row(out)
    assert out[0].start == 0 and out[0].rate == to_rate
    assert out[-1].end == round((from_rate + 77) * to_rate / from_rate)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(RATES), cuts(), st.integers(0, 9000))
def test_the_cut_of_the_input_does_not_matter(rates: tuple[int, int], sizes: list[int], samples: int) -> None:
    pcm = noise(samples)
    whole = resample(frames(pcm, [samples]), *rates)
    assert joined(resample(frames(pcm, sizes), *rates)) == joined(whole)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(RATES), st.lists(st.integers(0, 3000), min_size=1, max_size=8))
def test_flushing_leaves_no_gap_and_no_drift(rates: tuple[int, int], parts: list[int]) -> None:
    from_rate, to_rate = rates
    step, out, taken = Resample(from_rate, to_rate), [], 0
    for samples in parts:
        out += [*step.process(AudioFrame(noise(samples), taken, from_rate)), *step.flush()]
        taken += samples
        assert abs((out[-1].end if out else 0) - taken * to_rate / from_rate) <= 0.5
    assert_in_row(out)


def test_after_a_flush_the_past_is_forgotten() -> None:
    step = Resample(48_000, 16_000)
    pcm = noise(4800)
    first = joined([*step.process(AudioFrame(pcm, 0, 48_000)), *step.flush()])
    second = joined([*step.process(AudioFrame(pcm, 4800, 48_000)), *step.flush()])
    assert first == second


def test_after_a_reset_the_place_is_right() -> None:
    step = Resample(48_000, 16_000)
    step.process(AudioFrame(noise(4900), 0, 48_000))
    step.reset()
    out = [*step.process(AudioFrame(noise(4800), 4900, 48_000)), *step.flush()]
    assert out[0].start == 1633 and out[-1].end == round(9700 / 3)


def test_a_tone_keeps_its_pitch_and_an_alias_is_gone() -> None:
    time = np.arange(48_000) / 48_000
    kept = (10_000 * np.sin(2 * np.pi * 1000 * time)).astype("<i2").tobytes()
    gone = (10_000 * np.sin(2 * np.pi * 10_000 * time)).astype("<i2").tobytes()
    out = np.frombuffer(joined(resample(frames(kept, [960]), 48_000, 16_000)), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(out[1000:-1000] * np.hanning(out.size - 2000)))
    assert round(float(spectrum.argmax()) * 16_000 / (out.size - 2000)) == 1000
    alias = np.frombuffer(joined(resample(frames(gone, [960]), 48_000, 16_000)), "<i2")
    assert np.abs(alias[1000:-1000]).max() <= 1


def test_digital_silence_stays_silent() -> None:
    assert not any(joined(resample(frames(bytes(96_000), [960]), 48_000, 16_000)))
