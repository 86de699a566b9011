"""Wakes one waiting coroutine."""

from __future__ import annotations

import asyncio


class Bell:
    """
    An `asyncio.Event` for one waiter, on the loop it was made on.

    An Event asks for the running loop at every wait, which is a system call on CPython 3.11; a hub waits ten times a
    second for each of a thousand utterances.
    """

    __slots__ = ("_is_rung", "_loop", "_waiter")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._is_rung = False

    def ring(self) -> None:
        """Wake the waiter, or let the next one pass at once."""
        self._is_rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for the bell, unless it was rung since the last wait."""
        if not self._is_rung:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._is_rung = False
