"""A TCP proxy on loopback that cuts its connections when told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Passes bytes both ways. `cut` resets every connection; `limit` cuts a connection after so many bytes upwards."""

    def __init__(self, port: int) -> None:
        self.targets = [port]
        """The port that each of the next connections goes to; the last one is that of all that follow."""
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0
        self.is_refusing = False
        self.has_refused = asyncio.Event()
        self.limits: list[int] = []
        """Bytes upwards after which the next connections are cut, one each."""

    def cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            self.has_refused.set()
            return
        self.connections += 1
        limit = self.limits.pop(0) if self.limits else None
        try:
            port = self.targets.pop(0) if len(self.targets) > 1 else self.targets[0]
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, up_writer}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, up_writer, limit))
                group.create_task(self._pass(up_reader, writer, None))
        except* (OSError, EOFError):
            pass
        finally:
            self._writers -= pair
            for it in pair:
                it.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        passed = 0
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
            passed += len(data)
            if limit is not None and passed >= limit:
                break
        raise EOFError


@contextlib.asynccontextmanager
async def proxy(port: int) -> AsyncIterator[Proxy]:
    running = Proxy(port)
    tasks: set[asyncio.Task[None]] = set()

    writers: set[asyncio.StreamWriter] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task that is cancelled before its first step closes nothing, so the connection is known before.
        writers.add(writer)
        task = asyncio.create_task(running.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: writers.discard(writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        running.cut()
        for writer in tuple(writers):
            writer.transport.abort()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
