"""A port of this machine, and the server of HTTP and WebSocket on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from asr_hub.access.certificate import Pair, on_disk
from asr_hub.errors import ConfigError

RECEIVE_BUFFER = 64 * 1024
"""
Bytes that the kernel takes from a client before the hub reads them: two seconds of audio, so that a client that sends
faster than the engine hears is held back early, and its memory here stays small.
"""


KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""
Seconds of silence, seconds between probes, and probes (tcp(7)): a client whose machine is gone is noticed after two
minutes. Many clients of foreign dialects read nothing while they send, and would not answer a ping of WebSocket.
"""


def bind(host: str, port: int, *, key: str) -> socket.socket:
    """A listening socket. `key` is where the port stands in the configuration. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    # Connections inherit these.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {exc.strerror}; choose another with {key}") from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would end the sockets before the utterances."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that was refused with an HTTP status for one that nobody answered."""
    return "without completing handshake" not in record.getMessage()


def server(app: Any, *, tls: Pair | None, **settings: Any) -> Server:
    """A server that is configured and does not run. `settings` are uvicorn's."""
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    made = Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            # At lower levels uvicorn logs queries, and a token may stand in one.
            log_level="warning",
            access_log=False,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
            **settings,
        )
    )
    if tls is not None:
        with on_disk(tls) as (made.config.ssl_certfile, made.config.ssl_keyfile):
            made.config.load()
    return made


@contextlib.asynccontextmanager
async def answering(made: Server, listener: socket.socket, *, name: str) -> AsyncIterator[None]:
    """The server runs on the socket until the block is left."""
    task = asyncio.create_task(made.serve(sockets=[listener]), name=name)
    try:
        await made.has_started.wait()
        yield
    finally:
        made.should_exit = True
        await task
