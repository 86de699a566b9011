"""The one task that writes recordings: the loop hands over and goes on, a thread waits for the disk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial

import msgspec

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
        self._put(_Work(files, files.begin, on_done=on_done))

    def fact(self, files: RecordingFiles, event: Event) -> bool:
        """Whether it is taken."""
        if self._facts >= self._most_facts:
            return False
        self._facts += 1
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.events and last.files is files:
            last.events.append(event)
        else:
            events = [event]
            self._put(_Work(files, lambda: files.facts(events), events=events))
        return True

    def audio(self, files: RecordingFiles, start: int, frames: list[bytes], size: int, *, lost: int) -> bool:
        """`size` bytes of audio from sample `start` on, `lost` samples after what came before. Whether it is taken."""
        if self._bytes + size > self._most_bytes:
            return False
        self._bytes += size

        def keep() -> None:
            files.lose(lost)
            files.audio(start, frames)

        self._put(_Work(files, keep, bytes=size))
        return True

    def end(self, files: RecordingFiles, why: Why, at: float, on_done: Callable[[], None], *, lost: int) -> None:
        def end() -> None:
            files.lose(lost)
            files.end(why, at)

        self._put(_Work(files, end, is_end=True, on_done=on_done))

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
            has_ended = any(one.is_end for one in work)
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
            self._facts -= len(one.events)
            self._bytes -= one.bytes
            if one.on_done is not None:
                one.on_done()


class _Work(msgspec.Struct):
    """Something to write."""

    files: RecordingFiles
    act: Callable[[], None]
    """What the thread calls"""
    events: list[Event] = []
    bytes: int = 0
    """Of audio"""
    is_end: bool = False
    on_done: Callable[[], None] | None = None


def _do(work: list[_Work]) -> None:
    for one in work:
        try:
            one.act()
        except Exception as exc:  # noqa: BLE001 - the edge of one recording: its failure must not stop the others
            one.files.is_broken = True
            _log.exception("recorder.broke", exc, recording=one.files.path.name)


_log = logs.get("asr_hub.recordings")
