"""Where to cut audio that is too long for an engine."""

from __future__ import annotations

import numpy as np

WINDOW_S = 0.2
"""Seconds over which loudness is measured: about a syllable, so that a stop consonant is not taken for a pause."""

_HOP_S = 0.02


def quiet_place(pcm: bytes, rate: int, longest_s: float) -> int:
    """
    The byte at which to cut, at most `longest_s` seconds in: the middle of the quietest moment of the second half.

    `pcm` is longer than that: signed 16 bit, one channel.
    """
    end = int(longest_s * rate)
    begin = end // 2
    hop = max(1, int(_HOP_S * rate))
    samples = np.frombuffer(pcm, np.int16, count=end - begin, offset=2 * begin).astype(np.float32)
    hops = samples[: len(samples) // hop * hop].reshape(-1, hop)
    energy = np.square(hops).mean(axis=1)
    width = max(1, round(WINDOW_S / _HOP_S))
    if len(energy) <= width:
        return 2 * end
    loudness = np.convolve(energy, np.ones(width, np.float32), "valid")
    # The last of equally quiet places: the longer the piece, the more the engine knows.
    place = len(loudness) - 1 - int(np.argmin(loudness[::-1]))
    return 2 * (begin + (place + width // 2) * hop)
