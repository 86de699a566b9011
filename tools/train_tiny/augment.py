"""Makes clean synthesised speech rough: other speeds, rooms, microphones and noise."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import soxr
from tools.train_tiny.corpus import RATE, Samples

Audio = npt.NDArray[np.float32]
"""Mono, 16 kHz, full scale 1."""

LONGEST_S = 5.0
"""No training example is longer."""


class Example(msgspec.Struct, frozen=True):
    """Speech with silence around it."""

    audio: Audio
    begins: float
    """Where the speech begins, in seconds."""
    ends: float


def plain(samples: Samples) -> Audio:
    """An utterance at an even level, with a little silence before and after, as tests hear it."""
    speech = _levelled(samples.astype(np.float32), 0.5)
    return np.concatenate([np.zeros(RATE // 5, np.float32), speech, np.zeros(RATE * 3 // 10, np.float32)])


def rough(samples: Samples, chance: np.random.Generator, *, speeds: bool = True) -> Example | None:
    """
    One training example of an utterance; None where it gets longer than LONGEST_S.

    Another speed is another pitch: without `speeds` the voice stays whose it is.
    """
    speech = _levelled(samples.astype(np.float32), 10 ** (chance.uniform(-18, -1) / 20))
    if speeds and chance.random() < 0.7:
        speech = soxr.resample(speech, RATE, int(RATE * chance.uniform(0.88, 1.14)), quality="QQ").astype(np.float32)
    if chance.random() < 0.4:
        speech = _tilted(speech, chance.uniform(-0.6, 0.6))
    if chance.random() < 0.3:
        speech = _reverberant(speech, chance)
    room = int(LONGEST_S * RATE) - len(speech) - RATE // 10
    if room < 0:
        return None
    before = int(chance.uniform(0, min(0.8 * RATE, room * 0.6)))
    after = int(chance.uniform(0, min(0.8 * RATE, room - before)))
    audio = np.concatenate([np.zeros(before, np.float32), speech, np.zeros(after, np.float32)])
    if chance.random() < 0.75:
        audio += _noise(len(audio), chance) * np.float32(np.sqrt(np.mean(speech**2) / 10 ** (chance.uniform(0.8, 4))))
    return Example(audio, before / RATE, (before + len(speech)) / RATE)


def _levelled(audio: Audio, peak: float) -> Audio:
    return np.asarray(audio * (peak / (np.abs(audio).max() + 1e-6)), np.float32)


def _tilted(speech: Audio, tilt: float) -> Audio:
    bent = speech.copy()
    bent[1:] += np.float32(tilt) * speech[:-1]
    return _levelled(bent, 0.5)


def _reverberant(speech: Audio, chance: np.random.Generator) -> Audio:
    length = int(chance.uniform(0.05, 0.25) * RATE)
    echo = chance.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))
    echo[0] = 3
    size = 1 << (len(speech) + length - 1).bit_length()
    heard = np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(echo, size), size)[: len(speech) + length // 2]
    return _levelled(heard.astype(np.float32), 0.5)


def _noise(length: int, chance: np.random.Generator) -> Audio:
    """White or brown noise of power 1."""
    noise = chance.standard_normal(length)
    if chance.random() < 0.5:
        walk = np.cumsum(noise)
        # A random walk wanders off; its slow part is taken away.
        sums = np.concatenate([np.zeros(201), np.cumsum(walk)])
        noise = walk - (sums[200 : 200 + length] - sums[:length]) / 200
        noise /= noise.std() + 1e-6
    return noise.astype(np.float32)
