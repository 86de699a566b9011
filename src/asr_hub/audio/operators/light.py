"""A VAD for tiny machines: numpy only, no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from asr_hub.audio.operators.base import Scored, VadState
from asr_hub.audio.operators.windows import Windows
from asr_hub.errors import ConfigError
from asr_hub.model import HUB_RATE, AudioFrame

BAND = (200.0, 3800.0)
"""Hertz that are looked at: where speech is, and rumble and hum are not."""

QUIETEST = -65.0
"""dBFS in the band under which nothing is speech."""


class LightVad:
    """
    Speech by energy above an adaptive noise floor, and by how uneven its spectrum is.

    For quiet rooms: it costs a fifth of the model or less, but any sudden sound opens an utterance. Windows are 32 ms.
    Calls must not overlap.
    """

    name: ClassVar[str] = "light"
    rates: ClassVar[tuple[int, ...]] = (HUB_RATE, 8_000)

    def open(self, rate: int) -> VadState:
        """Raises ConfigError for a rate whose 32 ms are not whole samples, or that has no speech band."""
        if rate < 8_000 or rate % 125:
            raise ConfigError(f"the VAD cannot listen at {rate} Hz: choose a multiple of 125 from 8000 on")
        return LightState(rate)

    def score(self, work: Sequence[tuple[VadState, Sequence[AudioFrame]]]) -> list[list[Scored]]:
        """All windows of all sessions of one rate are measured at once."""
        states = [cast(LightState, state) for state, _ in work]
        cuts = [state.windows.cut(frames) for state, (_, frames) in zip(states, work, strict=True)]
        results: list[list[Scored]] = [[] for _ in work]
        for rate in {state.rate for state in states}:
            chosen = [i for i, state in enumerate(states) if state.rate == rate]
            pcm = b"".join([frame.pcm for i in chosen for frame in cuts[i]])
            measured = iter(zip(*_measure(pcm, rate), strict=True))
            for i in chosen:
                results[i] = [Scored(frame, states[i].hear(*next(measured))) for frame in cuts[i]]
        return results

    def flush(self, state: VadState) -> list[Scored]:
        """The held remainder, padded with silence."""
        light = cast(LightState, state)
        frame = light.windows.rest()
        if frame is None:
            return []
        ((level, flatness),) = zip(*_measure(frame.pcm.ljust(light.rate // 125 * 8, b"\0"), light.rate), strict=True)
        return [Scored(frame, light.hear(level, flatness))]


class LightState:
    """What the VAD remembers of one session."""

    __slots__ = ("_age", "_last", "_now", "_smooth", "_speech", "rate", "windows")

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.windows = Windows(rate // 125 * 4, rate)
        self._age = 0
        self._smooth = self._now = self._last = -50.0  # dBFS: the noise of a room, until the session's own is known
        self._speech = 0.0

    def hear(self, level: float, flatness: float) -> float:
        """
        The probability for the next window, from its level (dBFS) and spectral flatness (0: a tone, 1: white noise).

        The floor is the quietest smoothed level of the last one to two seconds. Hangover is a first-order decay.
        """
        floor = min(self._now, self._last)
        self._smooth += 0.2 * (level - self._smooth)
        self._now = min(self._now, self._smooth)
        self._age += 1
        if self._age % 48 == 0:
            self._last, self._now = self._now, self._smooth
        above = level - max(floor, QUIETEST)
        evidence = (above - 9.0) / 3.0 + (0.35 - flatness) * 6.0
        now = 1.0 / (1.0 + float(np.exp(-np.clip(evidence, -30.0, 30.0)))) if level > QUIETEST else 0.0
        self._speech = max(now, 0.7 * self._speech)
        return self._speech


def _measure(pcm: bytes, rate: int) -> tuple[list[float], list[float]]:
    """Level (dBFS) and spectral flatness in the speech band, for windows that lie one after the other in `pcm`."""
    size = rate // 125 * 4
    samples = np.frombuffer(pcm, "<i2").reshape(-1, size) * np.float32(1 / 32768)
    spectrum = np.fft.rfft(samples * np.hanning(size).astype(np.float32), axis=1)
    first, last = (round(edge * size / rate) for edge in BAND)
    power = np.square(np.abs(spectrum[:, first:last]), dtype=np.float64) + 1e-12
    mean = power.mean(axis=1)
    # Parseval: twice the mean power of the half spectrum, over the window's own energy (3/8 of its length).
    level: list[float] = _decibels(2 * power.sum(axis=1) / (size * size * 0.375))
    flatness: list[float] = (np.exp(np.log(power).mean(axis=1)) / mean).tolist()
    return level, flatness


def _decibels(power: npt.NDArray[np.float64]) -> list[float]:
    decibels: list[float] = (10 * np.log10(power)).tolist()
    return decibels
