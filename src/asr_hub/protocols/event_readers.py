"""Readers of Server-Sent Events that have no queue: each is sent what there is to read when it can take it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from asr_hub.bell import Bell
from asr_hub.errors import HubError, Overloaded
from asr_hub.protocols.event_response import BEAT, EventResponse
from asr_hub.protocols.sse import EventSettings
from asr_hub.telemetry import logs

_log = logs.get(__name__)


class EventReader:
    """One reader. `events` is what it is sent; what that is, says who is derived from it."""

    def __init__(self, bell: Bell, settings: EventSettings, *, line: str) -> None:
        """`bell` is rung for what is new. `line` is what the log calls it."""
        self.settings = settings
        self.line = line
        self.is_ending = False
        """Nothing more is read."""
        self.is_cut = asyncio.Event()
        """The response is to end, whatever it waits for."""
        self._bell = bell
        self._is_sending = False

    def greeting(self) -> bytes:
        """What it is sent first."""
        raise NotImplementedError

    def look(self) -> bytes:
        """The next events; empty where there are none now. Sets `is_ending` with the last. Raises HubError."""
        raise NotImplementedError

    def leave(self) -> None:
        """Let go of what is read."""
        raise NotImplementedError

    async def events(self) -> AsyncIterator[bytes]:
        """Encoded events. Waits for them; ends after the last, and when the hub stops."""
        chunk: bytes | None = self.greeting()
        while chunk is not None:
            self._is_sending = True
            yield chunk
            self._is_sending = False
            chunk = await self._next()

    def end(self) -> None:
        """End the stream: at once where the reader does not take what it is sent."""
        self.is_ending = True
        self._bell.ring()
        if self._is_sending:
            self.is_cut.set()

    async def _next(self) -> bytes | None:
        """The next events, or a comment where none came for long; nothing at the end."""
        try:
            async with asyncio.timeout(self.settings.heartbeat):
                while not self.is_ending:
                    if chunk := self.look():
                        return chunk
                    if not self.is_ending:
                        await self._bell.wait()
        except TimeoutError:
            return BEAT
        except HubError as error:
            # The head of the answer is out: who comes back is told why.
            _log.info(self.line, code=error.code)
        return None


class EventReaders:
    """All readers of one route, until `close`."""

    def __init__(self) -> None:
        self._all: set[EventReader] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._all)

    def check_open(self) -> None:
        """Raises Overloaded (`draining`)."""
        if self._is_closed:
            raise Overloaded("the hub is shutting down; connect to another or try again later", code="draining")

    def answer(self, reader: EventReader) -> EventResponse:
        """The stream of one more reader."""
        self._all.add(reader)
        return _Events(reader, on_end=partial(self._left, reader))

    def close(self) -> None:
        """End every stream; EventSource comes back to whoever serves then."""
        self._is_closed = True
        for reader in tuple(self._all):
            reader.end()

    def _left(self, reader: EventReader) -> None:
        self._all.discard(reader)
        reader.leave()


class _Events(EventResponse):
    """A reader that takes nothing for long is let go."""

    def __init__(self, reader: EventReader, *, on_end: partial[None]) -> None:
        super().__init__(
            reader.events(), is_cut=reader.is_cut, on_end=on_end, send_timeout=reader.settings.stall_timeout
        )
        self._line = reader.line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _log.info(self._line, code="slow-client")
