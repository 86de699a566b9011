"""
Audio files of clients become samples, in processes of their own that can be killed.

Such a process takes most of a second to start, and then decodes one file after the other. One that nobody needs waits
for the next file, and ends after a while; where a file takes longer, one more is made ready beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Self

from asr_hub.errors import HubError, Overloaded, ProviderUnavailable
from asr_hub.hub.decoder import Decoder, DecoderSettings
from asr_hub.hub.decoding_messages import Live, Whole


class DecodersSettings(DecoderSettings, frozen=True, kw_only=True):
    """How the processes are run. Times are seconds."""

    at_once: int = 32
    """Files that are decoded at the same time; who comes beyond is told to come back."""
    files_each: int = 200
    """After so many a process is replaced."""
    idle_s: float = 600.0
    """Without a file, after which a process ends."""
    spares: int = 2
    """Processes that wait for a file, at most."""
    starts: int = 2
    """Processes that are started at the same time; who comes meanwhile waits for one that is free or may be started."""
    spare_after_s: float = 1.0
    """So long a file may take before a process is made ready for the next."""


class Decoders:
    """`FilesPort`. A context, which ends all its processes; nothing runs before the first file."""

    def __init__(self, settings: DecodersSettings = DecodersSettings()) -> None:
        self._settings = settings
        self._idle: list[Decoder] = []
        self._all: set[Decoder] = set()
        self._busy = 0
        self._starting = 0
        self._waiting = 0
        self._news = asyncio.Event()
        """Set, and replaced, when whoever waits for a process should look again."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Processes that end, or are made ready."""
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
        """End every process and wait for it; a file that is being decoded fails. It may be called twice."""
        self._is_closed = True
        self._look_again()
        for one in tuple(self._all):
            self._end(one, at_once=True)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def decoded(self, path: Path) -> AsyncGenerator[bytes, None]:
        """
        As `FilesPort.decoded`.

        Raises also NotFound, ProviderTimeout (`decode-timeout`), and ProviderUnavailable after the end. Where the file
        is cut off, UnsupportedAudio (`truncated-audio`) comes after all samples that are there.
        """
        async with self._process() as process, contextlib.aclosing(process.decode(Whole(str(path)))) as samples:
            async for pcm in samples:
                yield pcm

    async def decoded_live(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """As `decoded`, of a file that is still coming in; one that breaks off is none that is cut off."""
        async with self._process() as process, contextlib.aclosing(process.decode(Live(), pieces)) as samples:
            async for pcm in samples:
                yield pcm

    @contextlib.asynccontextmanager
    async def _process(self) -> AsyncIterator[Decoder]:
        """A process for one file."""
        if self._busy >= self._settings.at_once:
            raise Overloaded(f"{self._busy} files are being decoded already; try again in a few seconds")
        self._busy += 1
        try:
            process = await self._take()
            later = asyncio.get_running_loop().call_later(self._settings.spare_after_s, self._make_ready)
            try:
                yield process
            finally:
                later.cancel()
                if not self._keep(process):
                    # Shielded: who is cancelled once more must not leave it half ended.
                    await asyncio.shield(self._end(process, at_once=True))
        finally:
            self._busy -= 1

    async def _take(self) -> Decoder:
        while not self._is_closed:
            while self._idle:
                process = self._idle.pop()
                process.wake()
                if process.is_alive:
                    return process
                self._end(process, at_once=True)
            if self._starting < self._settings.starts:
                return await self._started()
            self._waiting += 1
            try:
                await self._news.wait()
            finally:
                self._waiting -= 1
        raise _stopping()

    async def _started(self) -> Decoder:
        process = Decoder(self._settings)
        self._all.add(process)
        self._starting += 1
        try:
            await process.start()
        except BaseException as exc:
            await asyncio.shield(self._end(process, at_once=True))
            if isinstance(exc, OSError):
                raise Overloaded(f"no process for decoding can be started: {exc.strerror}") from exc
            raise
        finally:
            self._starting -= 1
            self._look_again()
        if self._is_closed:
            await asyncio.shield(self._end(process, at_once=True))
            raise _stopping()
        return process

    def _keep(self, process: Decoder) -> bool:
        """Have it wait for the next file, where it can and is wanted."""
        settings = self._settings
        is_good = process.is_ready and process.is_alive and process.files < settings.files_each
        if not is_good or self._is_closed or len(self._idle) >= settings.spares + self._waiting:
            return False
        process.rest(settings.idle_s, lambda: self._end(process))
        self._idle.append(process)
        self._look_again()
        return True

    def _look_again(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _make_ready(self) -> None:
        """The next file shall not wait for a process."""
        is_ready = bool(self._idle or self._starting)
        if self._is_closed or is_ready or len(self._all) >= self._settings.at_once:
            return

        async def make() -> None:
            with contextlib.suppress(HubError):
                process = await self._started()
                if not self._keep(process):
                    self._end(process)

        self._own(asyncio.create_task(make(), name="a spare decoding process"))

    def _end(self, process: Decoder, *, at_once: bool = False) -> asyncio.Task[None]:
        if process in self._idle:
            self._idle.remove(process)

        async def end() -> None:
            await process.end(at_once=at_once)
            self._all.discard(process)

        return self._own(asyncio.create_task(end(), name=f"end of decoding process {process.pid}"))

    def _own(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _stopping() -> ProviderUnavailable:
    return ProviderUnavailable("the hub is stopping: try again")
