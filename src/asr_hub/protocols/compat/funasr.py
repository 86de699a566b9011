"""FunASR's runtime WebSocket, on a port of its own: the same at every path."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from asr_hub.protocols.admission import secret_of
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.compat.websocket import chosen, converse
from asr_hub.wire.dialects.funasr import FunAsr
from asr_hub.wire.dialects.growing import Policy

SUBPROTOCOL = "binary"
"""What clients in Python offer; those in browsers offer none."""


def application(compat: Compat, stopping: asyncio.Event, *, policy: Policy) -> Starlette:
    """The port. A key comes as `?token=KEY` or in a header. `policy` is for the mode `online`."""

    async def serve(ws: WebSocket) -> None:
        await converse(
            ws,
            compat,
            lambda: FunAsr(compat.models.provider, policy=policy, limits=compat.limits),
            protocol="funasr",
            secret=secret_of(ws.headers, ws.query_params),
            stopping=stopping,
            subprotocol=chosen(ws, SUBPROTOCOL),
        )

    return Starlette(routes=[WebSocketRoute("/{path:path}", serve)])
