"""Server-Sent Events to one reader, as a response that can be cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

BEAT = b":\n"
"""A comment. Without a blank line, which some clients take for the end of an empty event."""


class EventResponse(EventSourceResponse):
    """Without the library's heartbeat and its look twice a second whether uvicorn stops: `is_cut` ends it at once."""

    def __init__(
        self,
        events: AsyncIterator[bytes],
        *,
        is_cut: asyncio.Event,
        on_end: Callable[[], None],
        send_timeout: float | None = None,
    ) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache"}, ping=0, send_timeout=send_timeout)
        self._is_cut = is_cut
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()

    async def _listen_for_exit_signal_with_grace(self) -> None:
        await self._is_cut.wait()


# The library logs every chunk at DEBUG: what was said would stand in the log of whoever turns that on.
logging.getLogger("sse_starlette").setLevel(logging.WARNING)
