"""One stream of audio of a client of Wyoming: how far it is, in its sessions and on the client's clock."""

from __future__ import annotations

from asr_hub.wire.dialects.wyoming_audio import Samples
from asr_hub.wire.dialects.wyoming_tasks import Task


class Stream:
    """The audio from one `audio-start` to its `audio-stop`."""

    __slots__ = ("_bytes", "_heard", "base", "began", "is_answered", "is_ending", "samples", "task")

    def __init__(self, task: Task, samples: Samples) -> None:
        self.task = task
        self.samples = samples
        self.is_answered = False
        self.is_ending = False
        """`audio-stop` came; the answer has not been given."""
        self.base = 0
        """What the client calls the beginning of the session, in milliseconds."""
        self.began = 0.0
        """The clock then"""
        self._bytes = 0
        """Of the session's audio"""
        self._heard = 0
        """Milliseconds of the sessions before."""

    def begin(self, timestamp: int | None, now: float) -> None:
        """A session begins with a piece that has this timestamp."""
        self._heard += self.at
        self._bytes = 0
        self.base = self._heard if timestamp is None else timestamp
        self.began = now

    def hear(self, audio: bytes) -> list[bytes]:
        """The audio in pieces."""
        self._bytes += len(audio)
        return self.samples.cut(audio)

    @property
    def at(self) -> int:
        """Milliseconds of audio in the session"""
        return self._bytes * 1000 // self.samples.format.bytes_per_second
