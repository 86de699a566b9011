"""A cheap look at the energy, so that the VAD's model need not run on silence."""

from __future__ import annotations

from collections import deque

import msgspec
import numpy as np
import numpy.typing as npt

WINDOWS_PER_SECOND = 31.25
"""What a `GateState` counts in: Silero's windows of 32 ms."""


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the gate must be that a window is silence. It opens at once and closes late."""

    margin: float = 2.5
    """dB above the floor of a steady noise that open it."""

    max_margin: float = 4.0
    """dB above the floor of an unsteady noise that open it."""

    absolute: float = -80.0
    """dBFS (root mean square) under which a window is silence whatever the floor is."""

    memory: float = 1.5
    """Seconds; the floor is the quietest of one to two times as much."""

    hangover: float = 0.8
    """Seconds of energy near the floor, and of the model's doubt, before it closes."""

    doubt: float = 0.1
    """Speech probability from which on the model itself keeps the gate open."""

    warm: int = 8
    """Windows kept while it is closed; the model hears them first when it opens."""


class GateState:
    """What a gate remembers of one session: its noise floors, and whether it is closed."""

    __slots__ = ("_flat", "_hangover", "_quiet", "_settings", "_steep", "is_closed", "missed")

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._hangover = settings.hangover * WINDOWS_PER_SECOND
        self._flat = _Floor(settings)
        self._steep = _Floor(settings)
        self._quiet = 0
        self.is_closed = False
        self.missed: deque[bytes] = deque(maxlen=settings.warm)
        """The newest windows that the model has not heard."""

    def follow(self, flat: float, steep: float, speech: float) -> None:
        """
        Open or close for the next window.

        `flat` and `steep` are its levels from `levels`, `speech` is what the model said of the last window it heard.
        Speech raises one of the two over its floor: `flat` in hiss, `steep` over rumble and hum.
        """
        # Both floors must see every window.
        is_above = self._flat.is_below(flat) | self._steep.is_below(steep)
        if (is_above and flat > self._settings.absolute) or (not self.is_closed and speech >= self._settings.doubt):
            self._quiet = 0
            self.is_closed = False
        elif not self.is_closed:
            self._quiet += 1
            self.is_closed = self._quiet > self._hangover


class _Floor:
    """
    The noise floor of one level: its running minimum over the present block and the one before.

    Minimum statistics (R. Martin, IEEE Trans. Speech and Audio Processing 9(5), 2001) without the bias correction: the
    margin stands for it, and grows with how much the level moves around its mean.
    """

    __slots__ = ("_age", "_block", "_last", "_max_margin", "_mean", "_min_margin", "_motion", "_now")

    def __init__(self, settings: GateSettings) -> None:
        self._block = max(1, round(settings.memory * WINDOWS_PER_SECOND))
        self._min_margin = settings.margin
        self._max_margin = settings.max_margin
        self._age = 0
        self._mean = self._now = self._last = self._motion = 0.0

    def is_below(self, level: float) -> bool:
        """Whether `level` rises over the floor by more than the margin. It then counts for the floor itself."""
        if not self._age:
            self._mean = self._now = self._last = level
        floor = self._now if self._now < self._last else self._last
        margin = 1.5 + 2.5 * self._motion
        margin = min(max(margin, self._min_margin), self._max_margin)
        moved = level - self._mean
        self._mean += 0.25 * moved
        self._motion += 0.06 * (abs(moved) - self._motion)
        self._age += 1
        if self._mean < self._now:
            self._now = self._mean
        if self._age % self._block == 0:
            self._last, self._now = self._now, self._mean
        return level > floor + margin


def levels(windows: npt.NDArray[np.int16]) -> tuple[list[float], list[float]]:
    """
    Loudness of many windows at once, dBFS: as they are, and with the low frequencies turned down.

    `windows` is [count, samples]. The second one is the level of the differences between neighbouring samples.
    """
    samples = windows.astype(np.float32)
    samples -= samples.mean(axis=1, keepdims=True)
    steep = samples[:, 1:] - samples[:, :-1]
    return _decibels(samples), _decibels(steep)


def _decibels(samples: npt.NDArray[np.float32]) -> list[float]:
    power = np.einsum("ij,ij->i", samples, samples) / (samples.shape[1] * 32768.0**2)
    decibels: list[float] = (10 * np.log10(power + 1e-12)).tolist()
    return decibels
