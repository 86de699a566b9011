"""
Audio files of clients become samples, in processes of their own that can be killed.

Where a file takes longer, one more process is made ready beside it: the next file shall not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Self

from asr_hub.errors import Overloaded
from asr_hub.hub.decoder import Decoder, DecoderSettings
from asr_hub.hub.decoding_messages import Live, Whole
from asr_hub.providers.file_processes import FileProcesses, PoolSettings


class DecodersSettings(DecoderSettings, frozen=True, kw_only=True):
    """How the processes are run."""

    pool: PoolSettings = PoolSettings(idle_s=600.0)
    at_once: int = 32
    """Files that are decoded at the same time; who comes beyond is told to come back."""
    spare_after_s: float = 1.0
    """Seconds that a file may take before a process is made ready for the next."""


class Decoders:
    """`FilesPort`. A context, which ends all its processes; nothing runs before the first file."""

    def __init__(self, settings: DecodersSettings = DecodersSettings()) -> None:
        self._settings = settings
        self._processes = FileProcesses("decoding", lambda: Decoder(settings), settings.pool)
        self._busy = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that live."""
        return self._processes.pids

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every process and wait for it; a file that is being decoded fails. It may be called twice."""
        await self._processes.aclose()

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
        settings = self._settings
        if self._busy >= settings.at_once:
            raise Overloaded(f"{self._busy} files are being decoded already; try again in a few seconds")
        self._busy += 1
        try:
            async with self._processes.one() as process:
                loop = asyncio.get_running_loop()
                later = loop.call_later(settings.spare_after_s, self._processes.make_ready, settings.at_once)
                try:
                    yield process
                finally:
                    later.cancel()
        finally:
            self._busy -= 1
