"""Measures what an utterance sounds like: whether there is anything in it that moves as speech does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asr_hub.audio.operators.levels import QUIETEST
from asr_hub.sound import Sound

WINDOW_S = 0.032
STEP_S = 0.02
BLOCK_STEPS = 5
"""Steps of the tenth of a second whose levels are compared."""

BAND_HZ = (90.0, 3800.0)
"""What telephones carry, too."""

BANDS = 8
LIVELIEST = 3
"""Bands that are looked at: where one voice is, noise stands still in the others."""

CHANGE = 3
"""Which of the largest changes counts: a click makes two, a word makes more."""

DEPTH_DB = 30.0
"""Below the loudest band: what lies deeper does not move."""

SOUNDING_DB = 25.0
"""Below the loudest window: what lies deeper is a pause."""

STRONGEST = 6
"""Bins of two tones."""

SHORTEST_S = 0.8
"""Seconds in which movement can be told."""

_SPAN_S = 2.0
"""Seconds that are in memory as spectra at a time: so few that they stay in the cache."""

_Floats = npt.NDArray[np.float32]


def measure(pcm: bytes, rate: int) -> Sound:
    """
    `pcm` is mono, signed 16 bit, at 8 kHz or more.

    Takes less than a millisecond of one core for a second of audio: not for the event loop where utterances are long.
    """
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
    seconds = samples.size / rate
    level, loudest = _levels(samples, rate)
    bands, shares, flatness = _spectra(samples, rate)
    return Sound(
        seconds=seconds,
        sounding=min(seconds, shares.size * STEP_S),
        level=level,
        loudest=loudest,
        movement=_movement(bands) if seconds >= SHORTEST_S else None,
        tone=float(np.median(shares)) if shares.size else 0.0,
        hiss=float(np.percentile(flatness, 90)) if flatness.size else 0.0,
    )


def _levels(samples: _Floats, rate: int) -> tuple[float, float]:
    block = max(1, rate // 10)
    power = np.square(np.pad(samples, (0, -samples.size % block)).reshape(-1, block)).sum(axis=1, dtype=np.float64)
    if not power.size:
        return QUIETEST, QUIETEST
    level = float(power.sum()) / samples.size
    # The last block may hold less than a tenth of a second.
    return _decibels(level), _decibels(max(level, float(power.max()) / block))


def _decibels(power: float) -> float:
    return max(QUIETEST, 10 * math.log10(power)) if power > 0 else QUIETEST


def _spectra(samples: _Floats, rate: int) -> tuple[_Floats, _Floats, _Floats]:
    """Power of each band in each window; and of the windows that sound: share of the strongest bins, and flatness."""
    size, step = round(WINDOW_S * rate), round(STEP_S * rate)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, max(0, size - samples.size))), size)[::step]
    taper = np.hanning(size).astype(np.float32)
    first, last = (round(hertz * size / rate) for hertz in BAND_HZ)
    edges = np.round(np.geomspace(4, last - first, BANDS + 1)).astype(np.intp)[:-1]
    edges[0] = 0
    span = round(_SPAN_S / STEP_S)
    bands, shares, flatness = [], [], []
    for at in range(0, len(windows), span):
        spectrum = np.fft.rfft(windows[at : at + span] * taper, axis=1)[:, first:last]
        power = np.square(spectrum.real) + np.square(spectrum.imag) + np.float32(1e-12)
        total = power.sum(axis=1)
        bands.append(np.add.reduceat(power, edges, axis=1))
        shares.append(np.partition(power, -STRONGEST, axis=1)[:, -STRONGEST:].sum(axis=1) / total)
        flatness.append(np.exp(np.log(power).mean(axis=1)) / (total / power.shape[1]))
    levels = np.concatenate(bands)
    total = levels.sum(axis=1)
    sounding = total >= total.max() * 10 ** (-SOUNDING_DB / 10)
    return levels, np.concatenate(shares)[sounding], np.concatenate(flatness)[sounding]


def _movement(bands: _Floats) -> float:
    blocks = bands[: len(bands) // BLOCK_STEPS * BLOCK_STEPS].reshape(-1, BLOCK_STEPS, bands.shape[1]).mean(axis=1)
    levels = 10 * np.log10(blocks)
    levels = np.maximum(levels, levels.max() - DEPTH_DB)
    changes = np.sort(np.abs(np.diff(levels, axis=0)), axis=0)[-CHANGE]
    return float(np.sort(changes)[-LIVELIEST:].mean())
