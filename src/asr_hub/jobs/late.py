"""Jobs whose database is opened when they are first asked for, and again when that did not work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from asr_hub.errors import HubError, Overloaded
from asr_hub.jobs.job import Handling, Job, JobId, Result, Wish
from asr_hub.jobs.ports import JobStore, Page, Place, Query, QueueState
from asr_hub.telemetry import logs

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0

PATIENCE_S = 20.0
"""Seconds that a call waits for the opening."""

_log = logs.get(__name__)


class LateJobs:
    """
    A `JobStore` around another. `run` owns that one, in a task of its own; `begin` and every call open it.

    Where it cannot be opened, calls raise Overloaded (`jobs-unavailable`) with the reason, and it is tried again.
    """

    def __init__(self, open: Callable[[], AbstractAsyncContextManager[JobStore]]) -> None:
        self._open = open
        self._wanted = asyncio.Event()
        self._over = asyncio.Event()
        self._tried = asyncio.Event()
        self._store: JobStore | None = None
        self._why = "their database is being opened"

    def begin(self) -> None:
        """Open it soon, though nobody asks yet."""
        self._wanted.set()

    def end(self) -> None:
        """Let `run` close it and return."""
        self._over.set()
        self._wanted.set()

    async def run(self) -> None:
        """Open it when it is wanted, and keep it open until the end."""
        await self._wanted.wait()
        pause = FIRST_PAUSE_S
        while not self._over.is_set():
            try:
                async with self._open() as self._store:
                    pause = FIRST_PAUSE_S
                    self._tried.set()
                    await self._over.wait()
            except HubError as exc:
                # What stands in the error is for who runs the hub: folders, hosts, names.
                self._why = "their database cannot be opened; the log of the hub says why"
                _log.warning("jobs.unavailable", code=exc.code, detail=str(exc), retry_in=pause)
            except Exception as exc:  # noqa: BLE001 - the edge of a database: the sessions of the hub go on without it
                self._why = "their database cannot be opened; the log of the hub says why"
                _log.exception("jobs.broke", exc, retry_in=pause)
            finally:
                self._store = None
                self._tried.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def submit(
        self, audio: Path, *, sha256: str, size: int, name: str, principal: str, wish: Wish, handling: Handling
    ) -> tuple[Job, bool]:
        store = await self._opened()
        return await store.submit(
            audio, sha256=sha256, size=size, name=name, principal=principal, wish=wish, handling=handling
        )

    async def job(self, id: JobId) -> Job:
        return await (await self._opened()).job(id)

    async def place(self, job: Job) -> Place:
        return await (await self._opened()).place(job)

    async def result(self, id: JobId) -> Result:
        return await (await self._opened()).result(id)

    async def cancel(self, id: JobId) -> Job:
        return await (await self._opened()).cancel(id)

    async def retry(self, id: JobId) -> Job:
        return await (await self._opened()).retry(id)

    async def delete(self, id: JobId) -> None:
        await (await self._opened()).delete(id)

    async def history(self, query: Query) -> Page:
        return await (await self._opened()).history(query)

    async def queue(self) -> QueueState:
        return await (await self._opened()).queue()

    async def _opened(self) -> JobStore:
        self._wanted.set()
        if not self._tried.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), PATIENCE_S)
        if self._store is None:
            raise Overloaded(f"the jobs cannot be reached: {self._why}; try again later", code="jobs-unavailable")
        return self._store
