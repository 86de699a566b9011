"""
Engines in processes of their own: one zygote with the model, and workers forked from it on demand.

For engines that hold the interpreter's lock while they decode, cannot share a model between threads, or may take
their process with them when they crash. A worker that dies fails its own stream only. A zygote that dies takes its
workers along and is started anew. All of them end when the hub closes the pool, and when the hub itself dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from asr_hub.errors import HubError, ProviderDied, ProviderError, ProviderTimeout, ProviderUnavailable, error_of
from asr_hub.providers.base import Condition
from asr_hub.providers.child import ChildProcess
from asr_hub.providers.supervisor import Supervisor
from asr_hub.providers.worker_messages import (
    HEADER,
    MAX_FRAME,
    Audio,
    Exited,
    Failed,
    Fork,
    Forked,
    FromWorker,
    FromZygote,
    Heard,
    Kill,
    Load,
    Loaded,
    Took,
    body_size,
    frame,
)
from asr_hub.telemetry import logs

WINDOW = 64_000
"""Bytes of audio that may be on the way to a worker: two seconds at 16 kHz."""

PATIENCE_S = 10.0
"""Seconds that a process gets to end by itself."""

_PIECE = 32_000
_PR_SET_CHILD_SUBREAPER = 36

log = logs.get(__name__)
_decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_control_decoder: msgspec.msgpack.Decoder[FromZygote] = msgspec.msgpack.Decoder(FromZygote)
_encoder = msgspec.msgpack.Encoder()


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool is run."""

    max_workers: int
    start_timeout_s: float = 60.0
    """For loading the model, and for waiting while it is loaded again."""
    worker_timeout_s: float = 10.0
    """For one fork."""


class ProcessPool:
    """
    The workers of one engine.

    `start` waits until the model is loaded. `worker` lends a worker and takes it back. `aclose` ends every process and
    waits for it; it may be called twice.
    """

    def __init__(self, name: str, target: str, settings: Mapping[str, Any], pool: PoolSettings) -> None:
        self.version = ""
        """Of the engine. Known after `start`."""
        self._name = name
        self._load = Load(target, dict(settings))
        self._pool = pool
        self._tell: Callable[[Condition], None] = _unheard
        self._zygotes = Supervisor(name, self._new_zygote, patience_s=pool.start_timeout_s, tell=self._told)
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()

    @property
    def pids(self) -> tuple[int, ...]:
        """The zygote's, where it lives, and then its workers'."""
        zygote = self._zygotes.current
        here = (zygote.pid,) if zygote is not None else ()
        return (*here, *(worker.pid for worker in self._workers if worker.is_alive))

    def watch(self, tell: Callable[[Condition], None]) -> None:
        """Tell when the zygote dies, cannot be started anew, and is there again."""
        self._tell = tell

    async def start(self) -> None:
        """Load the model. Raises what kept it from loading: ConfigError, ProviderUnavailable or ProviderTimeout."""
        await self._zygotes.start()

    async def aclose(self) -> None:
        await self._zygotes.aclose()

    @contextlib.asynccontextmanager
    async def worker(self, profile: str = "", *, patient: bool = True) -> AsyncIterator[Worker]:
        """
        Lend a worker that has only ever served `profile`.

        Waits while the model is loaded anew; who is not patient, not for the end of a pause after many deaths. Raises
        ProviderUnavailable where it cannot be. A worker that comes back in the middle of an utterance is ended: what it
        is busy with is of no use to anybody.
        """
        worker = self._idle_worker(profile) or await self._new_worker(profile, patient)
        try:
            yield worker
        finally:
            if worker.is_idle and worker in self._workers:
                self._idle.append(worker)
            else:
                self._retire(worker)

    def _idle_worker(self, profile: str) -> Worker | None:
        for worker in reversed(self._idle):
            if worker.profile == profile:
                self._idle.remove(worker)
                if worker.is_alive:
                    return worker
                self._retire(worker)
                return self._idle_worker(profile)
        return None

    async def _new_worker(self, profile: str, patient: bool) -> Worker:
        zygote = await self._zygotes.living(patient=patient)
        if len(self._workers) >= self._pool.max_workers and self._idle:
            self._retire(self._idle.pop(0))
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                pid = await zygote.fork(theirs, self._pool.worker_timeout_s)
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_FRAME)
        except BaseException:
            # Closing it ends the worker, should there be one.
            ours.close()
            raise
        worker = Worker(self._name, pid, profile, reader, writer)
        self._workers.add(worker)
        return worker

    def _retire(self, worker: Worker) -> None:
        self._workers.discard(worker)
        worker.close()
        if (zygote := self._zygotes.current) is not None:
            zygote.kill(worker.pid)

    async def _new_zygote(self) -> Zygote:
        zygote = Zygote(self._name, self._end_workers)
        try:
            self.version = await zygote.start(self._load, self._pool.start_timeout_s)
        except BaseException:
            await zygote.aclose()
            raise
        return zygote

    def _told(self, condition: Condition) -> None:
        self._tell(condition)

    @contextlib.asynccontextmanager
    async def _end_workers(self) -> AsyncIterator[None]:
        """End every worker; leave when their sockets are closed."""
        workers = tuple(self._workers)
        self._workers.clear()
        self._idle.clear()
        for worker in workers:
            worker.close("its parent process ended")
        yield
        for worker in workers:
            await worker.closed()


