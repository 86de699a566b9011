"""
Processes that work on other people's files: which of them waits for the next file, and how the others end.

Such a process takes most of a second to start, and then works on one file after the other. It is replaced after some
of them, and whenever a file leaves it in doubt; one that nobody needs for a while ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from asr_hub.errors import HubError, Overloaded, ProviderUnavailable


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the processes are run."""

    files_each: int = 200
    """After so many a process is replaced."""
    idle_s: float = 60.0
    """Seconds without a file after which a process ends."""
    spares: int = 2
    """Processes that wait for a file, at most."""
    starts: int = 2
    """Processes that are started at the same time; who comes meanwhile waits for one that is free or may be started."""


class Worker(Protocol):
    """The hub's end of a process that works on one file at a time."""

    files: int
    """That it was given."""
    is_ready: bool
    """It waits for a file."""

    @property
    def pid(self) -> int: ...
    @property
    def is_alive(self) -> bool: ...
    async def start(self) -> None:
        """Raises OSError and HubErrors."""

    def rest(self, seconds: float, then: Callable[[], object], /) -> None:
        """Have something done after a while, unless it is woken."""

    def wake(self) -> None: ...
    async def end(self, *, at_once: bool) -> None:
        """End the process and wait for it. One that waits for a file ends by itself."""


W = TypeVar("W", bound=Worker)


class FileProcesses(Generic[W]):
    """The processes of one kind. Nothing runs before the first file."""

    def __init__(self, name: str, make: Callable[[], W], settings: PoolSettings) -> None:
        """`name` says what they do: `decoding`."""
        self._name = name
        self._make = make
        self._settings = settings
        self._idle: list[W] = []
        self._all: set[W] = set()
        self._starting = 0
        self._waiting = 0
        self._news = asyncio.Event()
        """Set, and replaced, when whoever waits for a process should look again."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Processes that end, or are made ready."""
        self._is_closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that live."""
        return tuple(one.pid for one in self._all)

    async def aclose(self) -> None:
        """End every process and wait for it; a file that is being worked on fails. It may be called twice."""
        self._is_closed = True
        self._look_again()
        for one in tuple(self._all):
            self._end(one, at_once=True)
        while self._tasks:
            await asyncio.wait(self._tasks)

    @contextlib.asynccontextmanager
    async def one(self, *, after: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[W]:
        """
        A process for one file. Waits until one is free or may be started.

        Where the file leaves the process in doubt, the process is ended and `after` called before this returns, or
        soon after where it is cancelled. Raises Overloaded where no process can be started, ProviderUnavailable after
        the end, and what `start` raises.
        """
        process = await self._take()
        try:
            yield process
        finally:
            if not self._keep(process):
                # Shielded: who is cancelled once more must not leave it half ended.
                await asyncio.shield(self._end(process, at_once=not process.is_ready, after=after))

    def make_ready(self, most: int) -> None:
        """The next file shall not wait for a process, unless there are `most` already."""
        if self._is_closed or self._idle or self._starting or len(self._all) >= most:
            return

        async def make() -> None:
            with contextlib.suppress(HubError):
                process = await self._started()
                if not self._keep(process):
                    self._end(process)

        self._own(asyncio.create_task(make(), name=f"a spare {self._name} process"))

    async def _take(self) -> W:
        while not self._is_closed:
            while self._idle:
                process = self._idle.pop()
                process.wake()
                if process.is_alive:
                    return process
                self._end(process, at_once=True)
            if self._starting < self._settings.starts:
                return await self._started()
            self._waiting += 1
            try:
                await self._news.wait()
            finally:
                self._waiting -= 1
        raise _stopping()

    async def _started(self) -> W:
        process = self._make()
        self._all.add(process)
        self._starting += 1
        try:
            await process.start()
        except BaseException as exc:
            await asyncio.shield(self._end(process, at_once=True))
            if isinstance(exc, OSError):
                raise Overloaded(f"no process for {self._name} can be started: {exc.strerror}") from exc
            raise
        finally:
            self._starting -= 1
            self._look_again()
        if self._is_closed:
            await asyncio.shield(self._end(process, at_once=True))
            raise _stopping()
        return process

    def _keep(self, process: W) -> bool:
        """Have it wait for the next file, where it can and is wanted."""
        settings = self._settings
        is_good = process.is_ready and process.is_alive and process.files < settings.files_each
        if not is_good or self._is_closed or len(self._idle) >= settings.spares + self._waiting:
            return False
        process.rest(settings.idle_s, lambda: self._end(process))
        self._idle.append(process)
        self._look_again()
        return True

    def _look_again(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _end(
        self, process: W, *, at_once: bool = False, after: Callable[[], Awaitable[None]] | None = None
    ) -> asyncio.Task[None]:
        if process in self._idle:
            self._idle.remove(process)

        async def end() -> None:
            await process.end(at_once=at_once)
            self._all.discard(process)
            if after is not None:
                await after()

        return self._own(asyncio.create_task(end(), name=f"end of {self._name} process {process.pid}"))

    def _own(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _stopping() -> ProviderUnavailable:
    return ProviderUnavailable("the hub is stopping: try again")
