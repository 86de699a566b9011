"""A WebSocket of a foreign dialect: let in, refused with a real HTTP status, and served by its codec."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from asr_hub.errors import HubError
from asr_hub.model import SessionId
from asr_hub.protocols.compat.conversing import Conversing, ConversingSettings
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.http import answer
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Binary, Codec, Text

Headers = Sequence[tuple[bytes, bytes]]
"""Names, in lower case, and values."""


class WebSocketLink:
    """`Link` over an accepted WebSocket of ASGI."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws

    async def receive(self) -> str | bytes | None:
        message = await self._ws.receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, reply: Text | Binary) -> None:
        try:
            if isinstance(reply, Text):
                await self._ws.send_text(reply.data)
            else:
                await self._ws.send_bytes(reply.data)
        except (WebSocketDisconnect, RuntimeError) as exc:
            raise ConnectionResetError("the client is gone") from exc

    async def hang_up(self, code: int, reason: str) -> None:
        if self._ws.application_state is WebSocketState.DISCONNECTED:
            return
        try:
            # RFC 6455, 5.5: a control frame has at most 125 bytes, two of which are the code.
            await self._ws.close(code, reason.encode()[:123].decode(errors="ignore"))
        except (WebSocketDisconnect, RuntimeError) as exc:
            raise ConnectionResetError("the client is gone") from exc


async def converse(
    ws: WebSocket,
    compat: Compat,
    make: Callable[[], Codec],
    *,
    protocol: str,
    secret: str | None,
    stopping: asyncio.Event | None = None,
    subprotocol: str | None = None,
    named: Callable[[SessionId], Headers] | None = None,
    refused: Callable[[HubError], Response] = answer,
    settings: ConversingSettings = ConversingSettings(),
    limits: Limits | None = None,
) -> None:
    """
    Serve one WebSocket, from its handshake to its end.

    `make` raises HubError for a request that cannot be served, such as one with an unknown parameter. That and a wrong
    key are told with `refused`, before the handshake: clients see a real status.

    With `named` the session begins before the handshake as well, so that this tells whatever is in its way, and gives
    the headers that the client is let in with. The codec then greets with a `Start` alone.
    """
    headers: Headers = ()
    try:
        grant = compat.door.admit(secret)
        conversing = Conversing(
            make(),
            WebSocketLink(ws),
            compat,
            protocol=protocol,
            grant=grant,
            admit=lambda: compat.door.admit(secret),
            settings=settings,
            limits=limits,
        )
        if named is not None and (session := await conversing.begin()) is not None:
            headers = named(session)
    except HubError as error:
        await ws.send_denial_response(refused(error))
        return
    try:
        await ws.accept(subprotocol=subprotocol, headers=headers)
    except BaseException:
        await conversing.leave()
        raise
    await conversing.run(stopping)


def chosen(ws: WebSocket, *known: str) -> str | None:
    """The first subprotocol that is offered and known; else the first that is offered; None where none is."""
    offered: list[str] = ws.scope.get("subprotocols") or []
    return next((one for one in offered if one in known), offered[0] if offered else None)
