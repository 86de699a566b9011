"""The TypeScript client, built once, and a network that breaks when it is told to."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.node import packages

SDK = Path(__file__).parents[3] / "sdk" / "typescript"


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The folder of the client, with its packages installed and `dist/` built. Skips where there is no Node.js."""
    folder = packages(SDK)
    subprocess.run([folder / "node_modules" / ".bin" / "tsc"], cwd=folder, check=True)
    return folder


class Line(NamedTuple):
    """A stretch of network between a client and a port here."""

    port: int
    cut: Callable[[], None]
    """Drop every connection without a word."""
    cuts: list[int]
    """At how many bytes from clients, in all, connections were cut."""


@asynccontextmanager
async def line(port: int, *, cut_at: tuple[int, ...] = (), then: int | None = None) -> AsyncIterator[Line]:
    """
    Passes bytes on to `port`, and cuts every connection whenever clients have sent so many bytes in all.

    After a cut it leads to the port `then`, if there is one.
    """
    plan, cuts, sent = list(cut_at), list[int](), 0
    open_: set[asyncio.StreamWriter] = set()

    def cut() -> None:
        for writer in open_:
            writer.transport.abort()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        nonlocal sent
        while data := await reader.read(4096):
            if is_up:
                sent += len(data)
                if plan and sent >= plan[0]:
                    cuts.append(plan.pop(0))
                    cut()
                    return
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = then if then is not None and cuts else port
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        pair = {writer, far_writer}
        open_.update(pair)
        try:
            await asyncio.gather(
                pump(reader, far_writer, is_up=True), pump(far_reader, writer, is_up=False), return_exceptions=True
            )
        finally:
            open_.difference_update(pair)
            for one in pair:
                one.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Line(server.sockets[0].getsockname()[1], cut, cuts)
    finally:
        server.close()
        cut()
        await server.wait_closed()
