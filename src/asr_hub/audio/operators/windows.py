"""Audio frames of any length become frames of one length."""

from __future__ import annotations

from collections.abc import Sequence

from asr_hub.model import AudioFrame


class Windows:
    """Cuts the frames of one session into windows of `samples` samples, aligned to the first sample it was given."""

    __slots__ = ("_bytes", "_held", "_rate", "_start")

    def __init__(self, samples: int, rate: int) -> None:
        self._bytes = 2 * samples
        self._rate = rate
        self._held = b""
        self._start = 0

    def cut(self, frames: Sequence[AudioFrame]) -> list[AudioFrame]:
        """The whole windows there are now. Less than one window stays held."""
        if not frames:
            return []
        if self._held:
            pcm = b"".join([self._held, *[frame.pcm for frame in frames]])
        else:
            self._start = frames[0].start
            pcm = frames[0].pcm if len(frames) == 1 else b"".join([frame.pcm for frame in frames])
        size, start, rate = self._bytes, self._start, self._rate
        whole = len(pcm) - len(pcm) % size
        self._held = pcm[whole:]
        self._start = start + whole // 2
        return [AudioFrame(pcm[i : i + size], start + i // 2, rate) for i in range(0, whole, size)]

    def rest(self) -> AudioFrame | None:
        """What is held, shorter than a window; it is then no longer held."""
        if not self._held:
            return None
        frame = AudioFrame(self._held, self._start, self._rate)
        self._held = b""
        return frame
