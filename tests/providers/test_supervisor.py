"""One process at a time, whatever becomes of it: with a process that is only a flag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from asr_hub.errors import ProviderUnavailable
from asr_hub.providers.base import Condition, State
from asr_hub.providers.supervisor import Supervisor

pytestmark = pytest.mark.unit


class Flag:
    def __init__(self) -> None:
        self.is_alive = True
        self.is_buried = False
        self._end = asyncio.Event()

    def die(self) -> None:
        self.is_alive = False
        self._end.set()

    async def died(self) -> None:
        await self._end.wait()

    async def bury(self) -> None:
        assert not self.is_buried
        self.is_alive = False
        self.is_buried = True

    def epitaph(self) -> str:
        return "signal 9"


class Maker:
    def __init__(self) -> None:
        self.made: list[Flag] = []
        self.told: list[Condition] = []
        self.fails = False
        self.is_ready = asyncio.Event()
        self.supervisor = Supervisor("flag", self.make, patience_s=5.0, tell=self._tell)

    def _tell(self, condition: Condition) -> None:
        self.told.append(condition)
        if condition.state is State.READY:
            self.is_ready.set()

    async def make(self) -> Flag:
        if self.fails:
            raise ProviderUnavailable("the disk is gone")
        self.made.append(Flag())
        return self.made[-1]


@pytest.fixture
async def maker() -> AsyncIterator[Maker]:
    made = Maker()
    yield made
    await made.supervisor.aclose()
    assert all(flag.is_buried for flag in made.made)


async def test_one_that_dies_is_buried_and_followed_by_another(maker: Maker) -> None:
    await maker.supervisor.start()
    first = await maker.supervisor.living()
    first.die()
    second = await maker.supervisor.living()
    assert second is not first and first.is_buried
    assert [condition.state for condition in maker.told] == [State.FAILED, State.READY]


async def test_nobody_waits_while_it_cannot_be_made(maker: Maker) -> None:
    await maker.supervisor.start()
    maker.fails = True
    maker.made[0].die()
    for _ in range(2):
        with pytest.raises(ProviderUnavailable, match="the disk is gone"):
            await maker.supervisor.living()
    assert maker.told[-1].state is State.FAILED and maker.told[-1].retry_in is not None


async def test_it_comes_back_when_it_can_be_made_again(maker: Maker) -> None:
    await maker.supervisor.start()
    maker.fails = True
    maker.made[0].die()
    with pytest.raises(ProviderUnavailable):
        await maker.supervisor.living()
    maker.fails = False
    await maker.is_ready.wait()
    assert (await maker.supervisor.living()).is_alive


async def test_one_at_rest_is_made_again_only_when_it_is_wanted(maker: Maker) -> None:
    await maker.supervisor.start()
    maker.supervisor.rest()
    for _ in range(10):
        await asyncio.sleep(0)
    assert maker.supervisor.current is None and len(maker.made) == 1 and maker.made[0].is_buried
    assert (await maker.supervisor.living()) is maker.made[1]
    assert [condition.state for condition in maker.told] == [State.UNLOADED, State.STARTING, State.READY]


async def test_a_start_that_fails_says_why_and_leaves_nothing(maker: Maker) -> None:
    maker.fails = True
    with pytest.raises(ProviderUnavailable, match="the disk"):
        await maker.supervisor.start()
    with pytest.raises(ProviderUnavailable, match="not started"):
        await maker.supervisor.living()


async def test_who_waits_is_told_of_the_end(maker: Maker) -> None:
    await maker.supervisor.start()
    maker.supervisor.rest()
    maker.fails = True
    waiting = asyncio.create_task(maker.supervisor.living())
    await asyncio.wait((waiting,), timeout=5)
    assert isinstance(waiting.exception(), ProviderUnavailable)
    await maker.supervisor.aclose()
    await maker.supervisor.aclose()
    with pytest.raises(ProviderUnavailable, match="closed"):
        await maker.supervisor.living()
