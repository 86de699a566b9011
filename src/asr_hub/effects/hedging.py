"""Asks a second engine for a final that is late, and takes the answer that comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from asr_hub.effects.hearing import ended
from asr_hub.errors import HubError
from asr_hub.model import ProviderName

T = TypeVar("T")


class Late(NamedTuple):
    """When a final is late, and who is asked then."""

    provider: ProviderName
    after_s: float
    """Seconds after the end of the utterance."""
    is_affordable: Callable[[], bool]
    """Whether one more may be asked for, at that moment."""


async def first_of(
    main: Coroutine[Any, Any, T],
    second: Callable[[], Coroutine[Any, Any, T]],
    *,
    when: asyncio.Event,
    after: float,
    wanted: Callable[[], bool],
) -> T:
    """
    The result of `main`, or of `second` where that comes first; the other is cancelled, and has ended on return.

    `second` is begun `after` seconds after `when` is set, if it is `wanted` then and `main` is not done. Where one
    fails the other is waited for; where both do, the error of `main` is raised.
    """
    running = [asyncio.create_task(main, name="hedged")]
    timer = asyncio.create_task(_later(when, after), name="hedge timer")
    try:
        await asyncio.wait((running[0], timer), return_when=asyncio.FIRST_COMPLETED)
        if not running[0].done() and wanted():
            running.append(asyncio.create_task(second(), name="hedge"))
        return await _winner(running)
    finally:
        tasks = (timer, *running)
        for task in tasks:
            task.cancel()
        await ended(*tasks)


async def _winner(running: list[asyncio.Task[T]]) -> T:
    pending = set(running)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=running.index):
            if not isinstance(task.exception(), HubError):
                return task.result()
    return running[0].result()


async def _later(when: asyncio.Event, seconds: float) -> None:
    await when.wait()
    await asyncio.sleep(seconds)
