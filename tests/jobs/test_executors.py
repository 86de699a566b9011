"""Who works at jobs, and who takes in those of the dead."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.jobs.parts import Workshop
from tests.jobs.test_facts import CUT, DONE, QUEUED, STARTED

from asr_hub.errors import ConfigError
from asr_hub.jobs import upkeep
from asr_hub.jobs.adoption import left_behind, orphans
from asr_hub.jobs.database import Database
from asr_hub.jobs.executors import MOST, Pulse, slot
from asr_hub.jobs.job import JobId, JobState
from asr_hub.jobs.tables import Standing, executors
from asr_hub.jobs.tables import jobs as table
from asr_hub.jobs.workflow import MOST_RUNS, Entry
from asr_hub.store.slices.jobs import JobDone, JobFailed

pytestmark = pytest.mark.unit


def test_a_process_has_the_name_it_had_and_two_have_different_ones(tmp_path: Path) -> None:
    with slot(tmp_path) as first:
        with slot(tmp_path) as second:
            assert first != second
        with slot(tmp_path) as third:
            assert third == second
    with slot(tmp_path) as again:
        assert again == first


def test_machines_that_are_called_the_same_have_different_names(tmp_path: Path) -> None:
    with slot(tmp_path / "a") as one, slot(tmp_path / "b") as other:
        assert one != other


def test_a_name_that_somebody_spoilt_is_made_anew(tmp_path: Path) -> None:
    with slot(tmp_path):
        pass
    (tmp_path / "executors" / "0").write_bytes(b"\xff / ../")
    with slot(tmp_path) as name:
        assert "/" not in name
    assert (tmp_path / "executors" / "0").read_text() == name


def test_a_folder_that_is_full_of_processes_or_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "executors").mkdir()
    files = [os.open(tmp_path / "executors" / str(number), os.O_RDWR | os.O_CREAT) for number in range(MOST)]
    for file in files:
        fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="folder of its own"), slot(tmp_path):
        pass
    for file in files:
        os.close(file)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"jobs\.folder"), slot(tmp_path / "file"):
        pass


async def test_who_gave_no_sign_of_life_for_too_long_is_dead(tmp_path: Path, workshop: Callable[..., Workshop]) -> None:
    workshop()
    database = Database(None, tmp_path)
    one, other = (Pulse(database, name, dead_after_s=15.0) for name in ("one", "other"))
    assert one.beat() == ("one",)
    assert other.beat() == ("one", "other")
    with database.writing() as connection:
        connection.execute(sa.update(executors).where(executors.c.id == "one").values(beat_at=executors.c.beat_at - 20))
    assert other.beat() == ("other",)
    assert one.beat() == ("one", "other")
    other.stop()
    assert one.beat() == ("one",)
    database.close()


def test_a_job_is_an_orphan_where_its_entry_is_gone_or_with_the_dead() -> None:
    job = QUEUED.job.id

    def lost(standing: Standing, *entries: Entry) -> bool:
        return bool(orphans([standing], entries, {"hub-0"}, before=100.0))

    assert not lost(QUEUED, Entry(job=job, turn="one", executor=None))
    assert not lost(STARTED, Entry(job=job, turn="one", executor="hub-0"))
    assert lost(STARTED, Entry(job=job, turn="one", executor="dead-0"))
    assert lost(CUT)
    assert lost(QUEUED, Entry(job=job, turn="another", executor=None))
    assert lost(QUEUED, Entry(job=JobId("c" * 32), turn="one", executor=None))
    assert not orphans([QUEUED], [], set(), before=QUEUED.job.updated_at)
    assert DONE.job.state.is_over


def test_an_entry_is_left_behind_where_a_hub_that_is_gone_has_it_and_its_job_needs_it_no_more() -> None:
    job = QUEUED.job.id

    def left(entry: Entry) -> bool:
        return bool(left_behind([QUEUED], [entry], {"hub-0"}))

    assert left(Entry(job=job, turn="another", executor="gone-0"))
    assert left(Entry(job=JobId("c" * 32), turn="one", executor="gone-0"))
    assert not left(Entry(job=job, turn="one", executor="gone-0"))
    assert not left(Entry(job=job, turn="another", executor="hub-0"))
    assert not left(Entry(job=job, turn="another", executor=None))


async def test_the_jobs_of_a_dead_hub_are_taken_over_and_gone_on_with(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(dead_after_s=1)
    shop.ear.lanes = 1
    shop.ear.hold(2)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 4)
        await shop.ear.begun(2)
        first = jobs.executor
    # It comes back under another name: nobody has the first one's jobs then.
    file = os.open(shop.folder / "executors" / "0", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    shop.ear.hold()
    shop.facts.told.clear()
    async with shop.open() as jobs:
        assert jobs.executor != first
        await shop.facts.until(JobDone, job.id)
        done = await jobs.job(job.id)
        assert (done.state, done.executor, done.runs) == (JobState.DONE, jobs.executor, 2)
    os.close(file)
    assert shop.ear.heard == dict.fromkeys(range(4), 1)


async def test_a_run_whose_job_was_given_to_another_stops(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    shop.ear.hold(0, 1)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        await shop.ear.begun(0)
        await shop.ear.begun(1)
        shop.ear.held = set()
        # As another hub does that takes this one for dead.
        ledger = jobs._ledger
        await asyncio.to_thread(lambda: ledger.requeue(ledger.read(job.id)))
        await shop.facts.until(JobDone, job.id)
        assert (await jobs.job(job.id)).runs == 2
    assert sorted(shop.ear.cancelled) == [0, 1]
    assert shop.ear.heard == {0: 1, 1: 1}


async def test_a_job_that_ends_the_hub_each_time_is_given_up(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(dead_after_s=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
    database = Database(None, shop.folder)
    with database.writing() as connection:
        connection.execute(sa.update(table).values(runs=MOST_RUNS, executor="dead-0"))
        # What DBOS does with an entry that it began as often.
        connection.execute(sa.text("update workflow_status set status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'"))
    database.close()
    async with shop.open() as jobs:
        fact = await shop.facts.until(JobFailed, job.id)
        assert isinstance(fact, JobFailed)
        assert fact.code == "job-crashes"
        assert (await jobs.job(job.id)).state is JobState.FAILED


async def test_a_job_that_was_handed_out_while_the_database_went_away_is_begun_though_nobody_was_told(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ADOPT_ALL_S", 0.0)
    shop = workshop(concurrency=1, dead_after_s=1)
    shop.time = 1000.0
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        waiting, _ = await shop.submit(jobs, 2)
        database = Database(None, shop.folder)
        with database.writing() as connection:
            handed_out = connection.execute(
                sa.text(
                    "update workflow_status set status = 'PENDING', executor_id = :me where workflow_uuid like :id"
                ),
                {"me": jobs.executor, "id": f"%{waiting.id}%"},
            )
            assert handed_out.rowcount == 1
        database.close()
        shop.time = 2000.0
        shop.ear.let_go()
        await shop.facts.until(JobDone, running.id)
        await shop.facts.until(JobDone, waiting.id)
    assert shop.ear.heard == {0: 2, 1: 1}


async def test_a_job_that_the_queue_has_lost_is_put_there_again(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(concurrency=1, dead_after_s=1)
    shop.time = 1000.0
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        waiting, _ = await shop.submit(jobs, 2)
    database = Database(None, shop.folder)
    with database.writing() as connection:
        connection.execute(sa.text("delete from workflow_status"))
    database.close()
    shop.time = 2000.0
    shop.ear.hold()
    async with shop.open() as jobs:
        await shop.facts.until(JobDone, running.id)
        await shop.facts.until(JobDone, waiting.id)
