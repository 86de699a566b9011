"""
Audio files of clients become samples, in processes of their own that can be killed.

Such a process takes most of a second to start, and then decodes one file after the other. One that nobody needs waits
for the next file, and ends after a while; where a file takes longer, one more is made ready beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Self

import msgspec

from asr_hub.audio.files import Limits
from asr_hub.errors import (
    HubError,
    NotFound,
    Overloaded,
    ProviderDied,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    TooLarge,
    UnsupportedAudio,
)
from asr_hub.hub.decoding_messages import (
    Begin,
    Done,
    End,
    Failed,
    FromDecoding,
    Live,
    Piece,
    Samples,
    ToDecoding,
    Took,
    Whole,
)
from asr_hub.providers.child import ChildProcess
from asr_hub.providers.worker_messages import HEADER, body_size, frame
from asr_hub.telemetry import logs

PATIENCE_S = 5.0
"""Seconds that a process gets to end by itself."""

PIECE_BYTES = 1 << 16
"""Of a file that is coming in, in one message at most."""

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
"""What a file does to a decoder. Other ends are somebody else's doing."""

_KINDS: dict[str, type[HubError]] = {
    kind.code: kind for kind in (UnsupportedAudio, TooLarge, NotFound, Overloaded, ProviderError)
}
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One file is decoded in one thread; each more would be memory for nothing."""

_log = logs.get(__name__)
_decoder: msgspec.msgpack.Decoder[FromDecoding] = msgspec.msgpack.Decoder(FromDecoding)


class DecodersSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the processes are run. Times are seconds."""

    limits: Limits = Limits()
    """Of one file."""
    at_once: int = 32
    """Files that are decoded at the same time; who comes beyond is told to come back."""
    stall_s: float = 60.0
    """Without an answer of a process that has something to do, after which its file is given up."""
    cpu_s: float = 900.0
    """Of a processor, for one file."""
    memory_bytes: int = 512 * 2**20
    """What a process may take beyond what it begins with."""
    files_each: int = 200
    """After so many a process is replaced."""
    idle_s: float = 600.0
    """Without a file, after which a process ends."""
    spares: int = 2
    """Processes that wait for a file, at most."""
    spare_after_s: float = 1.0
    """So long a file may take before a process is made ready for the next."""


class Decoders:
    """`FilesPort`. A context, which ends all its processes; nothing runs before the first file."""

    def __init__(self, settings: DecodersSettings = DecodersSettings()) -> None:
        self._settings = settings
        self._idle: list[_Decoding] = []
        self._all: set[_Decoding] = set()
        self._busy = 0
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
    async def _process(self) -> AsyncIterator[_Decoding]:
        """A process for one file."""
        if self._busy >= self._settings.at_once:
            raise Overloaded(f"{self._busy} files are being decoded already; try again in a few seconds")
        self._busy += 1
        later = asyncio.get_running_loop().call_later(self._settings.spare_after_s, self._make_ready)
        try:
            process = await self._take()
            try:
                yield process
            finally:
                if not self._keep(process):
                    # Shielded: who is cancelled once more must not leave it half ended.
                    await asyncio.shield(self._end(process, at_once=True))
        finally:
            later.cancel()
            self._busy -= 1

    async def _take(self) -> _Decoding:
        if self._is_closed:
            raise ProviderUnavailable("the hub is stopping: try again")
        while self._idle:
            process = self._idle.pop()
            process.wake()
            if process.is_alive:
                return process
            self._end(process, at_once=True)
        return await self._started()

    async def _started(self) -> _Decoding:
        process = _Decoding(self._settings)
        self._all.add(process)
        try:
            await process.start()
        except BaseException as exc:
            await asyncio.shield(self._end(process, at_once=True))
            if isinstance(exc, OSError):
                raise Overloaded(f"no process for decoding can be started: {exc.strerror}") from exc
            raise
        if self._is_closed:
            await asyncio.shield(self._end(process, at_once=True))
            raise ProviderUnavailable("the hub is stopping: try again")
        return process

    def _keep(self, process: _Decoding) -> bool:
        """Have it wait for the next file, where it can and is wanted."""
        settings = self._settings
        is_good = process.is_ready and process.is_alive and process.files < settings.files_each
        if not is_good or self._is_closed or len(self._idle) >= settings.spares:
            return False
        process.rest(settings.idle_s, lambda: self._end(process))
        self._idle.append(process)
        return True

    def _make_ready(self) -> None:
        """The next file shall not wait for a process."""
        if self._is_closed or self._idle or len(self._all) >= self._settings.at_once:
            return

        async def make() -> None:
            with contextlib.suppress(HubError):
                process = await self._started()
                if not self._keep(process):
                    self._end(process)

        self._own(asyncio.create_task(make(), name="a spare decoding process"))

    def _end(self, process: _Decoding, *, at_once: bool = False) -> asyncio.Task[None]:
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


