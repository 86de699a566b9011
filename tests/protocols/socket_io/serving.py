"""Socket.IO on a free port of 127.0.0.1, in front of a hub in memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import socketio
import uvicorn

from asr_hub.access.door import OpenDoor
from asr_hub.protocols.port import DoorPort, HubPort
from asr_hub.protocols.socket_io.mount import SocketIo, SocketIoSettings
from asr_hub.wire.conversation import Limits

NATIVE = "/v1/stream"


async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
    """The rest of the application."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Server:
    def __init__(self, mount: SocketIo, port: int) -> None:
        self.mount = mount
        self.url = f"http://127.0.0.1:{port}"
        self.port = port


@contextlib.asynccontextmanager
async def serve(
    hub: HubPort,
    *,
    door: DoorPort | None = None,
    limits: Limits | None = None,
    settings: SocketIoSettings | None = None,
) -> AsyncIterator[Server]:
    mount = SocketIo(hub, door or OpenDoor(), elsewhere, limits=limits, settings=settings)
    config = uvicorn.Config(
        mount,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        ws_ping_interval=None,
        ws_max_size=mount.max_request_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
    )
    config.load()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            async with mount.running():
                yield Server(mount, listener.getsockname()[1])
        finally:
            for one in server.servers:
                one.close()
            for connection in list(server.server_state.connections):
                one_of_ours: Any = connection
                one_of_ours.transport.abort()
            while server.server_state.connections or server.server_state.tasks:
                for task in server.server_state.tasks:
                    task.cancel()
                await asyncio.sleep(0)


class Client:
    """python-socketio's client in one namespace; every event that came is kept in its order."""

    def __init__(self, url: str, namespace: str = "/", *, transport: str = "websocket") -> None:
        self.url = url
        self.namespace = namespace
        self.transport = transport
        self.events: list[tuple[str, Any]] = []
        self.is_gone = False
        self._changed = asyncio.Event()
        self._ws: Any = None
        self.io = socketio.AsyncClient(reconnection=False, request_timeout=60)
        self._request = self.io.eio._send_request
        self.io.eio._send_request = self._answered
        self.io.on("*", self._take, namespace=namespace)
        self.io.on("connect_error", lambda data: self._take("connect_error", data), namespace=namespace)
        self.io.on("disconnect", self._over, namespace=namespace)

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.io.shutdown()
        await self.io.eio.wait()
        # The library leaves open what its server has closed.
        if self._ws is not None:
            await self._ws.close()
        if (http := self.io.eio.http) is not None:
            await http.close()

    async def connect(self, **options: Any) -> None:
        await self.io.connect(
            self.url, transports=[self.transport], namespaces=[self.namespace], wait_timeout=30, **options
        )
        self._ws = self.io.eio.ws

    async def emit(self, event: str, *args: Any) -> None:
        await self.io.emit(event, args if args else None, namespace=self.namespace)

    async def call(self, event: str, *args: Any) -> Any:
        """Emit and wait for the acknowledgement."""
        return await self.io.call(event, args if args else None, namespace=self.namespace, timeout=60)

    async def wait_for(self, event: str, *, count: int = 1, seconds: float = 60) -> Any:
        """The payload of the `count`-th event of this name, now or later."""
        async with asyncio.timeout(seconds):
            while True:
                if len(found := self.of(event)) >= count:
                    return found[count - 1]
                assert not self.is_gone, f"the hub hung up; {self.events}"
                self._changed.clear()
                await self._changed.wait()

    async def message(self, type: str, *, count: int = 1, seconds: float = 60) -> Any:
        """The `count`-th native message of this type."""
        async with asyncio.timeout(seconds):
            while True:
                if len(found := [m for m in self.of("message") if m["type"] == type]) >= count:
                    return found[count - 1]
                assert not self.is_gone, f"the hub hung up; {self.events}"
                self._changed.clear()
                await self._changed.wait()

    async def gone(self, seconds: float = 60) -> None:
        """Wait until the hub has disconnected this client."""
        async with asyncio.timeout(seconds):
            while not self.is_gone:
                self._changed.clear()
                await self._changed.wait()

    def of(self, event: str) -> list[Any]:
        return [payload for name, payload in self.events if name == event]

    async def _answered(self, *args: Any, **options: Any) -> Any:
        """One request of a client that polls, with its answer read: the library leaves it and its connection open."""
        response = await self._request(*args, **options)
        if response is not None and not isinstance(response, str):
            await response.read()
        return response

    def _take(self, event: str, payload: Any = None) -> None:
        self.events.append((event, payload))
        self._changed.set()

    def _over(self, *reason: str) -> None:
        self.is_gone = True
        self._changed.set()
