"""Audio as FunASR takes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from asr_hub.errors import UnsupportedAudio
from asr_hub.providers.worker_messages import Begin

Samples = np.ndarray[Any, np.dtype[np.float32]]
"""From -1 to 1, at the model's rate."""


def as_samples(pcm: bytes, begin: Begin, rate: int) -> Samples:
    """Samples from -1 to 1. Raises UnsupportedAudio where they are of another rate than the model's."""
    if begin.sample_rate != rate:
        raise UnsupportedAudio(f"the model hears {rate} Hz, not {begin.sample_rate}; resample first")
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
