"""Waiting for the first of several things, and for a state to be as wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from asr_hub_client.errors import LinkBroken


async def first_of(*work: Coroutine[Any, Any, object]) -> None:
    """
    Run these at the same time until one ends; the others are cancelled.

    Raises what it raised. Of several at once an error that says more than that the connection broke comes first.
    """
    tasks = [asyncio.ensure_future(it) for it in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
    if errors:
        raise min(errors, key=lambda error: isinstance(error, LinkBroken))


class Bell:
    """Wakes all who wait for something to change."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._rung.clear()
            await self._rung.wait()
