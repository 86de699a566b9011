"""A port for clients of Wyoming, Home Assistant among them: events over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import msgspec

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import HubError, Overloaded
from asr_hub.model import SessionId
from asr_hub.protocols.compat.conversing import Conversing, ConversingSettings
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.port import AttachmentPort, HubPort
from asr_hub.wire.dialects.codec import Binary, HangUp, Reply, Step, Text
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.wyoming import Wyoming
from asr_hub.wire.dialects.wyoming_events import Frames
from asr_hub.wire.dialects.wyoming_info import Offer
from asr_hub.wire.messages import AnyServerMessage, Attach, Reset, Start

CHUNK = 64 * 1024
"""Bytes that are read at once."""


class WakingHub(HubPort, Protocol):
    """A hub that lets a session listen at once, though the others wait for a wake word."""

    def open(
        self,
        start: Start,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
        is_awake: bool = False,
    ) -> AttachmentPort:
        """Raises what that of HubPort raises."""
        ...


class WyomingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one port. Times are in seconds."""

    max_connections: int = 1024
    """One more is told so and closed."""
    talk: ConversingSettings = ConversingSettings(silence=600.0)
    linger: float = 1.0
    """How long a client may take to hang up after it was told why."""
    stop: float = 2.0
    """How long connections may take to end once they were told that the hub stops."""


@contextlib.asynccontextmanager
async def wyoming_port(
    listener: socket.socket,
    hub: WakingHub,
    compat: Compat,
    offer: Callable[[], Offer],
    *,
    policy: Policy,
    stopping: asyncio.Event,
    tls: ssl.SSLContext | None = None,
    settings: WyomingSettings = WyomingSettings(),
) -> AsyncIterator[None]:
    """Serves what connects to the socket, until the block is left. `offer` says what there is, at each connection."""
    port = _Port(hub, compat, offer, policy, stopping, settings)
    server = await asyncio.start_server(port.take, sock=listener, ssl=tls, limit=CHUNK)
    try:
        yield
    finally:
        server.close()
        await port.end()


class _Port:
    """The connections."""

    def __init__(
        self,
        hub: WakingHub,
        compat: Compat,
        offer: Callable[[], Offer],
        policy: Policy,
        stopping: asyncio.Event,
        settings: WyomingSettings,
    ) -> None:
        self._hub = hub
        self._compat = compat
        self._offer = offer
        self._policy: Policy = policy
        self._stopping = stopping
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has connected."""
        task = asyncio.create_task(self._serve(reader, writer), name="wyoming connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait for those that were told, and end the others."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.stop)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        codec = _Turns(
            self._offer(),
            provider=self._compat.models.provider,
            clock=time.monotonic,
            policy=self._policy,
            limits=self._compat.limits,
        )
        link = _Link(reader, writer, codec, linger=self._settings.linger)
        try:
            grant = self._admit()
        except HubError as error:
            await link.say((*codec.refuse(error), HangUp()))
        else:
            await Conversing(
                codec,
                link,
                msgspec.structs.replace(self._compat, hub=_Ears(self._hub, codec)),
                protocol="wyoming",
                grant=grant,
                admit=lambda: self._compat.door.admit(None),
                settings=self._settings.talk,
            ).run(self._stopping)
        finally:
            await link.close()

    def _admit(self) -> Grant:
        """Raises Overloaded, Unauthorized, RateLimited."""
        if len(self._tasks) > self._settings.max_connections:
            raise Overloaded(f"all {self._settings.max_connections} connections are taken; try again later")
        return self._compat.door.admit(None)


class _Turns(Wyoming):
    """A codec that says when it takes events: while a session ends, the next one must wait."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_free = asyncio.Event()
        self.is_free.set()

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        steps = super().receive_binary(data)
        self._turn()
        return steps

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        replies = super().tell(message)
        self._turn()
        return replies

    def _turn(self) -> None:
        if self.is_closing:
            self.is_free.clear()
        else:
            self.is_free.set()


class _Ears:
    """The hub, whose sessions listen at once unless the client asked for a wake word."""

    def __init__(self, hub: WakingHub, codec: Wyoming) -> None:
        self._hub = hub
        self._codec = codec

    def open(
        self,
        start: Start,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> AttachmentPort:
        return self._hub.open(
            start,
            protocol=protocol,
            on_messages=on_messages,
            on_room=on_room,
            grant=grant,
            is_awake=not self._codec.waits_for_wake_word,
        )

    def attach(
        self,
        attach: Attach,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> AttachmentPort:
        return self._hub.attach(attach, protocol=protocol, on_messages=on_messages, on_room=on_room, grant=grant)

    def snapshot(self, session: SessionId) -> Reset:
        return self._hub.snapshot(session)


class _Link:
    """`Link` over a TCP connection: its frames are events."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, codec: _Turns, *, linger: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self._linger = linger
        self._frames = Frames()
        self._turn = asyncio.Lock()
        """Of whoever reads."""
        self._is_over = False
        """What comes is dropped."""

    async def receive(self) -> str | bytes | None:
        await self._codec.is_free.wait()
        while (frame := self._frames.next()) is None:
            if self._frames.is_broken:
                await self.hang_up(1002, "not an event")
                return None
            try:
                data = await self._read()
            except OSError:
                return None
            if not data:
                return None
            if not self._is_over:
                self._frames.feed(data)
        return frame

    async def send(self, reply: Text | Binary) -> None:
        if isinstance(reply, Binary):
            self._writer.write(reply.data)
            await self._writer.drain()

    async def say(self, replies: Sequence[Reply]) -> None:
        """To a client that is not served."""
        with contextlib.suppress(OSError):
            for reply in replies:
                if isinstance(reply, HangUp):
                    await self.hang_up(reply.code, reply.reason)
                else:
                    await self.send(reply)

    async def hang_up(self, code: int, reason: str) -> None:
        """
        Wait a moment for the client to close.

        A socket that is closed with bytes nobody has read takes back what was said last (RFC 1122, 4.2.2.13).
        """
        self._is_over = True
        if self._writer.is_closing() or not self._writer.can_write_eof():
            # TLS tells the client when it is closed.
            return
        self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                while await self._read():
                    pass

    async def _read(self) -> bytes:
        async with self._turn:
            return await self._reader.read(CHUNK)

    async def close(self) -> None:
        """May be called twice."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._linger):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:
            _log.debug("wyoming.gone")


_log = logging.getLogger(__name__)
