"""
Files are decoded and cut in processes of their own, which hold nothing of the hub and can be killed at any time.

Such a process takes most of a second to start, and then cuts one file after the other. It is replaced after some of
them, and whenever a file leaves it in doubt; one that nobody needs for a while ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from asr_hub.errors import (
    Overloaded,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
)
from asr_hub.jobs.cutting_messages import Begin, CutSettings, Decoded, FromCutting, Work
from asr_hub.jobs.job import Channels
from asr_hub.jobs.ports import Cut
from asr_hub.jobs.spooling import cut_of, sweep, whole
from asr_hub.providers.file_messages import Done, Failed
from asr_hub.providers.file_process import FileProcess
from asr_hub.telemetry import logs

log = logs.get(__name__)
_decoder: msgspec.msgpack.Decoder[FromCutting] = msgspec.msgpack.Decoder(FromCutting)


class CutterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the processes are run."""

    processes: int = 2
    """Files that are cut at the same time."""
    stall_s: float = 60.0
    """Seconds without any more audio after which a file is given up; also to begin with."""
    timeout_rtf: float = 1.0
    """Seconds that a second of audio may take, over all of a file."""
    memory_bytes: int = 512 * 2**20
    """What a process may take beyond the 100 MB that it begins with."""
    files_each: int = 200
    """After so many a process is replaced."""
    idle_s: float = 60.0
    """Seconds without a file after which a process ends."""


class FileCutter:
    """
    Cuts files, as `Cutter` says. A context, which ends all its processes; nothing runs before the first file.

    Where a whole spool of the same file lies in the folder, from before a crash, it is taken as it is.
    """

    def __init__(self, settings: CutSettings, run: CutterSettings = CutterSettings()) -> None:
        self._settings = settings
        self._run = run
        self._turns = asyncio.Semaphore(run.processes)
        self._idle: list[_Cutting] = []
        self._all: set[_Cutting] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that live."""
        return tuple(one.pid for one in self._all)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every process and wait for it; a file that is being cut fails. It may be called twice."""
        self._is_closed = True
        for one in tuple(self._all):
            self._end(one, at_once=True)
        while self._endings:
            await asyncio.wait(self._endings)

    async def cut(
        self, source: Path, folder: Path, channels: Channels, *, on_progress: Callable[[float], None] = lambda _: None
    ) -> Cut:
        """
        As `Cutter.cut`. Waits for a process that is free.

        Raises also ProviderDied (`decoder-died`) where the process was killed, Overloaded (`disk-full`) where the
        spool has no room, and ProviderUnavailable after the end.
        """
        work = Work(source=str(source), folder=str(folder), channels=channels)
        async with self._turns:
            await self._through(work, on_progress)
        plan = await asyncio.to_thread(whole, folder)
        if plan is None:
            raise ProviderError("the decoded audio has gone from the disk: try again", code="unreadable-audio")
        return cut_of(folder, plan)

    async def _through(self, work: Work, on_progress: Callable[[float], None]) -> None:
        process = await self._take()
        try:
            peak = await process.cut(work, on_progress)
            log.debug("cutting.done", pid=process.pid, peak_bytes=peak)
        finally:
            if process.is_ready and process.files < self._run.files_each and not self._is_closed:
                process.rest(self._run.idle_s, lambda: self._end(process))
                self._idle.append(process)
            else:
                # Shielded: who is cancelled once more must not leave it half ended.
                await asyncio.shield(self._end(process, at_once=not process.is_ready, folder=Path(work.folder)))

    async def _take(self) -> _Cutting:
        if self._is_closed:
            raise ProviderUnavailable("the hub is stopping: try again")
        while self._idle:
            process = self._idle.pop()
            process.wake()
            if process.is_alive:
                return process
            self._end(process, at_once=True)
        process = _Cutting(self._run)
        self._all.add(process)
        try:
            await process.start(self._settings)
        except BaseException as exc:
            await asyncio.shield(self._end(process, at_once=True))
            if isinstance(exc, OSError):
                raise Overloaded(f"no process for decoding can be started: {exc.strerror}") from exc
            raise
        return process

    def _end(self, process: _Cutting, *, at_once: bool = False, folder: Path | None = None) -> asyncio.Task[None]:
        """End a process, and then delete what it left unfinished."""
        if process in self._idle:
            self._idle.remove(process)

        async def end() -> None:
            await process.end(at_once=at_once)
            self._all.discard(process)
            if folder is not None:
                await asyncio.to_thread(sweep, folder)

        task = asyncio.create_task(end(), name=f"end of cutting process {process.pid}")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task


class _Cutting:
    """The hub's end of one process."""

    def __init__(self, run: CutterSettings) -> None:
        self.files = 0
        """That it was given."""
        self.is_ready = False
        """It waits for a file."""
        self._run = run
        self._process = FileProcess("cutting", "asr_hub.jobs.cutting_process")
        self.rest = self._process.rest
        self.wake = self._process.wake

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    async def start(self, settings: CutSettings) -> None:
        """Raises OSError."""
        cpu_s = self._run.stall_s + self._run.timeout_rtf * settings.limits.seconds
        await self._process.start(Begin(settings=settings, memory_bytes=self._run.memory_bytes, cpu_s=cpu_s))
        self.is_ready = True

    async def cut(self, work: Work, on_progress: Callable[[float], None]) -> int:
        """Have a file cut; the most memory that the process has taken. Raises as `FileCutter.cut` does."""
        self._process.send(work)
        self.is_ready = False
        self.files += 1
        loop = asyncio.get_running_loop()
        began = heard = loop.time()
        seconds = 0.0
        while True:
            patience = min(heard, began + self._run.timeout_rtf * seconds) + self._run.stall_s
            match await self._next(patience, seconds):
                case Decoded(seconds):
                    heard = loop.time()
                    on_progress(seconds)
                case Done(peak_bytes):
                    self.is_ready = True
                    return peak_bytes
                case Failed() as failed:
                    self.is_ready = not failed.is_last
                    raise failed.error()

    async def end(self, *, at_once: bool) -> None:
        """End the process and wait for it. One that waits for a file ends by itself."""
        self.is_ready = False
        await self._process.end(at_once=at_once)

    async def _next(self, until: float, seconds: float) -> FromCutting:
        so_far = f" after {seconds:.0f} s of audio"
        try:
            async with asyncio.timeout_at(until):
                return _decoder.decode(await self._process.receive())
        except TimeoutError:
            raise ProviderTimeout(
                f"decoding the file came to a halt{so_far}: try again, or convert it", code="decode-timeout"
            ) from None
        except OSError:
            raise await self._process.died(so_far) from None
