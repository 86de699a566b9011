"""The one task that writes recordings: the loop hands over and goes on, a thread waits for the disk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial

from asr_hub.bell import Bell
from asr_hub.recordings.disk_threads import DiskThreads
from asr_hub.recordings.files import RecordingFiles
from asr_hub.recordings.format import Why
from asr_hub.store.event import Event
from asr_hub.telemetry import logs

MOST_FACTS = 20_000
"""Of all recordings together, that may wait for the disk."""

MOST_BYTES = 32 << 20
"""Of audio, likewise: a quarter of an hour of it."""


class Writer:
    """
    What is to be written, in order. Nothing here waits but `run`.

    It holds a bounded number of facts and bytes. What comes while it is full is not taken, and whoever brought it is
    told; a beginning and an end are always taken, one of each for a recording.
    """

    def __init__(self, *, most_facts: int = MOST_FACTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_facts = most_facts
        self._most_bytes = most_bytes
        self._waiting: list[_Work] = []
        self._facts = 0
        self._bytes = 0
        self._bell = Bell()
        self._is_ending = False

    def begin(self, files: RecordingFiles, on_done: Callable[[], None]) -> None:
        self._put(_Begin(files, on_done))

    def fact(self, files: RecordingFiles, event: Event) -> bool:
        """Whether it is taken."""
        if self._facts >= self._most_facts:
            return False
        self._facts += 1
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, _Facts) and last.files is files:
            last.events.append(event)
        else:
            self._put(_Facts(files, [event]))
        return True

    def audio(self, files: RecordingFiles, start: int, frames: list[bytes], size: int, *, lost: int) -> bool:
        """`size` bytes of audio from sample `start` on, `lost` samples after what came before. Whether it is taken."""
        if self._bytes + size > self._most_bytes:
            return False
        self._bytes += size
        self._put(_Audio(files, start, frames, size, lost))
        return True

    def end(self, files: RecordingFiles, why: Why, at: float, on_done: Callable[[], None], *, lost: int) -> None:
        self._put(_End(files, why, at, on_done, lost))

    @property
    def unwritten(self) -> dict[str, int]:
        """What it holds: `facts`, and `bytes` of audio."""
        return {"facts": self._facts, "bytes": self._bytes}

    @property
    def is_behind(self) -> bool:
        """It would take no fact now: nothing new should be begun."""
        return self._facts >= self._most_facts or len(self._waiting) >= self._most_facts

    async def run(self, *, sweep: Callable[[], None], every: float) -> None:
        """
        Write until `close`, and then what waits. `sweep` is called, on a thread, after ends and every so many seconds.

        Cancelled, it leaves the thread to the disk: what that does not take is lost.
        """
        with contextlib.closing(DiskThreads()) as threads:
            await self._write(threads, sweep, every)

    async def _write(self, threads: DiskThreads, sweep: Callable[[], None], every: float) -> None:
        due = time.monotonic() + every
        while self._waiting or not self._is_ending:
            work, self._waiting = self._waiting, []
            has_ended = any(isinstance(one, _End) for one in work)
            if work:
                await threads.call(partial(_do, work))
                self._settle(work)
            if has_ended or time.monotonic() >= due:
                await threads.call(sweep)
                due = time.monotonic() + every
            if self._waiting or self._is_ending:
                continue
            try:
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._bell.wait()
            except TimeoutError:
                pass

    def close(self) -> None:
        """Let `run` return when everything is written."""
        self._is_ending = True
        self._bell.ring()

    def _put(self, work: _Work) -> None:
        self._waiting.append(work)
        self._bell.ring()

    def _settle(self, work: list[_Work]) -> None:
        for one in work:
            match one:
                case _Facts():
                    self._facts -= len(one.events)
                case _Audio():
                    self._bytes -= one.size
                case _Begin() | _End():
                    one.on_done()
                case _:
                    pass


class _Work:
    """Something to write."""

    __slots__ = ("files",)

    def __init__(self, files: RecordingFiles) -> None:
        self.files = files

    def do(self) -> None:
        raise NotImplementedError


class _Begin(_Work):
    __slots__ = ("on_done",)

    def __init__(self, files: RecordingFiles, on_done: Callable[[], None]) -> None:
        super().__init__(files)
        self.on_done = on_done

    def do(self) -> None:
        self.files.begin()


class _Facts(_Work):
    __slots__ = ("events",)

    def __init__(self, files: RecordingFiles, events: list[Event]) -> None:
        super().__init__(files)
        self.events = events

    def do(self) -> None:
        self.files.facts(self.events)


class _Audio(_Work):
    __slots__ = ("frames", "lost", "size", "start")

    def __init__(self, files: RecordingFiles, start: int, frames: list[bytes], size: int, lost: int) -> None:
        super().__init__(files)
        self.start = start
        self.lost = lost
        self.frames = frames
        self.size = size

    def do(self) -> None:
        self.files.lose(self.lost)
        self.files.audio(self.start, self.frames)


class _End(_Work):
    __slots__ = ("at", "lost", "on_done", "why")

    def __init__(self, files: RecordingFiles, why: Why, at: float, on_done: Callable[[], None], lost: int) -> None:
        super().__init__(files)
        self.lost = lost
        self.why = why
        self.at = at
        self.on_done = on_done

    def do(self) -> None:
        self.files.lose(self.lost)
        self.files.end(self.why, self.at)


def _do(work: list[_Work]) -> None:
    for one in work:
        try:
            one.do()
        except Exception as exc:  # noqa: BLE001 - the edge of one recording: its failure must not stop the others
            one.files.is_broken = True
            _log.exception("recorder.broke", exc, recording=one.files.path.name)


_log = logs.get("asr_hub.recordings")
