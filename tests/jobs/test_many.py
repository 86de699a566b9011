"""Many jobs at once: each is done once and in the order of its priority, and what is kept of them stays bounded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from tests.jobs.parts import Workshop

from asr_hub.jobs.job import FIRST_PRIORITY, LAST_PRIORITY, USUAL_PRIORITY, JobState
from asr_hub.jobs.ports import DATABASE_FILE, Query
from asr_hub.store.slices.jobs import JobDone, JobForgotten, JobStarted

pytestmark = pytest.mark.unit

MANY = 60
AT_ONCE = 20
KEPT = 15
LANES = 4


async def test_many_jobs_are_each_done_once_and_what_is_kept_stays_bounded(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(concurrency=AT_ONCE, retention={"jobs": KEPT})
    shop.ear.lanes = LANES
    drawn = random.Random(6)
    sizes = [drawn.randint(0, 8) for _ in range(MANY)]
    async with shop.open() as jobs:
        submitted = [(await shop.submit(jobs, size, name=f"n{number}"))[0] for number, size in enumerate(sizes)]
        for job in submitted:
            await shop.facts.until(JobDone, job.id)
        await jobs.sweep()
        kept = (await jobs.history(Query())).jobs
        queue = await jobs.queue()
        ids = {job.id for job in kept}
        for job in submitted:
            if job.id not in ids:
                await shop.facts.until(JobForgotten, job.id)
        one = submitted.index(next(job for job in submitted if job.id == kept[0].id))
        again, is_new = await shop.submit(jobs, sizes[one], name=f"n{one}")
    ends = Counter(fact.job for fact in shop.facts.told if isinstance(fact, JobDone))
    assert ends == {job.id: 1 for job in submitted}
    assert shop.knife.cuts == MANY
    assert shop.ear.heard.total() == sum(sizes)
    assert shop.ear.most_busy <= AT_ONCE * LANES
    assert (len(kept), queue.over["done"], sum(queue.queued.values())) == (KEPT, KEPT, 0)
    assert shop.shelf.names == {job.sha256 for job in kept}
    assert not list((shop.folder / "spools").iterdir())
    assert (again.id, again.state, is_new) == (kept[0].id, JobState.DONE, False)
    rows = _rows(shop)
    assert (rows["asr_jobs"], rows["asr_segments"]) == (KEPT, 0)
    # The queue notes the end of an entry a moment after that of its job.
    assert rows["workflow_status"] <= AT_ONCE


async def test_of_many_that_wait_the_most_urgent_are_begun_first_and_those_as_urgent_in_their_order(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    drawn = random.Random(6)
    async with shop.open() as jobs:
        first, _ = await shop.submit(jobs, 1, name="first")
        await shop.ear.begun(0)
        # Those that wait are handed out one by one.
        choice = (USUAL_PRIORITY,) * 8 + (LAST_PRIORITY,) * 4 + (FIRST_PRIORITY,) * 4
        priorities = drawn.sample(choice, len(choice))
        waiting = [
            (await shop.submit(jobs, 1, name=f"n{number}", priority=priority))[0]
            for number, priority in enumerate(priorities)
        ]
        assert [(await jobs.place(job)).position for job in waiting] == [
            _before(number, priorities) for number in range(len(waiting))
        ]
        shop.ear.let_go()
        for job in waiting:
            await shop.facts.until(JobDone, job.id)
    started = [fact.job for fact in shop.facts.told if isinstance(fact, JobStarted)]
    wanted = sorted(range(len(waiting)), key=lambda number: (priorities[number], number))
    assert started == [first.id, *(waiting[number].id for number in wanted)]


async def test_an_urgent_job_waits_for_those_that_were_handed_out_and_for_no_other(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop(concurrency=AT_ONCE)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        usual = [(await shop.submit(jobs, 1, name=f"n{number}"))[0] for number in range(MANY)]
        for job in usual[:AT_ONCE]:
            await shop.facts.until(JobStarted, job.id)
        urgent = [(await shop.submit(jobs, 1, name=f"u{number}", priority=FIRST_PRIORITY))[0] for number in range(5)]
        shop.ear.let_go()
        for job in (*usual, *urgent):
            await shop.facts.until(JobDone, job.id)
    started = [fact.job for fact in shop.facts.told if isinstance(fact, JobStarted)]
    assert set(started[:AT_ONCE]) == {job.id for job in usual[:AT_ONCE]}
    # What is handed out together begins in any order.
    assert {job.id for job in urgent} <= set(started[AT_ONCE : 2 * AT_ONCE])


def _before(number: int, priorities: list[int]) -> int:
    """How many of those that wait are before this one."""
    return sum((priority, place) < (priorities[number], number) for place, priority in enumerate(priorities))


def _rows(shop: Workshop) -> dict[str, int]:
    """Of each table that grows with the jobs."""
    engine = sa.create_engine(f"sqlite:///{shop.folder / DATABASE_FILE}")
    try:
        with engine.connect() as connection:
            return {
                table: connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in ("asr_jobs", "asr_segments", "workflow_status")
            }
    finally:
        engine.dispose()
