"""Keeps one engine process alive: starts it, buries it, starts it anew with growing pauses, lets it go when idle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from asr_hub.errors import HubError, ProviderUnavailable
from asr_hub.providers.base import Condition, State

LONGEST_PAUSE_S = 30.0
SETTLED_S = 30.0
"""A process that lived for so long was not broken from the start: the next one is started at once."""


class Supervised(Protocol):
    """A started process."""

    @property
    def is_alive(self) -> bool:
        """As far as is known here, now."""
        ...

    async def died(self) -> None:
        """Wait until it has gone or speaks no more."""
        ...

    async def bury(self) -> None:
        """End what is left of it, and wait for it. Called once."""
        ...

    def epitaph(self) -> str:
        """How it ended, once it is buried."""
        ...


T = TypeVar("T", bound=Supervised)


class Supervisor(Generic[T]):
    """
    One process at a time, made by `make`.

    `start` raises what kept the first one from starting. `living` waits for one that lives, up to `patience_s`. `rest`
    ends the process until the next `living`. `aclose` ends everything; it may be called twice. `tell` hears of every
    change; it must not raise.
    """

    def __init__(
        self, name: str, make: Callable[[], Awaitable[T]], *, patience_s: float, tell: Callable[[Condition], None]
    ) -> None:
        self._name = name
        self._make = make
        self._patience_s = patience_s
        self._tell = tell
        self._current: T | None = None
        self._why_down: HubError = ProviderUnavailable(f"{name}: not started")
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._resting = asyncio.Event()
        self._moved = asyncio.Event()
        """Set when the process came, went or could not be made, and then replaced by a new one."""
        self._is_pausing = False
        """It died again and again: the next one is not made at once."""
        self._is_failing = False
        """The last try to make one failed: nobody waits for the next."""

    @property
    def current(self) -> T | None:
        """The process that lives, if one does."""
        return self._current

    async def start(self) -> None:
        if self._task is not None:
            return
        first = await self._make()
        self._wanted.set()
        self._task = asyncio.create_task(self._run(first), name=f"{self._name}: supervisor")
        while self._current is None:
            await self._moved.wait()

    async def aclose(self) -> None:
        self._why_down = ProviderUnavailable(f"{self._name}: closed")
        task, self._task = self._task, None
        self._move()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def rest(self) -> None:
        """End the process; the next `living` makes another."""
        if self._task is not None and self._current is not None:
            self._withdraw()
            self._wanted.clear()
            self._resting.set()

    async def living(self, *, patient: bool = True) -> T:
        """
        Raises ProviderUnavailable, or what keeps the process from starting.

        Who is not patient waits for one that is being made, and not for the end of a pause after many deaths.
        """
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while self._task is not None and not self._is_failing and (patient or not self._is_pausing):
                    if self._current is not None and self._current.is_alive:
                        return self._current
                    self._withdraw()
                    await self._moved.wait()
        raise self._why_down

    def _withdraw(self) -> None:
        """Give the current one to nobody any more."""
        self._current = None

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _run(self, process: T) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            born = loop.time()
            if not await self._live(process):
                failures = 0
                self._why_down = ProviderUnavailable(f"{self._name}: its model is being loaded again; try again")
                self._tell(Condition(State.UNLOADED, message="nobody needed it for a while"))
                await self._wanted.wait()
                self._tell(Condition(State.STARTING))
            else:
                failures = 0 if loop.time() - born > SETTLED_S else failures + 1
                self._why_down = ProviderUnavailable(
                    f"{self._name}: the engine process died ({process.epitaph()}); it is being started again"
                )
                self._tell(_failed(self._why_down, _pause(failures)))
            process = await self._revive(failures)
            self._tell(Condition(State.READY))

    async def _live(self, process: T) -> bool:
        """Have it be the current one for as long as it lives; whether it died, or was sent to rest."""
        self._current = process
        self._resting.clear()
        self._move()
        dying = asyncio.create_task(process.died(), name=f"{self._name}: death watch")
        resting = asyncio.create_task(self._resting.wait(), name=f"{self._name}: rest")
        try:
            await asyncio.wait((dying, resting), return_when=asyncio.FIRST_COMPLETED)
            return dying.done()
        finally:
            self._withdraw()
            for task in (dying, resting):
                task.cancel()
            await asyncio.wait((dying, resting))
            await process.bury()

    async def _revive(self, failures: int) -> T:
        while True:
            if pause := _pause(failures):
                self._is_pausing = True
                self._move()
                await asyncio.sleep(pause)
            self._is_pausing = False
            try:
                made = await self._make()
            except Exception as exc:  # noqa: BLE001 - the edge of an engine: whatever keeps it down, it is tried again
                failures += 1
                self._why_down = _named(self._name, exc)
                self._is_failing = True
                self._move()
                self._tell(_failed(self._why_down, _pause(failures)))
            else:
                self._is_failing = False
                return made


def _pause(failures: int) -> float:
    """Seconds before the next try: none after the first failure."""
    return min(0.25 * 2**failures, LONGEST_PAUSE_S) if failures > 1 else 0.0


def _named(name: str, exc: Exception) -> HubError:
    return exc if isinstance(exc, HubError) else ProviderUnavailable(f"{name}: its process cannot be started: {exc}")


def _failed(why: HubError, retry_in: float) -> Condition:
    return Condition(State.FAILED, code=why.code, message=str(why), retry_in=retry_in)
