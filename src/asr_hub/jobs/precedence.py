"""Who waits for an answer comes before the work that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Precedence:
    """
    While a client is `answered`, runs take their steps one after the other, each at most `most_s` seconds late.

    A hundred runs have the processor a hundred times as often as one client: without this, each step of a submission
    would stand behind all of theirs.
    """

    def __init__(self, most_s: float = 0.05) -> None:
        self._most_s = most_s
        self._clients = 0
        self._free = asyncio.Event()
        self._free.set()
        self._turn = asyncio.Lock()

    @contextmanager
    def answered(self) -> Iterator[None]:
        """A client waits for what is done in the block."""
        self._clients += 1
        self._free.clear()
        try:
            yield
        finally:
            self._clients -= 1
            if not self._clients:
                self._free.set()

    async def given(self) -> None:
        """Before a step of a run: waits while clients do, as long as that may be."""
        if self._free.is_set():
            return
        async with self._turn:
            # Clients that never stop must not stop the runs.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._most_s):
                    await self._free.wait()
