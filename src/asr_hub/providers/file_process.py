"""A process that works on other people's files: the hub's end of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable

import msgspec

from asr_hub.errors import HubError, ProviderDied, ProviderTimeout, ProviderUnavailable, UnsupportedAudio
from asr_hub.providers.child import ChildProcess
from asr_hub.providers.worker_messages import HEADER, body_size, frame
from asr_hub.telemetry import logs

PATIENCE_S = 5.0
"""Seconds that a process gets to end by itself."""

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
"""What a file does to a decoder. Other ends are somebody else's doing."""

_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One file is decoded in one thread; each more would be memory for nothing."""

_log = logs.get(__name__)


class FileProcess:
    """`python -m MODULE FD`. It is told and tells messages in frames, as engine processes do."""

    def __init__(self, name: str, module: str) -> None:
        self._module = module
        self._child = ChildProcess(name)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._idling: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """0 before the start."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._reader is not None and not self._reader.at_eof() and self._child.status is None

    async def start(self, first: msgspec.Struct) -> None:
        """Run it, and send its first message. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            await self._child.start(self._module, theirs, _ENVIRONMENT)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        self.send(first)

    def send(self, message: msgspec.Struct) -> None:
        """Raises ProviderUnavailable before the start."""
        if self._writer is None:
            raise ProviderUnavailable("the process for decoding was not started")
        self._writer.write(frame(message))

    async def drain(self) -> None:
        """Wait until it has taken most of what was sent. Raises OSError where it has ended."""
        if self._writer is not None:
            await self._writer.drain()

    async def receive(self) -> bytes:
        """The next message, encoded. Raises OSError where the process speaks no more: ask `died` then."""
        try:
            if self._reader is None:
                raise ConnectionResetError
            return await self._reader.readexactly(body_size(await self._reader.readexactly(HEADER.size)))
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the process has ended") from None

    async def died(self, so_far: str = "") -> HubError:
        """
        What became of a process that speaks no more. Waits for its end.

        UnsupportedAudio (`malformed-audio`), ProviderTimeout (`decode-timeout`) or ProviderDied (`decoder-died`).
        `so_far` says how much of the file is decoded: ` after 3 s of audio`.
        """
        await self._child.end(PATIENCE_S)
        status = self._child.status or 0
        _log.warning("decoding.died", pid=self.pid, how=self._child.epitaph())
        if -status in _CRASHES:
            return UnsupportedAudio(
                f"the decoder crashed{so_far}: the file is damaged, convert it", code="malformed-audio"
            )
        if -status == signal.SIGXCPU:
            return ProviderTimeout("decoding the file takes far too long: convert it", code="decode-timeout")
        return ProviderDied(f"the process that decoded the file ended ({status}): try again", code="decoder-died")

    def rest(self, seconds: float, then: Callable[[], object]) -> None:
        """Nobody needs it now."""
        self._idling = asyncio.get_running_loop().call_later(seconds, then)

    def wake(self) -> None:
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None

    def kill(self) -> None:
        """Whoever waits in `receive` is told so."""
        self._child.kill()

    async def end(self, *, at_once: bool) -> None:
        """End the process and wait for it. One that waits for a file ends by itself. It may be called twice."""
        self.wake()
        if at_once:
            self._child.kill()
        if self._writer is not None:
            self._writer.transport.abort()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        await self._child.end(PATIENCE_S)
