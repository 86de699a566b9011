"""What is kept of jobs, and for how long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.jobs.parts import Workshop

from asr_hub.config.schema import Retention
from asr_hub.errors import HubError, NotFound
from asr_hub.jobs.database import Database
from asr_hub.jobs.job import JobId, JobState
from asr_hub.jobs.ports import Query
from asr_hub.jobs.retention import DAY_S, UNWANTED_S, expired
from asr_hub.jobs.tables import executors
from asr_hub.store.slices.jobs import JobDone, JobForgotten

pytestmark = pytest.mark.unit

MB = 2**20

Over = tuple[JobId, str, int, float]


def over(*jobs: tuple[str, str, int, float]) -> list[Over]:
    return [(JobId(id), sha256, size, ended) for id, sha256, size, ended in jobs]


def test_jobs_go_by_age() -> None:
    jobs = over(("new", "a", 1, 9 * DAY_S), ("old", "b", 1, 7 * DAY_S))
    assert expired(jobs, Retention(days=2), 10 * DAY_S) == ["old"]


def test_jobs_go_by_number_the_oldest_first() -> None:
    jobs = over(("c", "c", 1, 3.0), ("b", "b", 1, 2.0), ("a", "a", 1, 1.0))
    assert expired(jobs, Retention(jobs=2), 4.0) == ["a"]


def test_jobs_go_by_bytes_and_shared_audio_counts_once() -> None:
    limits = Retention(bytes=2 * MB)
    assert expired(over(("c", "c", MB, 3.0), ("b", "b", MB, 2.0), ("a", "a", 1, 1.0)), limits, 4.0) == ["a"]
    assert expired(over(("c", "x", MB, 3.0), ("b", "x", MB, 2.0), ("a", "a", MB, 1.0)), limits, 4.0) == []


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3 * MB), st.floats(0, 40 * DAY_S)), max_size=30),
    st.integers(1, 9),
    st.integers(MB, 6 * MB),
)
def test_what_stays_is_within_every_limit(drawn: list[tuple[int, int, float]], most: int, size: int) -> None:
    sizes = {str(sha): size for sha, size, _ in drawn}
    ends = sorted((end for _, _, end in drawn), reverse=True)
    jobs = [(JobId(str(n)), str(drawn[n][0]), sizes[str(drawn[n][0])], end) for n, end in enumerate(ends)]
    now = 40 * DAY_S
    gone = set(expired(jobs, Retention(days=10, jobs=most, bytes=size), now))
    stays = [job for job in jobs if job[0] not in gone]
    assert len(stays) <= most
    assert sum({sha: size for _, sha, size, _ in stays}.values()) <= size
    assert all(now - end <= 10 * DAY_S for *_, end in stays)


async def test_the_oldest_jobs_go_as_soon_as_there_are_too_many(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(retention={"jobs": 2})
    async with shop.open() as jobs:
        submitted = []
        for number in range(4):
            job, _ = await shop.submit(jobs, 1, name=f"n{number}")
            await shop.facts.until(JobDone, job.id)
            submitted.append(job)
        for job in submitted[:2]:
            await shop.facts.until(JobForgotten, job.id)
            with pytest.raises(NotFound):
                await jobs.job(job.id)
        kept = (await jobs.history(Query())).jobs
        assert {job.id for job in kept} == {job.id for job in submitted[2:]}
        await jobs.sweep()
        assert shop.shelf.names == {job.sha256 for job in kept}


async def test_what_is_too_old_goes_when_the_jobs_are_opened(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(retention={"days": 1})
    shop.time = 1000.0
    async with shop.open() as jobs:
        done, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, done.id)
    shop.time = 1000.0 + 2 * DAY_S
    for name, age in (("nobodys", 2 * UNWANTED_S), ("just-put", 0)):
        (shop.shelf.folder / name).write_text("x")
        os.utime(shop.shelf.folder / name, (shop.time - age, shop.time - age))
    os.utime(shop.shelf.folder / done.sha256, (1000.0, 1000.0))
    (shop.folder / "spools" / f"{done.id}-hub-0").mkdir(parents=True)
    async with shop.open() as jobs:
        await shop.facts.until(JobForgotten, done.id)
        await shop.submit(jobs, 1, name="b")
        await jobs.sweep()
        assert (await jobs.history(Query())).total == 1
        assert "just-put" in shop.shelf.names
        assert not {"nobodys", done.sha256} & shop.shelf.names
        assert not list((shop.folder / "spools").glob(f"{done.id}-*"))


async def test_what_a_hub_has_decoded_stays_while_its_job_is_not_over_though_the_hub_is_not_heard_of(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop()
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        decoded = shop.folder / "spools" / f"{running.id}-silent-1-abcd"
        decoded.mkdir()
        await jobs.sweep()
        assert decoded.exists()
        shop.ear.let_go()
        await shop.facts.until(JobDone, running.id)
        await jobs.sweep()
        assert not decoded.exists()


async def test_audio_that_was_put_lately_stays_while_another_hub_may_be_about_to_write_down_its_job(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop()
    shop.time = time.time()
    database = Database(None, shop.folder)
    async with shop.open() as jobs:
        fresh, _ = await shop.submit(jobs, 1)
        old, _ = await shop.submit(jobs, 1, name="b")
        for job in (fresh, old):
            await shop.facts.until(JobDone, job.id)
        with database.writing() as connection:
            connection.execute(sa.insert(executors).values(id="other", beat_at=database.clock))
        at = shop.time - 2 * UNWANTED_S
        os.utime(shop.shelf.folder / old.sha256, (at, at))
        await jobs.delete(fresh.id)
        await jobs.delete(old.id)
        assert shop.shelf.names == {fresh.sha256}
        await jobs.sweep()
        assert shop.shelf.names == {fresh.sha256}
        shop.time += 2 * UNWANTED_S
        await jobs.sweep()
        assert shop.shelf.names == set()
    database.close()


async def test_a_job_is_deleted_though_its_audio_cannot_be(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    database = Database(None, shop.folder)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, job.id)
        with database.writing() as connection:
            connection.execute(sa.insert(executors).values(id="other", beat_at=database.clock))
        shop.shelf.refusal = HubError("the keys are refused", code="audio-store-refused")
        await jobs.delete(job.id)
        with pytest.raises(NotFound):
            await jobs.job(job.id)
        assert shop.shelf.names == {job.sha256}
    database.close()


async def test_jobs_that_wait_or_run_are_never_swept(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(retention={"jobs": 1, "days": 1}, concurrency=1)
    shop.time = 1000.0
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        waiting, _ = await shop.submit(jobs, 2)
    shop.time = 1000.0 + 30 * DAY_S
    async with shop.open() as jobs:
        await jobs.sweep()
        assert (await jobs.job(waiting.id)).state is JobState.QUEUED
        assert {running.sha256, waiting.sha256} <= shop.shelf.names
        shop.ear.let_go()
        await shop.facts.until(JobDone, running.id)
        await shop.facts.until(JobDone, waiting.id)
