"""Audio frames at one rate become audio frames at another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import soxr

from asr_hub.audio.operators.decode import to_s16
from asr_hub.model import AudioFrame

BLOCKS_PER_SECOND = 50
"""The resampler is fed in blocks of 20 ms, whatever the frames it gets."""


class Resample:
    """
    A band-limited sample-rate converter (soxr, "HQ": aliases below -130 dB) for one stream.

    The samples that come out do not depend on how those that went in were cut: frames are gathered to blocks counted
    from the start of the stream. It holds back up to one block and the delay of its filter, until `flush`.
    """

    name: ClassVar[str] = "resample"

    def __init__(self, from_rate: int, to_rate: int, *, start: int = 0) -> None:
        """`start`: samples at `from_rate` before the stream, for one that begins in the middle of a session."""
        self._from = from_rate
        self._to = to_rate
        self._block = 2 * max(1, from_rate // BLOCKS_PER_SECOND)
        self._held = b""
        self._taken = start
        self._given = self._due()
        # The stream works in floating point: its 16-bit output is dithered, and digital silence would become noise.
        self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")

    def process(self, frame: AudioFrame) -> Sequence[AudioFrame]:
        """What can be given out now, as at most one frame. `start` counts samples at the new rate."""
        self._taken += frame.samples
        held = self._held + frame.pcm
        whole = len(held) - len(held) % self._block
        self._held = held[whole:]
        if not whole:
            return ()
        samples = _to_float(held[:whole])
        step = self._block // 2
        parts = [self._stream.resample_chunk(samples[i : i + step]) for i in range(0, samples.size, step)]
        return self._give(np.concatenate(parts) if len(parts) > 1 else parts[0])

    def flush(self) -> Sequence[AudioFrame]:
        """
        The rest, at most one frame. The next frame starts afresh, right behind it.

        The samples given out so far are then exactly those taken in times the ratio of the rates, rounded: positions do
        not drift, however often a stream is flushed.
        """
        rest = self._stream.resample_chunk(_to_float(self._held), last=True)
        missing = self._due() - self._given
        if rest.size < missing:
            rest = np.pad(rest, (0, missing - rest.size), mode="edge" if rest.size else "constant")
        self._start_afresh()
        return self._give(rest[:missing])

    def reset(self) -> None:
        """Forget what is held. The next frame starts where the forgotten audio would have ended."""
        self._start_afresh()
        self._given = self._due()

    def _due(self) -> int:
        return (2 * self._taken * self._to + self._from) // (2 * self._from)

    def _start_afresh(self) -> None:
        self._held = b""
        self._stream.clear()

    def _give(self, samples: npt.NDArray[np.float32]) -> Sequence[AudioFrame]:
        if not samples.size:
            return ()
        frame = AudioFrame(to_s16(samples).tobytes(), self._given, self._to)
        self._given = frame.end
        return (frame,)


def _to_float(pcm: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(1 / 32768)
