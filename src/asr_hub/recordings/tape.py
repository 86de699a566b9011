"""One recording that is made, as the loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from asr_hub.model import AudioFrame
from asr_hub.recordings.files import RecordingFiles
from asr_hub.recordings.format import PIECE_S, SAMPLE_BYTES
from asr_hub.recordings.selection import Selection
from asr_hub.recordings.writing import Writer


class Source(Protocol):
    """Where the audio of a session passes by: its pipeline."""

    rate: int
    """Hertz"""
    tap: Callable[[AudioFrame], None] | None
    """Told of every frame, in order."""


class Tape:
    """What of its audio was not handed over to the writer yet, and whether the disk has begun and ended it."""

    def __init__(
        self, selection: Selection, files: RecordingFiles, writer: Writer, source: Source, *, at: float, after: int
    ) -> None:
        """`after`: the number of the last fact that it begins behind."""
        self.selection = selection
        self.files = files
        self.source = source
        self.at = at
        self.after = after
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.lost = 0
        """Samples that the writer did not take, and has not been told of."""
        self._writer = writer
        self._piece_bytes = int(PIECE_S * source.rate) * SAMPLE_BYTES
        self._frames: list[bytes] = []
        self._size = 0
        self._start = 0
        self._first: int | None = None
        self._end = 0

    @property
    def heard_s(self) -> float:
        """Seconds of audio since the recording began."""
        return 0.0 if self._first is None else (self._end - self._first) / self.source.rate

    def hear(self, frame: AudioFrame) -> None:
        """Keeps the frame itself: nothing is copied before a thread joins what makes a piece."""
        if not frame.pcm:
            return
        if self._frames and frame.start != self._end:
            self.flush()
        if not self._frames:
            self._start = frame.start
        if self._first is None:
            self._first = frame.start
        self._frames.append(frame.pcm)
        self._size += len(frame.pcm)
        self._end = frame.end
        if self._size >= self._piece_bytes:
            self.flush()

    def flush(self) -> None:
        """Hand over what was heard."""
        frames, size = self._frames, self._size
        if not frames:
            return
        self._frames, self._size = [], 0
        if self._writer.audio(self.files, self._start, frames, size, lost=self.lost):
            self.lost = 0
        else:
            self.lost += size // SAMPLE_BYTES
