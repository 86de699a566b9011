"""Audio as the model takes it: log mel spectrograms in windows, and the rows of what the encoder made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt

FRAMES_PER_S = 100
"""Of a spectrogram. The encoder makes one position of two frames."""

Spectrogram = npt.NDArray[np.float32]
"""[mels, frames]"""


def samples(pcm: bytes) -> npt.NDArray[np.float32]:
    """16-bit PCM as numbers from -1 to 1. An odd last byte is left out."""
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], np.dtype("<i2")).astype(np.float32) / 32768.0


def loudest_dbfs(audio: npt.NDArray[np.float32], rate: int) -> float:
    """Decibels below full scale of the loudest tenth of a second."""
    block = max(1, rate // 10)
    blocks = np.pad(audio, (0, -len(audio) % block)).reshape(-1, block)
    power = float((blocks.astype(np.float64) ** 2).mean(axis=1).max(initial=0.0))
    return 10 * float(np.log10(max(power, 1e-20)))


def spectrogram(audio: npt.NDArray[np.float32], extract: Callable[[npt.NDArray[np.float32]], Any]) -> Spectrogram:
    """The extractor pads with one frame that holds no audio; it is left out."""
    frames: Spectrogram = np.nan_to_num(extract(audio)[..., :-1], posinf=0.0, neginf=0.0).astype(np.float32)
    return frames


def padded(spectrograms: Sequence[Spectrogram], frames: int) -> ctranslate2.StorageView:
    """[clips, mels, frames], padded with the zeros that published weights know."""
    stacked = np.zeros((len(spectrograms), spectrograms[0].shape[0], frames), np.float32)
    for row, one in zip(stacked, spectrograms, strict=True):
        row[:, : one.shape[1]] = one[:, :frames]
    return ctranslate2.StorageView.from_array(stacked)


def rows(encoded: ctranslate2.StorageView, wanted: Sequence[int]) -> ctranslate2.StorageView:
    """Some clips of an encoded batch. They go through the host's memory, unless all are wanted in their order."""
    if list(wanted) == list(range(encoded.shape[0])):
        return encoded
    host = encoded.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32)
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.array(host)[list(wanted)]))