class Worker:
    """
    One engine process, and the hub's end of its socket.

    One task sends, one reads. `hear` waits while more than `WINDOW` bytes of audio are on the way.
    """

    def __init__(
        self, name: str, pid: int, profile: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.profile = profile
        self.is_idle = True
        """Not in the middle of an utterance."""
        self._name = name
        self._reader = reader
        self._writer = writer
        self._on_the_way = 0
        self._room = asyncio.Event()
        self._room.set()
        self._failure: HubError | None = None

    @property
    def is_alive(self) -> bool:
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def say(self, message: msgspec.Struct) -> None:
        """Send a message. Raises ProviderError where the process has died."""
        self.is_idle = False
        if self._failure is not None:
            raise self._failure
        try:
            self._writer.write(frame(message))
            await self._writer.drain()
        except OSError as exc:
            raise self._died() from exc

    async def hear(self, pcm: bytes) -> None:
        """Send audio, waiting while the process is behind. Raises what the process failed with."""
        for at in range(0, len(pcm), _PIECE):
            piece = pcm[at : at + _PIECE]
            while self._on_the_way + len(piece) > WINDOW and self._failure is None:
                self._room.clear()
                await self._room.wait()
            await self.say(Audio(piece))
            self._on_the_way += len(piece)

    async def settled(self) -> None:
        """Wait until all audio that was sent has been through the engine. Raises what the process failed with."""
        while self._on_the_way and self._failure is None:
            self._room.clear()
            await self._room.wait()
        if self._failure is not None:
            raise self._failure

    async def heard(self) -> AsyncIterator[Heard]:
        """What the process hears, up to the final. Raises what the process failed with."""
        while True:
            message = await self._next()
            match message:
                case Took(audio):
                    self._on_the_way -= audio
                    self._room.set()
                case Failed(code, text):
                    raise self._fail(error_of(code, f"{self._name}: {text}"))
                case Heard():
                    self.is_idle = message.is_final
                    yield message
                    if message.is_final:
                        return

    def close(self, why: str = "the stream was left") -> None:
        self._fail(ProviderError(f"{self._name}: engine process {self.pid} was ended: {why}"))
        # Not close: what is still to be sent is of no use to anybody.
        self._writer.transport.abort()

    async def closed(self) -> None:
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _next(self) -> FromWorker:
        try:
            size = body_size(await self._reader.readexactly(HEADER.size))
            return _decoder.decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError) as exc:
            raise self._died() from exc
        except (ValueError, msgspec.MsgspecError) as exc:
            raise self._fail(ProviderError(f"{self._name}: engine process {self.pid} sends nonsense: {exc}")) from exc

    def _died(self) -> HubError:
        return self._fail(
            ProviderDied(f"{self._name}: engine process {self.pid} died in the middle of an utterance; say it again")
        )

    def _fail(self, failure: HubError) -> HubError:
        if self._failure is None:
            self._failure = failure
        self._room.set()
        return self._failure


