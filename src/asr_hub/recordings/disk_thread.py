"""The thread that waits for the disk, so that nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue


class DiskThread:
    """
    Calls one thing after the other, until `close`.

    A disk may never answer. The threads of asyncio's own pool would then keep the process from ending; this one does
    not.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="recordings", daemon=True).start()

    async def call(self, work: Callable[[], None]) -> None:
        """Waits until it is done. Raises what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def call() -> None:
            error: Exception | None = None
            try:
                work()
            except Exception as exc:  # noqa: BLE001 - an edge: it is raised where it is waited for
                error = exc
            # Who waited may have gone, and its loop as well.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, done, error)

        self._calls.put(call)
        await done

    def close(self) -> None:
        """End the thread behind what it was given. Waits for nothing."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
