"""Over WebSocket, with the `websockets` library."""

from __future__ import annotations

import json
from typing import Any

from tests.peers.base import Message, Peer, Refused
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class WebSocketPeer(Peer):
    protocol = "websocket"
    _socket: ClientConnection | None = None

    async def _open(self, start: Message) -> Message:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key is not None else None
        self._socket = await connect(
            self.serving.stream_url, max_size=None, compression=None, ping_interval=None, additional_headers=headers
        )
        await self._socket.send(json.dumps(start))
        ready: Message = json.loads(await self._socket.recv())
        if ready["type"] == "error":
            await self._socket.wait_closed()
            raise Refused(ready, self._socket.close_code)
        return ready

    _attach = _open

    async def send(self, pcm: bytes) -> None:
        assert self._socket is not None
        await self._socket.send(pcm)

    async def tell(self, type: str, **fields: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps({"type": type, **fields}))

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for text in self._socket:
                self._take(json.loads(text))
        except ConnectionClosed:
            pass

    async def _cut(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()
