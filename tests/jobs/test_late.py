"""Jobs are opened when they are first asked for, and again when that did not work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from tests.protocols.memory_jobs import MemoryAudio, MemoryJobs

from asr_hub.errors import ConfigError, NotFound, Overloaded
from asr_hub.jobs import late
from asr_hub.jobs.job import JobId
from asr_hub.jobs.late import LateJobs
from asr_hub.jobs.ports import JobStore, Query

pytestmark = pytest.mark.unit


def shelf() -> MemoryJobs:
    return MemoryJobs(cast(Any, None), MemoryAudio())


class Opening:
    """Opens jobs in memory; `failures` are raised first, one at a time."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.opened = self.closed = 0
        self.again = asyncio.Event()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[JobStore]:
        self.opened += 1
        if self.opened > 1:
            self.again.set()
        if self.failures:
            raise self.failures.pop(0)
        try:
            yield shelf()
        finally:
            self.closed += 1


@asynccontextmanager
async def running(opening: Callable[[], object]) -> AsyncIterator[LateJobs]:
    jobs = LateJobs(opening)  # type: ignore[arg-type]
    owner = asyncio.create_task(jobs.run())
    try:
        yield jobs
    finally:
        jobs.end()
        await owner


async def test_nothing_is_opened_before_the_first_call_and_all_is_closed_in_the_end() -> None:
    opening = Opening()
    async with running(opening) as jobs:
        await asyncio.sleep(0)
        assert opening.opened == 0
        assert (await jobs.history(Query())).jobs == ()
        with pytest.raises(NotFound):
            await jobs.job(JobId("0" * 32))
        assert (opening.opened, opening.closed) == (1, 0)
    assert (opening.opened, opening.closed) == (1, 1)


async def test_who_begins_opens_without_a_call() -> None:
    opening = Opening()
    async with running(opening) as jobs:
        jobs.begin()
        async with asyncio.timeout(10):
            await jobs.queue()
        assert opening.opened == 1
    never = Opening()
    async with running(never):
        pass
    assert never.opened == 0


@pytest.mark.parametrize(
    "failure",
    [ConfigError("/a/secret cannot be written"), Overloaded("a secret does not answer"), ZeroDivisionError("a secret")],
)
async def test_what_cannot_be_opened_is_told_and_tried_again(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "FIRST_PAUSE_S", 0.01)
    opening = Opening(failure)
    async with running(opening) as jobs:
        with pytest.raises(Overloaded) as caught:
            await jobs.queue()
        assert caught.value.code == "jobs-unavailable" and caught.value.retryable
        assert "log" in str(caught.value) and "secret" not in str(caught.value)
        async with asyncio.timeout(10):
            await opening.again.wait()
            await asyncio.sleep(0)
        assert (await jobs.queue()).processing == {"scripted": 0}
    assert (opening.opened, opening.closed) == (2, 1)


async def test_a_call_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "PATIENCE_S", 0.05)
    hangs = asyncio.Event()

    @asynccontextmanager
    async def opening() -> AsyncIterator[JobStore]:
        await hangs.wait()
        yield shelf()

    async with running(opening) as jobs:
        with pytest.raises(Overloaded) as caught:
            await jobs.queue()
        assert caught.value.code == "jobs-unavailable"
        hangs.set()
        await jobs.queue()
