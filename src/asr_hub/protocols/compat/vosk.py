"""vosk-server's WebSocket, on a port of its own: the same at every path."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from asr_hub.protocols.admission import secret_of
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.compat.websocket import chosen, converse
from asr_hub.wire.dialects.vosk import Vosk


def application(compat: Compat, stopping: asyncio.Event) -> Starlette:
    """The port. A key comes as `?token=KEY` or in a header."""

    async def serve(ws: WebSocket) -> None:
        await converse(
            ws,
            compat,
            lambda: Vosk(compat.models.provider, compat.limits),
            protocol="vosk",
            secret=secret_of(ws.headers, ws.query_params),
            stopping=stopping,
            subprotocol=chosen(ws),
        )

    return Starlette(routes=[WebSocketRoute("/{path:path}", serve)])