class Zygote:
    """The process that has the model, and the hub's end of its control socket."""

    def __init__(self, name: str, end_workers: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._name = name
        self._end_workers = end_workers
        self._child = ChildProcess(name)
        self._control: socket.socket | None = None
        self._tickets: dict[int, asyncio.Future[Forked]] = {}
        self._next_ticket = 0
        self._forked: set[int] = set()
        """Workers of whose end the process has not told."""
        self._listener: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._listener is not None and not self._listener.done()

    async def start(self, load: Load, timeout_s: float) -> str:
        """Run the process, wait until it has loaded the model, and give the engine's version."""
        _adopt_orphans()
        try:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control.setblocking(False)
            with theirs:
                await self._child.start("asr_hub.providers.zygote", theirs, {})
            self._control.send(_encoder.encode(load))
        except OSError as exc:
            raise ProviderUnavailable(f"{self._name}: its process cannot be started: {exc}") from exc
        try:
            async with asyncio.timeout(timeout_s):
                first = await self._receive()
        except TimeoutError:
            raise ProviderTimeout(f"{self._name}: the model was not loaded within {timeout_s:g} s") from None
        match first:
            case Loaded(version):
                self._listener = asyncio.create_task(self._listen(), name=f"{self._name}: control")
                return version
            case Failed(code, text):
                raise error_of(code, f"{self._name}: {text}")
        await self._child.ended()
        raise ProviderUnavailable(f"{self._name}: the engine process died while it loaded ({self.epitaph()})")

    async def fork(self, sock: socket.socket, timeout_s: float) -> int:
        """Have a worker made that speaks over `sock`, and give its pid. Raises ProviderError."""
        if self._control is None:
            raise ProviderError(f"{self._name}: the engine process has gone")
        self._next_ticket += 1
        ticket = self._next_ticket
        answer = self._tickets[ticket] = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(self._control, [_encoder.encode(Fork(ticket))], [sock.fileno()])
            async with asyncio.timeout(timeout_s):
                forked = await answer
        except TimeoutError:
            raise ProviderTimeout(f"{self._name}: no worker process within {timeout_s:g} s") from None
        except OSError as exc:
            raise ProviderError(f"{self._name}: the engine process has gone: {exc}") from exc
        finally:
            self._tickets.pop(ticket, None)
        if forked.pid is None:
            raise ProviderError(f"{self._name}: {forked.message}")
        return int(forked.pid)

    def kill(self, pid: int) -> None:
        """Have a worker ended. The zygote does it, because only the parent knows that the pid is still that worker."""
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(_encoder.encode(Kill(pid)))

    async def died(self) -> None:
        """Wait until the process has gone or speaks no more."""
        if self._listener is not None:
            await asyncio.wait((self._listener,))

    def epitaph(self) -> str:
        """How the process ended, and its last words."""
        return self._child.epitaph()

    async def bury(self) -> None:
        async with self._end_workers():
            await self.aclose()
        # Also those that the pool has let go of and the zygote did not live to clear away.
        for pid in self._forked:
            await _reap_orphan(pid)

    async def aclose(self) -> None:
        """End the process, which ends its workers, and wait for it."""
        control, self._control = self._control, None
        if control is not None:
            # Shutting down first: a reader in this process may still wait on it.
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
        # One that is still loading listens to nobody.
        await self._child.end(PATIENCE_S)
        if self._listener is not None:
            await self._listener
        if control is not None:
            control.close()

    async def _listen(self) -> None:
        while (message := await self._receive()) is not None:
            self._count(message)
            match message:
                case Forked(ticket) if (answer := self._tickets.get(ticket)) is not None:
                    if not answer.done():
                        answer.set_result(message)
                case Forked(pid=int(pid)):
                    # Nobody waits for it any more.
                    self.kill(pid)
                case Exited(pid, status):
                    log.debug("engine.worker_exited", provider=self._name, pid=pid, status=status)
        for answer in self._tickets.values():
            if not answer.done():
                answer.set_result(Forked(0, None, "the engine process died"))

    def _count(self, message: FromZygote) -> None:
        match message:
            case Forked(pid=int(pid)):
                self._forked.add(pid)
            case Exited(pid):
                self._forked.discard(pid)

    async def _receive(self) -> FromZygote | None:
        control = self._control
        if control is None:
            return None
        try:
            data = await asyncio.get_running_loop().sock_recv(control, MAX_FRAME)
        except OSError:
            return None
        return _control_decoder.decode(data) if data else None


def _unheard(condition: Condition) -> None:
    """Nobody watches."""


def _adopt_orphans() -> None:
    """
    Make this process the parent of workers whose zygote was killed (Linux).

    They die with it, but only a parent can clear a dead process away, and in a container there may be nobody else.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


async def _reap_orphan(pid: int) -> None:
    """Clear away a worker that has become a child of this process; nothing where it has not."""
    if _has_ended(pid):
        return
    loop = asyncio.get_running_loop()
    dead = asyncio.Event()
    fd = os.pidfd_open(pid)
    loop.add_reader(fd, dead.set)
    try:
        await dead.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Clear the process away if it has ended. True also where it is not, or no more, a child of this one."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
