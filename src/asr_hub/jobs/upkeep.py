"""What goes on beside the jobs: signs of life, adoption, following what other hubs do, and sweeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from asr_hub.errors import HubError
from asr_hub.jobs.adoption import Adoption
from asr_hub.jobs.database import UNAVAILABLE, Database
from asr_hub.jobs.executors import Pulse
from asr_hub.jobs.facts import Telling
from asr_hub.jobs.history import History
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.retention import Sweeper
from asr_hub.jobs.running import Runs
from asr_hub.jobs.tables import Standing
from asr_hub.jobs.workflow import Workflows
from asr_hub.telemetry import logs

FOLLOW_S = 1.0
"""Seconds between two looks at what others did."""

OVERLAP_S = 10.0
"""Seconds of changes that are read again: a transaction is seen some time after its changes were made."""

SWEEP_S = 300.0
ADOPT_ALL_S = 60.0

_log = logs.get("asr_hub.jobs")


class Upkeep:
    """Owns the tasks that keep the jobs going. Nothing of it ends where the database is away for a while."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        telling: Telling,
        runs: Runs,
        pulse: Pulse,
        adoption: Adoption,
        sweeper: Sweeper,
        queue: Workflows,
        *,
        dead_after_s: float,
        history: History,
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._telling = telling
        self._runs = runs
        self._pulse = pulse
        self._adoption = adoption
        self._sweeper = sweeper
        self._queue = queue
        self._dead_after_s = dead_after_s
        self._history = history
        self._now = now
        self._alive: tuple[str, ...] = ()
        self._last_adoption = float("-inf")
        self._in_touch_since: float | None = None
        self._seen: float | None = None
        self._follow_until = float("-inf")
        """By the loop's clock"""
        self._an_end = asyncio.Event()
        self._sweeps: Sequence[Callable[[], Awaitable[object]]] = (
            sweeper.sweep_jobs,
            sweeper.sweep_audio,
            sweeper.sweep_spools,
            self._forget_entries,
        )

    @property
    def alive(self) -> tuple[str, ...]:
        """The hubs that work at jobs, as far as this one knows."""
        return self._alive

    def ended(self) -> None:
        """A job is over: perhaps more is kept now than may be."""
        self._an_end.set()

    async def first_beat(self) -> None:
        """Raises Overloaded."""
        self._alive = await self._database.keep(self._pulse.beat)

    async def last_beat(self) -> None:
        """Say that this hub ends on purpose, if that can be said. Nothing where it gave no sign of life yet."""
        if not self._alive:
            return
        with suppress(HubError):
            await self._database.keep(self._pulse.stop)

    async def sweep(self) -> None:
        """Delete what is kept no longer. What fails keeps nothing else from being done. Raises HubError in the end."""
        failed: HubError | None = None
        for step in self._sweeps:
            try:
                await step()
            except HubError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loops = [
            asyncio.ensure_future(self._every(self._dead_after_s / 3, self._beat)),
            asyncio.ensure_future(self._every(FOLLOW_S, self._follow)),
            asyncio.ensure_future(self._sweep()),
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _every(self, pause_s: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._safely(step)
            await asyncio.sleep(pause_s)

    async def _safely(self, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except HubError as error:
            if error.code == UNAVAILABLE:
                self._in_touch_since = None
                self._last_adoption = float("-inf")
                _log.debug("jobs.upkeep-waits", code=error.code)
            else:
                _log.warning("jobs.upkeep-failed", code=error.code, detail=str(error))
        except Exception as error:  # noqa: BLE001 - one look that fails must not be the last
            _log.exception("jobs.upkeep-failed", error)

    async def _beat(self) -> None:
        now = asyncio.get_running_loop().time()
        before = self._alive
        self._alive = await self._database.keep(self._pulse.beat)
        # After an outage everybody looks dead; those who live have said so by then.
        if self._in_touch_since is None:
            self._in_touch_since = now
        if max(len(before), len(self._alive)) > 1:
            # What one did last before it ended is read after it is gone.
            self._follow_until = now + OVERLAP_S
        if now - self._in_touch_since < self._dead_after_s:
            return
        await self._taken(await self._database.keep(self._adoption.of_dead, self._alive))
        if now - self._last_adoption >= ADOPT_ALL_S or set(before) - set(self._alive):
            self._last_adoption = now
            mine = self._runs.tokens
            await self._taken(await self._database.keep(self._adoption.of_all, self._alive, mine))

    async def _taken(self, standings: Sequence[Standing]) -> None:
        await self._telling.tell_all(standings)
        for one in standings:
            if one.job.state.is_over:
                await self._history.append(one.job, 0)

    async def _follow(self) -> None:
        tokens = self._runs.tokens
        if tokens:
            held = await self._database.keep(self._ledger.held, tokens)
            for id in tokens.keys() - held:
                # Unless it has ended by itself meanwhile, or begun anew.
                if self._runs.tokens.get(id) == tokens[id]:
                    self._runs.stop(id)
        if len(self._alive) > 1 or asyncio.get_running_loop().time() < self._follow_until:
            await self._read_changes()

    async def _read_changes(self) -> None:
        if self._seen is None:
            self._seen = await self._database.keep(self._ledger.time)
        changed = await self._database.keep(self._ledger.changed, self._seen - OVERLAP_S)
        await self._telling.tell_all(changed)
        if changed:
            self._seen = max(self._seen, changed[-1].changed_at)
        known = self._telling.unfinished
        gone = known - await self._database.keep(self._ledger.which, sorted(known))
        for id in gone:
            self._telling.forget(id, self._now())

    async def _sweep(self) -> None:
        await self._sweep_all()
        loop = asyncio.get_running_loop()
        due = loop.time() + SWEEP_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - loop.time())):
                    await self._an_end.wait()
            if loop.time() >= due:
                await self._sweep_all()
                due = loop.time() + SWEEP_S
            else:
                # Many end in a burst: one look is for all of them.
                await asyncio.sleep(FOLLOW_S)
                self._an_end.clear()
                await self._safely(self._sweep_surplus)

    async def _sweep_surplus(self) -> None:
        if await self._sweeper.is_over_full():
            await self._sweeper.sweep_jobs()

    async def _sweep_all(self) -> None:
        for step in self._sweeps:
            await self._safely(step)

    async def _forget_entries(self) -> None:
        while await self._database.call(self._queue.forget_done):
            pass
