"""Files are decoded and cut in processes of their own, which hold nothing of the hub and can be killed at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from asr_hub.errors import ProviderError, ProviderTimeout
from asr_hub.jobs.cutting_messages import Begin, CutSettings, Decoded, FromCutting, Work
from asr_hub.jobs.job import Channels
from asr_hub.jobs.ports import Cut
from asr_hub.jobs.spooling import cut_of, sweep, whole
from asr_hub.providers.file_messages import Done, Failed
from asr_hub.providers.file_process import FileProcess
from asr_hub.providers.file_processes import FileProcesses, PoolSettings
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
        self._turns = asyncio.Semaphore(run.processes)
        self._processes = FileProcesses(
            "cutting",
            lambda: _Cutting(settings, run),
            PoolSettings(files_each=run.files_each, idle_s=run.idle_s, spares=run.processes, starts=run.processes),
        )

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that live."""
        return self._processes.pids

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every process and wait for it; a file that is being cut fails. It may be called twice."""
        await self._processes.aclose()

    async def cut(
        self, source: Path, folder: Path, channels: Channels, *, on_progress: Callable[[float], None] = lambda _: None
    ) -> Cut:
        """
        As `Cutter.cut`. Waits for a process that is free.

        Raises also ProviderDied (`decoder-died`) where the process was killed, Overloaded (`disk-full`) where the
        spool has no room, and ProviderUnavailable after the end.
        """
        work = Work(source=str(source), folder=str(folder), channels=channels)

        async def after() -> None:
            """What a process left unfinished."""
            await asyncio.to_thread(sweep, folder)

        async with self._turns, self._processes.one(after=after) as process:
            peak = await process.cut(work, on_progress)
            log.debug("cutting.done", pid=process.pid, peak_bytes=peak)
        plan = await asyncio.to_thread(whole, folder)
        if plan is None:
            raise ProviderError("the decoded audio has gone from the disk: try again", code="unreadable-audio")
        return cut_of(folder, plan)


class _Cutting:
    """The hub's end of one process."""

    def __init__(self, settings: CutSettings, run: CutterSettings) -> None:
        self.files = 0
        """That it was given."""
        self.is_ready = False
        """It waits for a file."""
        self._settings = settings
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

    async def start(self) -> None:
        """Raises OSError."""
        cpu_s = self._run.stall_s + self._run.timeout_rtf * self._settings.limits.seconds
        await self._process.start(Begin(settings=self._settings, memory_bytes=self._run.memory_bytes, cpu_s=cpu_s))
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
