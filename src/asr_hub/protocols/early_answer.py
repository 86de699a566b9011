"""An answer to a request whose body is still coming."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from fastapi import Response
from starlette.types import Receive, Scope, Send


class EarlyAnswer(Response):
    """JSON that goes out at once; the connection ends with the body of the request, or soon."""

    media_type = "application/json"

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str], *, linger: float) -> None:
        """`linger`: seconds that the body is read on, and dropped."""
        super().__init__(body, status, headers)
        self._linger = linger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers["Connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                # Closing a socket with bytes left to read resets the connection, and that overtakes the answer.
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
