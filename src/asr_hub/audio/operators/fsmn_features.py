"""What FunASR's FSMN-VAD hears: log-mel filter-bank energies, five frames of them side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr_hub.audio.operators.fsmn_product import product
from asr_hub.model import HUB_RATE

SHIFT = HUB_RATE // 100
"""Samples from one frame to the next: 10 ms."""

LENGTH = SHIFT * 5 // 2
"""Samples that one frame is measured over: 25 ms, from the frame's own first sample on."""

MELS = 80

STACKED = 5
"""Frames side by side: the two before, the frame itself, and the two after ("LFR" with m = 5, n = 1)."""

SIDE = STACKED // 2
"""Frames that must be known after a frame, before the network can hear it."""

Floats = npt.NDArray[np.float32]


def log_mels(samples: npt.NDArray[np.int16]) -> Floats:
    """
    Log-mel energies [frames, 80] of frames of 400 samples at 16 kHz, [frames, 400].

    As Kaldi's compute-fbank-feats has them (http://kaldi-asr.org/doc/feat.html) without dither: mean removed,
    pre-emphasis, Hamming window, power spectrum, triangles that lie evenly on the mel scale up to 8 kHz. Samples count
    as integers, not from -1 to 1.
    """
    frames = samples.astype(np.float32)
    frames -= frames.mean(axis=1, keepdims=True)
    emphasised = np.empty_like(frames)
    np.multiply(frames[:, :-1], np.float32(-PRE_EMPHASIS), out=emphasised[:, 1:])
    # Kaldi takes the sample before the first to be like the first.
    np.multiply(frames[:, 0], np.float32(-PRE_EMPHASIS), out=emphasised[:, 0])
    emphasised += frames
    emphasised *= _WINDOW
    spectrum = np.fft.rfft(emphasised, POINTS, axis=1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    energies = product(power[:, : POINTS // 2], _TRIANGLES)
    np.maximum(energies, np.finfo(np.float32).eps, out=energies)
    return np.log(energies, out=energies)


def stacked(mels: Floats) -> Floats:
    """Each frame but the first two and the last two with those around it: [n, 80] to [n - 4, 400]. A view."""
    rows = np.lib.stride_tricks.sliding_window_view(np.ascontiguousarray(mels).reshape(-1), STACKED * MELS)
    return rows[::MELS]


PRE_EMPHASIS = 0.97

POINTS = 512
"""Of the spectrum: the next power of two from the length of a frame."""

LOWEST = 20.0
"""Hertz under which nothing is measured."""


def _triangles() -> Floats:
    """Weights of the lower 256 points of the spectrum in each mel band: [256, 80]."""

    def mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1127.0 * np.log1p(hertz / 700.0)

    lowest, highest = mel(np.array([LOWEST, HUB_RATE / 2]))
    edges = np.linspace(lowest, highest, MELS + 2)
    points = mel(np.arange(POINTS // 2) * HUB_RATE / POINTS)[:, None]
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    weights: Floats = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return weights


_TRIANGLES = _triangles()

_WINDOW = np.hamming(LENGTH).astype(np.float32)
