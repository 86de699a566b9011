"""Threads that wait for the disk, so that nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

from asr_hub.errors import Overloaded

T = TypeVar("T")


class DiskThreads:
    """
    Call what waits for the disk, in the order in which it is brought, until `close`.

    A disk may never answer. The threads of asyncio's own pool would then keep the process from ending, and everybody
    else from calling anything; these do not.
    """

    def __init__(self, most: int = 1) -> None:
        """`most`: of them. They begin when they are needed."""
        self._most = most
        self._count = 0
        self._is_closed = False
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def call(self, work: Callable[[], T]) -> T:
        """Waits until it is done. Returns what it returns, and raises what it raises; Overloaded after `close`."""
        if self._is_closed:
            raise Overloaded("the hub is shutting down; connect to another or try again later", code="draining")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def call() -> None:
            if done.cancelled():
                return
            settle: Callable[[], None]
            try:
                found = work()
                settle = lambda: done.set_result(found)  # noqa: E731
            except Exception as exc:  # noqa: BLE001 - an edge: it is raised where it is waited for
                error = exc
                settle = lambda: done.set_exception(error)  # noqa: E731
            # Who waited may have gone, and its loop as well.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: None if done.done() else settle())

        if self._count < self._most:
            self._count += 1
            threading.Thread(target=self._run, name="recordings", daemon=True).start()
        self._calls.put(call)
        return await done

    def close(self) -> None:
        """End them behind what they were given. Waits for nothing."""
        self._is_closed = True
        for _ in range(self._count):
            self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
