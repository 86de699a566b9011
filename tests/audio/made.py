"""Sounds that are no speech, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SECONDS = 3.0


@cache
def sounds(rate: int = 16_000, seconds: float = SECONDS, dbfs: float = -25.0) -> dict[str, bytes]:
    """By name; each as loud as `dbfs`, root mean square."""
    time = np.arange(round(seconds * rate)) / rate
    return {name: pcm(make(time), dbfs) for name, make in _MAKE.items()}


def pcm(sound: Floats, dbfs: float) -> bytes:
    loudness = max(1e-12, float(np.sqrt(np.mean(sound**2))))
    return np.rint(sound / loudness * 32768 * 10 ** (dbfs / 20)).clip(-32768, 32767).astype("<i2").tobytes()


def coloured(samples: int, *, slope: float, seed: int = 0) -> Floats:
    """Noise whose amplitude falls with frequency to the power of `slope`: 0 is white, 0.5 pink, 1 brown."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=samples))
    noise: Floats = np.fft.irfft(spectrum / np.maximum(1, np.arange(spectrum.size)) ** slope, samples)
    return noise / noise.std()


def _tone(time: Floats, *hertz: float) -> Floats:
    return np.sum([np.sin(2 * np.pi * each * time) for each in hertz], axis=0)


def _sweep(hertz: Floats, time: Floats, harmonics: int = 1) -> Floats:
    phase = 2 * np.pi * np.cumsum(hertz) * (time[1] - time[0])
    return np.sum([np.sin(n * phase) / n for n in range(1, harmonics + 1)], axis=0)


def _note(time: Floats, hertz: float, at: float, length: float) -> Floats:
    since = time - at
    is_on = (since >= 0) & (since < length)
    shape = np.where(is_on, np.exp(-3 * since) * np.minimum(1, since / 0.01), 0.0)
    return shape * np.sum([np.sin(2 * np.pi * hertz * n * since) / n for n in range(1, 7)], axis=0)


def _keypad(time: Floats) -> Floats:
    keys = [_tone(time, low, high) for low, high in ((697, 1209), (770, 1336), (852, 1477), (941, 1336))]
    slot = (time / 0.2).astype(int)
    is_on = time % 0.2 < 0.1
    return np.where(is_on, np.choose(slot % 4, keys), 0.0)


def _clicks(time: Floats) -> Floats:
    return np.exp(-(time % 0.33) * 500) * np.sin(2 * np.pi * 900 * time) + 1e-3 * coloured(time.size, slope=0)


def _chords(time: Floats) -> Floats:
    return np.sum([_note(time, hertz, at, 1.0) for at in range(3) for hertz in (261.6, 329.6, 392.0)], axis=0)


def _arpeggio(time: Floats) -> Floats:
    notes = (261.6, 329.6, 392.0, 523.2)
    return np.sum([_note(time, notes[n % 4], 0.2 * n, 0.25) for n in range(int(time[-1] / 0.2) + 1)], axis=0)


def _melody(time: Floats) -> Floats:
    notes = np.array([440, 494, 523, 587, 659, 587, 523, 494])[(time * 2).astype(int) % 8]
    return _sweep(notes * (1 + 0.02 * np.sin(2 * np.pi * 6 * time)), time, harmonics=5)


_MAKE: dict[str, Callable[[Floats], Floats]] = {
    "white noise": lambda time: coloured(time.size, slope=0),
    "pink noise": lambda time: coloured(time.size, slope=0.5),
    "brown noise": lambda time: coloured(time.size, slope=1),
    "wind": lambda time: coloured(time.size, slope=1) * (1 + 0.5 * np.sin(2 * np.pi * 0.5 * time)),
    "hum": lambda time: np.sum([np.sin(2 * np.pi * 50 * n * time) / n for n in range(1, 8)], axis=0),
    "hum in noise": lambda time: _tone(time, 50, 150, 250) + 0.3 * coloured(time.size, slope=0),
    "whistle": lambda time: _tone(time, 1000),
    "dial tone": lambda time: _tone(time, 350, 440),
    "busy tone": lambda time: np.where(time % 1 < 0.5, _tone(time, 480, 620), 0.0),
    "keypad": _keypad,
    "siren": lambda time: _sweep(800 + 400 * np.sin(np.pi * time), time),
    "clicks": _clicks,
    "chords": _chords,
    "arpeggio": _arpeggio,
    "melody": _melody,
}
