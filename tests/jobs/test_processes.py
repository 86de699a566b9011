"""Jobs outlive the processes that work at them, and the database, wherever they end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs.parts import Workshop
from tests.jobs.postgres import Postgres, programs

from asr_hub.errors import Overloaded
from asr_hub.jobs.job import JobId, JobState
from asr_hub.store.slices.jobs import JobCut, JobDone, JobForgotten, JobQueued, JobStarted, SegmentHeard

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL here")
    server = Postgres(found)
    server.start()
    yield server
    server.stop()


class Worker:
    """A process that works at jobs."""

    def __init__(self, folder: Path, log: Path, database: str = "", *, segment_s: float = 0.05) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.worker", str(folder), str(log), database, str(segment_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "open"

    def submit(self, segments: int, name: str, *, provider: str = "scripted", priority: int = 50) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{segments} {name} {provider} {priority}\n")
        self._process.stdin.flush()
        while (line := self._line()) == "heard":
            pass
        return line

    def until_heard(self) -> None:
        """A segment of any job."""
        while self._line() != "heard":
            pass

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._close()

    def _close(self) -> None:
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def heard(log: Path) -> Counter[tuple[str, int]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter((line.split()[0], int(line.split()[1])) for line in lines)


async def test_a_hub_that_is_killed_in_mid_job_loses_nothing_and_hears_nothing_twice(
    tmp_path: Path, empty_jobs: Path
) -> None:
    shutil.copy(empty_jobs, tmp_path / "jobs.sqlite")
    log = tmp_path / "log"
    first = Worker(tmp_path, log)
    ids = [first.submit(8, name) for name in ("a", "b", "c")]
    first.until_heard()
    first.kill()
    before = heard(log)
    assert sum(before.values()) < 24, "it was killed in mid job"
    shop = Workshop(tmp_path)
    async with shop.open() as jobs:
        for id in ids:
            await shop.facts.until(JobDone, id)
            job = await jobs.job(JobId(id))
            assert job.state is JobState.DONE
            assert [one.text for one in (await jobs.result(job.id)).hypotheses] == [f"word{n}" for n in range(8)]
    # Two of each of two jobs may have been heard and not written down.
    again = sum(shop.ear.heard.values())
    assert 24 - sum(before.values()) <= again <= 24 - sum(before.values()) + 4


async def test_two_hubs_share_a_database_and_one_takes_over_from_the_other(tmp_path: Path, postgres: Postgres) -> None:
    log = tmp_path / "log"
    other = Worker(tmp_path / "other", log, postgres.url, segment_s=0.2)
    taken = [other.submit(6, f"t{number}") for number in range(2)]
    other.until_heard()
    shop = Workshop(tmp_path / "mine", database=postgres.url, dead_after_s=1)
    shop.shelf.folder = log.parent / "audio"
    async with shop.open() as jobs:
        own, _ = await shop.submit(jobs, 3, name="own")
        # What the other one does is told here.
        follows = other.submit(2, "follows", priority=1)
        await shop.facts.until(JobQueued, follows)
        await shop.facts.until(JobDone, own.id)
        other.kill()
        for id in (*taken, follows):
            await shop.facts.until(JobDone, id)
            done = await jobs.job(JobId(id))
            assert done.segments == done.segments_done
        state = await jobs.queue()
        assert (state.queued, state.processing) == ({}, {})
        assert {JobStarted, JobCut, SegmentHeard} <= {type(one) for one in shop.facts.of(taken[0])}
        await jobs.delete(own.id)
        await shop.facts.until(JobForgotten, own.id)
    total = heard(log) + Counter({("", number): count for number, count in shop.ear.heard.items()})
    assert sum(total.values()) >= 6 * 2 + 3 + 2


async def test_a_database_that_is_killed_costs_time_and_nothing_else(tmp_path: Path, postgres: Postgres) -> None:
    shop = Workshop(tmp_path, database=postgres.url)
    shop.ear.lanes = 1
    shop.ear.hold(3)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 6, name="outlives")
        await shop.ear.begun(3)
        postgres.kill()
        with pytest.raises(Overloaded) as away:
            await jobs.job(job.id)
        assert away.value.code == "jobs-unavailable"
        assert away.value.retry_after is not None
        with pytest.raises(Overloaded):
            await shop.submit(jobs, 2, name="refused")
        shop.ear.let_go()
        postgres.start()
        await shop.facts.until(JobDone, job.id)
        assert (await jobs.job(job.id)).runs == 1
        after, _ = await shop.submit(jobs, 2, name="after")
        await shop.facts.until(JobDone, after.id)
    assert all(count <= 2 for count in shop.ear.heard.values())
    assert shop.ear.heard[5] == 1


async def test_a_hub_closes_while_its_database_is_away(tmp_path: Path, postgres: Postgres) -> None:
    shop = Workshop(tmp_path, database=postgres.url)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2, name="waits")
        await shop.ear.begun(0)
        postgres.kill()
    postgres.start()
    shop.ear.hold()
    async with shop.open() as jobs:
        await shop.facts.until(JobDone, job.id)
