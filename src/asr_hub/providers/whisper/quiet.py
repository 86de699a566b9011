"""Words end where the sound ends: alignment gives the pauses between words to one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from asr_hub.providers.worker_messages import HeardWord

STEP_MS = 20
"""Milliseconds of one level."""

BELOW_DB = 35.0
"""Decibels below the loudest step of the clip: quieter than any speech sound next to it."""


def sounding(audio: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.bool_]:
    """Whether there is sound, for each step of the audio."""
    step = max(1, rate * STEP_MS // 1000)
    blocks = np.pad(audio, (0, -len(audio) % step)).reshape(-1, step).astype(np.float64)
    power = (blocks**2).mean(axis=1)
    there: npt.NDArray[np.bool_] = power > power.max(initial=0.0) * 10 ** (-BELOW_DB / 10)
    return there


def trimmed(words: Sequence[HeardWord], sound: npt.NDArray[np.bool_]) -> tuple[HeardWord, ...]:
    """Each word without the quiet before and after it. A word that is quiet altogether stays as it is."""
    return tuple(_trimmed(word, sound) for word in words)


def _trimmed(word: HeardWord, sound: npt.NDArray[np.bool_]) -> HeardWord:
    first, last = word.start // STEP_MS, -(-word.end // STEP_MS)
    loud = np.flatnonzero(sound[first:last])
    if not len(loud):
        return word
    start = max(word.start, (first + int(loud[0])) * STEP_MS)
    return replace(word, start=start, end=max(start, min(word.end, (first + int(loud[-1]) + 1) * STEP_MS)))
