"""Over Socket.IO, with python-socketio's own client."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import socketio
from tests.peers.base import Message, Peer, Refused

NAMESPACE = "/v1/stream"


class SocketIoPeer(Peer):
    protocol = "socketio"
    transport = "websocket"
    _client: socketio.AsyncClient | None = None
    _arrived: asyncio.Queue[Message | None]

    async def _open(self, start: Message) -> Message:
        self._arrived = asyncio.Queue()
        client = self._client = socketio.AsyncClient(reconnection=False)
        client.on("message", self._arrived.put_nowait, namespace=NAMESPACE)
        client.on("disconnect", lambda *reason: self._arrived.put_nowait(None), namespace=NAMESPACE)
        await client.connect(
            self.serving.url,
            transports=[self.transport],
            namespaces=[NAMESPACE],
            auth={"token": self.key} if self.key is not None else None,
        )
        await client.emit("message", start, namespace=NAMESPACE)
        first = await self._arrived.get()
        assert first is not None
        if first["type"] == "error":
            raise Refused(first)
        return first

    _attach = _open

    async def send(self, pcm: bytes) -> None:
        assert self._client is not None
        await self._client.emit("audio", pcm, namespace=NAMESPACE)

    async def tell(self, type: str, **fields: Any) -> None:
        assert self._client is not None
        await self._client.emit("message", {"type": type, **fields}, namespace=NAMESPACE)

    async def _read(self) -> None:
        while (message := await self._arrived.get()) is not None:
            self._take(message)

    async def _cut(self) -> None:
        if self._client is None:
            return
        link = self._client.eio.ws
        if link is not None and (there := link.get_extra_info("socket")) is not None:
            # Its socket is closed under it, so that it says no good-bye.
            there.shutdown(socket.SHUT_RDWR)
        else:
            await self._client.eio.disconnect(abort=True)
        await self._client.eio.wait()
        await self._client.shutdown()


class SocketIoPollingPeer(SocketIoPeer):
    transport = "polling"