class _Decoding:
    """The hub's end of one process."""

    def __init__(self, settings: DecodersSettings) -> None:
        self.files = 0
        """That it was given."""
        self.is_ready = False
        """It waits for a file."""
        self._settings = settings
        self._child = ChildProcess("decoding")
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._idling: asyncio.TimerHandle | None = None
        self._owed = 0
        """What it was sent and has not read yet: it has something to do."""
        self._patience: asyncio.Timeout | None = None
        """Of whoever waits for it."""

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._reader is not None and not self._reader.at_eof() and self._child.status is None

    async def start(self) -> None:
        """Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            await self._child.start("asr_hub.hub.decoding_process", theirs, _ENVIRONMENT)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        it = self._settings
        self._send(Begin(limits=it.limits, memory_bytes=it.memory_bytes, cpu_s=it.cpu_s))
        self.is_ready = True

    async def decode(
        self, work: Whole | Live, pieces: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Have a file decoded. Raises as `Decoders.decoded` does, and what `pieces` raises."""
        self.is_ready = False
        self.files += 1
        self._owed = 0 if pieces is not None else 1
        self._send(work)
        feeding = None if pieces is None else asyncio.create_task(self._feed(pieces), name="decoding: pieces")
        try:
            while True:
                try:
                    message = await self._next()
                except HubError:
                    # Where the pieces ended with an error, it is that one.
                    if feeding is not None and feeding.done():
                        feeding.result()
                    raise
                match message:
                    case Samples(pcm):
                        yield pcm
                    case Took(size):
                        self._owed -= size
                    case Done(peak):
                        _log.debug("decoding.done", pid=self.pid, peak_bytes=peak)
                        self.is_ready = True
                        return
                    case Failed() as failed:
                        self.is_ready = not failed.is_last
                        raise _KINDS.get(failed.kind, ProviderError)(failed.message, code=failed.code)
        finally:
            if feeding is not None:
                feeding.cancel()
                await asyncio.wait((feeding,))
                if not feeding.cancelled():
                    feeding.exception()

    def rest(self, seconds: float, then: Callable[[], object]) -> None:
        """Nobody needs it now."""
        self._idling = asyncio.get_running_loop().call_later(seconds, then)

    def wake(self) -> None:
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None

    async def end(self, *, at_once: bool) -> None:
        """End the process and wait for it. One that waits for a file ends by itself."""
        self.wake()
        self.is_ready = False
        if at_once:
            self._child.kill()
        if self._writer is not None:
            self._writer.transport.abort()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        await self._child.end(PATIENCE_S)

    async def _feed(self, pieces: AsyncIterator[bytes]) -> None:
        """Send what comes, as fast as it is read."""
        try:
            async for data in pieces:
                for at in range(0, len(data), PIECE_BYTES):
                    piece = data[at : at + PIECE_BYTES]
                    self._owe(len(piece))
                    self._send(Piece(piece))
                    await self._drain()
                    # Pieces that are all there would have the loop to themselves.
                    await asyncio.sleep(0)
            # Until it has told everything.
            self._owe(1)
            self._send(End())
            await self._drain()
        except OSError:
            # It has ended, and whoever reads from it is told so.
            return
        except BaseException:
            # Whoever reads from it is woken.
            self._child.kill()
            raise

    def _owe(self, size: int) -> None:
        if not self._owed and self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._deadline())
        self._owed += size

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.stall_s

    def _send(self, message: ToDecoding) -> None:
        if self._writer is None:
            raise ProviderUnavailable("the process for decoding was not started")
        self._writer.write(frame(message))

    async def _drain(self) -> None:
        if self._writer is not None:
            await self._writer.drain()

    async def _next(self) -> FromDecoding:
        reader = self._reader
        if reader is None:
            raise await self._died()
        try:
            async with asyncio.timeout_at(self._deadline() if self._owed else None) as self._patience:
                return _decoder.decode(await reader.readexactly(body_size(await reader.readexactly(HEADER.size))))
        except TimeoutError:
            raise ProviderTimeout(
                "decoding the file came to a halt: try again, or convert it", code="decode-timeout"
            ) from None
        except (asyncio.IncompleteReadError, OSError):
            raise await self._died() from None
        finally:
            self._patience = None

    async def _died(self) -> HubError:
        """What became of a process that speaks no more."""
        await self._child.end(PATIENCE_S)
        status = self._child.status or 0
        _log.warning("decoding.died", pid=self.pid, how=self._child.epitaph())
        if -status in _CRASHES:
            return UnsupportedAudio("the decoder crashed: the file is damaged, convert it", code="malformed-audio")
        if -status == signal.SIGXCPU:
            return ProviderTimeout("decoding the file takes far too long: convert it", code="decode-timeout")
        return ProviderDied(f"the process that decoded the file ended ({status}): try again", code="decoder-died")
