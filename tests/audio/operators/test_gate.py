from __future__ import annotations

import numpy as np
import pytest
from tests.audio.shapes import noise

from asr_hub.audio.operators.gate import GateSettings, GateState, levels

pytestmark = pytest.mark.unit


def closed(pcm: bytes, *, speech: float = 0.0, state: GateState | None = None) -> list[bool]:
    state = state or GateState(GateSettings())
    result = []
    for flat, steep in zip(*levels(np.frombuffer(pcm, "<i2").reshape(-1, 512)), strict=True):
        state.follow(flat, steep, speech)
        result.append(state.is_closed)
    return result


def test_levels_of_a_square_wave() -> None:
    (flat,), (steep,) = levels(np.tile(np.array([16384, -16384], np.int16), 256).reshape(1, 512))
    assert flat == pytest.approx(-6.02, abs=0.01) and steep == pytest.approx(0.0, abs=0.05)


def test_a_constant_offset_is_silence() -> None:
    (flat,), (steep,) = levels(np.full((1, 512), 1000, np.int16))
    assert flat < -100 and steep < -100


@pytest.mark.parametrize("level", [0, 1, 20, 300, 3000])
def test_it_closes_on_steady_noise_after_the_hangover(level: float) -> None:
    got = closed(noise(512 * 200, level=level))
    assert not any(got[:25]) and np.mean(got[50:]) > 0.9


@pytest.mark.parametrize("louder", [1.6, 2, 10])
def test_it_opens_in_the_window_that_is_louder(louder: float) -> None:
    state = GateState(GateSettings())
    assert closed(noise(512 * 200, level=100), state=state)[-1]
    assert closed(noise(512, level=100 * louder, seed=1), state=state) == [False]


def test_it_opens_for_a_hiss_under_a_louder_hum() -> None:
    hum = 8000 * np.sin(2 * np.pi * 50 * np.arange(512 * 220) / 16_000)
    hiss = np.frombuffer(noise(512 * 220, level=20), "<i2").astype(float)
    hiss[512 * 200 :] *= 4
    got = closed((hum + hiss).astype("<i2").tobytes())
    assert got[199] and not got[200]


def test_what_the_model_calls_speech_keeps_it_open() -> None:
    assert not any(closed(noise(512 * 200), speech=0.2))


def test_a_louder_room_is_the_new_floor() -> None:
    state = GateState(GateSettings())
    closed(noise(512 * 100, level=20), state=state)
    got = closed(noise(512 * 300, level=500), state=state)
    assert not got[0] and np.mean(got[200:]) > 0.9
