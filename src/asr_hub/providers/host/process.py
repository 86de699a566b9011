"""The hub's end of the process that hosts an engine."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from asr_hub.errors import HubError, ProviderDied, ProviderError, ProviderTimeout, ProviderUnavailable, error_of
from asr_hub.providers.child import ChildProcess
from asr_hub.providers.host.messages import (
    Drop,
    EngineLoaded,
    FromHost,
    LoadEngine,
    Noted,
    Open,
    Ping,
    StreamFailed,
    StreamHeard,
    StreamTook,
)
from asr_hub.providers.worker_messages import HEADER, MAX_FRAME, Begin, Failed, Heard, body_size, frame

PATIENCE_S = 5.0
"""Seconds that the process gets to end by itself; then it is killed."""

_decoder: msgspec.msgpack.Decoder[FromHost] = msgspec.msgpack.Decoder(FromHost)


class Listener(Protocol):
    """One stream, as its messages see it. Nothing here waits or raises."""

    def took(self, size: int) -> None: ...

    def heard(self, heard: Heard) -> None: ...

    def failed(self, failure: HubError) -> None: ...


class HostProcess:
    """
    A started engine process and the streams it serves.

    `say` waits while the process does not read; whoever uses a stream bounds what is on its way to it.
    """

    def __init__(self, name: str, note: Callable[[Noted], None], *, hang_s: float) -> None:
        self._name = name
        self._note = note
        self._hang_s = hang_s
        self._asked_at: float | None = None
        """When the process was asked whether it is there, and has not answered."""
        self._watch: asyncio.TimerHandle | None = None
        self._child = ChildProcess(name)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listeners: dict[int, Listener] = {}
        self._numbers = itertools.count(1)
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        reading, writer = self._reading, self._writer
        return reading is not None and not reading.done() and writer is not None and not writer.is_closing()

    async def start(self, load: LoadEngine, environment: Mapping[str, str], timeout_s: float) -> EngineLoaded:
        """
        Run the process and wait until its engine is loaded.

        Raises what kept it from loading, or ProviderTimeout after `timeout_s`; `bury` it then all the same.
        """
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                self._reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_FRAME)
                await self._child.start("asr_hub.providers.host.main", theirs, environment)
        except OSError as exc:
            raise ProviderUnavailable(f"{self._name}: its process cannot be started: {exc}") from exc
        with contextlib.suppress(ProviderError):
            # Where it has gone already, its end is told below.
            await self.say(load)
        try:
            async with asyncio.timeout(timeout_s):
                first = await self._next()
        except TimeoutError:
            raise ProviderTimeout(
                f"{self._name}: the model was not loaded within {timeout_s:g} s; raise `start_timeout_s`"
            ) from None
        match first:
            case EngineLoaded():
                self._reading = asyncio.create_task(self._read(), name=f"{self._name}: engine process")
                self._look_at_it()
                return first
            case Failed(code, message):
                raise error_of(code, f"{self._name}: {message}")
        await self._child.ended()
        raise ProviderUnavailable(f"{self._name}: the engine process died while it loaded ({self.epitaph()})")

    async def open(self, begin: Begin, listener: Listener) -> int:
        """Begin an utterance; its number in this process."""
        number = next(self._numbers)
        self._listeners[number] = listener
        try:
            await self.say(Open(number, begin))
        except BaseException:
            self.forget(number)
            self.mention(Drop(number))
            raise
        return number

    async def say(self, message: msgspec.Struct) -> None:
        """Raises ProviderError where the process has gone."""
        if self._writer is None or (self._reading is not None and self._reading.done()):
            raise self._gone()
        try:
            self._writer.write(frame(message))
            await self._writer.drain()
        except OSError as exc:
            raise self._gone() from exc

    def mention(self, message: msgspec.Struct) -> None:
        """Say something small without waiting; nothing where the process has gone."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frame(message))

    def forget(self, number: int) -> None:
        """Nobody listens to this stream any more."""
        self._listeners.pop(number, None)

    def epitaph(self) -> str:
        """How the process ended, and its last words."""
        return self._child.epitaph()

    async def died(self) -> None:
        """Wait until the process has gone or speaks no more."""
        if self._reading is not None:
            await asyncio.wait((self._reading,))

    async def bury(self) -> None:
        """End the process, fail its streams, and wait for it."""
        if self._watch is not None:
            self._watch.cancel()
        if self._writer is not None:
            self._writer.transport.abort()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        self._fail_all(self._gone())
        await self._child.end(PATIENCE_S)
        if self._writer is not None:
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def _look_at_it(self) -> None:
        """
        Kill a process that has not said for `hang_s` that it is there: a deadlock, or a device that is stuck.

        Its supervisor makes another one, and what it was hearing is heard there.
        """
        loop = asyncio.get_running_loop()
        if self._asked_at is None:
            self._asked_at = loop.time()
            self.mention(Ping())
        elif loop.time() - self._asked_at > self._hang_s:
            self._note(Noted("hung", f"the engine said nothing for {self._hang_s:g} s; its process is started anew"))
            self._child.kill()
            return
        self._watch = loop.call_later(self._hang_s / 4, self._look_at_it)

    async def _read(self) -> None:
        while (message := await self._next()) is not None:
            self._asked_at = None
            match message:
                case StreamHeard(stream, heard) if stream in self._listeners:
                    self._listeners[stream].heard(heard)
                case StreamTook(stream, audio) if stream in self._listeners:
                    self._listeners[stream].took(audio)
                case StreamFailed(stream, code, text) if stream in self._listeners:
                    self._listeners[stream].failed(error_of(code, f"{self._name}: {text}"))
                case Noted():
                    self._note(message)
        self._fail_all(self._gone())

    async def _next(self) -> FromHost | None:
        """Nothing where the process has gone, or says what cannot be read."""
        if self._reader is None:
            return None
        try:
            size = body_size(await self._reader.readexactly(HEADER.size))
            return _decoder.decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None
        except (ValueError, msgspec.MsgspecError) as exc:
            self._note(Noted("nonsense", f"the engine process says what cannot be read: {exc}"))
            return None

    def _fail_all(self, failure: HubError) -> None:
        listeners = tuple(self._listeners.values())
        self._listeners.clear()
        for listener in listeners:
            listener.failed(failure)

    def _gone(self) -> HubError:
        return ProviderDied(f"{self._name}: the engine process died in the middle of an utterance; say it again")
