"""Which process works on the next file, whatever becomes of the others: none is forgotten, and few are started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError, ProviderDied, ProviderUnavailable
from asr_hub.providers.file_processes import FileProcesses, PoolSettings

pytestmark = pytest.mark.unit

How = Literal["done", "failed", "doubt", "died", "cancelled"]

SETTINGS = PoolSettings(files_each=3, idle_s=600.0, spares=2, starts=2)


async def turns(count: int) -> None:
    """Of the loop: others go on."""
    for _ in range(count):
        await asyncio.sleep(0)


class Process:
    """What a pool sees of a process; that real ones behave so is shown where they work."""

    def __init__(self, all: list[Process], start: Exception | None = None) -> None:
        self.files = 0
        self.is_ready = False
        self.is_alive = False
        self.is_resting = False
        self.has_ended = False
        self.is_starting = False
        self.is_stuck = False
        self.pid = len(all) + 1
        self._error = start
        all.append(self)

    async def start(self) -> None:
        self.is_starting = True
        await turns(3)
        self.is_starting = False
        if self._error is not None:
            raise self._error
        self.is_ready = self.is_alive = True

    def rest(self, seconds: float, then: Callable[[], object]) -> None:
        self.is_resting = True

    def wake(self) -> None:
        self.is_resting = False

    async def work(self, how: How) -> None:
        self.is_ready = False
        self.files += 1
        await turns(8)
        if how == "cancelled":
            self.is_stuck = True
            await asyncio.Event().wait()
        self.is_ready = how in ("done", "failed")
        self.is_alive = how != "died"
        if how != "done":
            raise ProviderDied("as asked")

    async def end(self, *, at_once: bool) -> None:
        self.is_ready = self.is_alive = False
        await asyncio.sleep(0)
        self.has_ended = True


@given(
    st.lists(
        st.sampled_from(["done", "done", "done", "failed", "doubt", "died", "cancelled", "spare", "pause"]), max_size=30
    ),
    st.sets(st.integers(0, 8)),
)
async def test_no_process_is_forgotten(steps: list[Any], unable: set[int]) -> None:
    made: list[Process] = []

    def make() -> Process:
        return Process(made, OSError(11, "no more") if len(made) in unable else None)

    async def use(how: How) -> None:
        async with pool.one() as process:
            assert process.is_ready and process.is_alive and not process.is_resting
            assert process.files < SETTINGS.files_each
            await process.work(how)

    pool = FileProcesses("testing", make, SETTINGS)
    users: list[asyncio.Task[None]] = []
    for step in steps:
        if step == "spare":
            pool.make_ready(4)
        elif step == "pause":
            await turns(5)
        else:
            users.append(asyncio.create_task(use(step)))
        await turns(1)
        assert sum(one.is_starting for one in made) <= SETTINGS.starts
        assert set(pool.pids) >= {one.pid for one in made if one.is_alive}
    await turns(200)
    assert sum(not user.done() for user in users) == sum(one.is_stuck for one in made)
    for user in users:
        user.cancel()
    for result in await asyncio.gather(*users, return_exceptions=True):
        assert result is None or isinstance(result, HubError | asyncio.CancelledError)
    assert sum(one.is_resting for one in made if one.is_alive) <= SETTINGS.spares
    await pool.aclose()
    assert not pool.pids and all_ended(made)
    with pytest.raises(ProviderUnavailable):
        await use("done")


def all_ended(all: list[Process]) -> bool:
    return [one.pid for one in all if not one.has_ended] == []


async def test_a_process_is_used_again_and_replaced_after_some_files() -> None:
    all: list[Process] = []
    pool = FileProcesses("testing", lambda: Process(all), SETTINGS)
    for _ in range(7):
        async with pool.one() as process:
            await process.work("done")
    assert [one.files for one in all] == [3, 3, 1]
    assert [one.has_ended for one in all] == [True, True, False]
    await pool.aclose()


async def test_what_a_file_left_is_swept_before_anybody_goes_on() -> None:
    all: list[Process] = []
    pool = FileProcesses("testing", lambda: Process(all), SETTINGS)
    order: list[str] = []

    async def after() -> None:
        order.append("ended" if all[0].has_ended else "alive")

    with pytest.raises(ProviderDied):
        async with pool.one(after=after) as process:
            await process.work("doubt")
    order.append("on")
    assert order == ["ended", "on"]
    await pool.aclose()
