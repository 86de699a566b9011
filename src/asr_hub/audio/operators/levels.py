"""How loud a session is, a few times per second of audio."""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec
import numpy as np

from asr_hub.model import AudioFrame

READINGS_PER_SECOND = 4
QUIETEST = -100.0
"""dBFS. What digital silence reads: the logarithm of nothing has no place on a meter."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """The loudness of a quarter of a second, in dB below full scale: 0 is the loudest, -100 is silence."""

    at: int
    """Samples since the session began: where the measured audio ends."""
    rms: float
    peak: float


class Levels:
    """Measures loudness: root mean square and peak. Readings do not depend on how the audio was cut into frames."""

    name: ClassVar[str] = "levels"

    def __init__(self, rate: int) -> None:
        self._period = max(1, rate // READINGS_PER_SECOND)
        self._samples = 0
        self._square = 0
        self._peak = 0

    def process(self, frame: AudioFrame) -> Reading | None:
        """Take one frame. Gives the newest reading that it completes."""
        samples = np.frombuffer(frame.pcm, "<i2").astype(np.int64)
        reading, done = None, 0
        while samples.size - done >= self._period - self._samples:
            part = samples[done : done + self._period - self._samples]
            done += part.size
            self._add(part)
            reading = Reading(frame.start + done, self._rms(), _decibels(self._peak))
            self._samples = self._square = self._peak = 0
        self._add(samples[done:])
        return reading

    def _add(self, samples: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        if samples.size:
            self._samples += samples.size
            self._square += int(samples @ samples)
            self._peak = max(self._peak, int(samples.max()), -int(samples.min()))

    def _rms(self) -> float:
        return _decibels(math.sqrt(self._square / self._samples))


def _decibels(amplitude: float) -> float:
    return max(QUIETEST, 20 * math.log10(amplitude / 32768)) if amplitude > 0 else QUIETEST
