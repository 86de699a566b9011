"""A real uvicorn server on a free port of 127.0.0.1, with the hub's lane in it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from asr_hub.protocols.port import HubPort
from asr_hub.protocols.websocket import LaneSettings, websocket_lane
from asr_hub.wire.conversation import Limits


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The application behind the lane: answers every WebSocket message with the path it came to."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{scope['path']} {message.get('text')}"})


class Server:
    def __init__(self, uvicorn_server: uvicorn.Server, port: int) -> None:
        self.uvicorn = uvicorn_server
        self.port = port

    def connect(self, path: str = "/v1/stream", **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}{path}", **options)

    async def stop(self) -> None:
        await self.uvicorn.shutdown()


@asynccontextmanager
async def serve(
    hub: HubPort, *, limits: Limits | None = None, settings: LaneSettings | None = None, http: Any = "httptools"
) -> AsyncIterator[Server]:
    config = uvicorn.Config(
        echo,
        ws=websocket_lane(hub, limits=limits, settings=settings),
        http=http,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    config.load()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        running = Server(server, listener.getsockname()[1])
        try:
            yield running
        finally:
            # Leave by the shortest way: what the server does when it is told to stop has tests of its own.
            for one in server.servers:
                one.close()
            for connection in list(server.server_state.connections):
                one_of_ours: Any = connection
                (one_of_ours._transport if hasattr(connection, "_transport") else one_of_ours.transport).abort()
            while server.server_state.connections:  # noqa: ASYNC110  uvicorn has a set and no event
                await asyncio.sleep(0)


async def say(client: ClientConnection, type: str, **fields: Any) -> None:
    await client.send(json.dumps({"type": type, **fields}))


async def hear(client: ClientConnection, *types: str) -> list[dict[str, Any]]:
    """The next messages, which must be of these types."""
    got = [json.loads(await client.recv()) for _ in types]
    assert [message["type"] for message in got] == list(types), got
    return got


async def start(client: ClientConnection, **fields: Any) -> dict[str, Any]:
    await say(client, "start", **fields)
    return (await hear(client, "ready"))[0]
