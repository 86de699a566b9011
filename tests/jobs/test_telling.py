"""The end of a job is told where the client said: once it is taken, later where it is not, never at the job's cost."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from tests.jobs.parts import Workshop
from tests.jobs.test_facts import QUEUED
from tests.jobs.test_listing import NoQueue

from asr_hub.errors import HubError, ProviderDied
from asr_hub.jobs import adoption, upkeep
from asr_hub.jobs.database import Database
from asr_hub.jobs.engine import DbosJobs
from asr_hub.jobs.facts import Telling
from asr_hub.jobs.job import Handling, JobState
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.telling import Teller
from asr_hub.store.slices.jobs import JobDone, JobFailed

pytestmark = pytest.mark.unit

URL = "https://example.org/hook"


class Postman:
    """A `Sender` that keeps what it is given, or does what it is told."""

    def __init__(self, *errors: HubError) -> None:
        self.sent: list[tuple[str, dict[str, object], str]] = []
        self.errors = list(errors)
        self.tried: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, url: str, body: bytes, *, id: str, timestamp: int) -> None:
        self.tried.put_nowait(id)
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((url, msgspec.json.decode(body), id))


async def test_every_end_is_told(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(attempts=1)
    postman = shop.sender = Postman()
    async with shop.open() as jobs:
        done, _ = await shop.submit(jobs, 1, webhook=URL)
        quiet, _ = await shop.submit(jobs, 1, name="b")
        await shop.facts.until(JobDone, done.id)
        await shop.facts.until(JobDone, quiet.id)
        await postman.tried.get()
        shop.ear.failures = {0: [ProviderDied("gone")]}
        failed, _ = await shop.submit(jobs, 1, name="c", webhook=URL)
        await shop.facts.until(JobFailed, failed.id)
        await postman.tried.get()
        shop.ear.hold(0)
        cancelled, _ = await shop.submit(jobs, 1, name="d", webhook=URL)
        await shop.ear.begun(0)
        await jobs.cancel(cancelled.id)
        await postman.tried.get()
    told = [(url, body["type"], body["data"]["task_id"]) for url, body, _ in postman.sent]  # type: ignore[index]
    assert told == [(URL, "job.done", done.id), (URL, "job.failed", failed.id), (URL, "job.cancelled", cancelled.id)]


async def test_who_submits_a_job_again_that_is_there_is_told_of_its_end_too(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    postman = shop.sender = Postman()
    shop.ear.hold(0)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        during, is_new = await shop.submit(jobs, 1, webhook=URL)
        assert (during.id, during.handling.webhook, is_new) == (job.id, URL, False)
        kept, _ = await shop.submit(jobs, 1, webhook=f"{URL}/late")
        assert kept.handling.webhook == URL
        shop.ear.let_go()
        await shop.facts.until(JobDone, job.id)
        await postman.tried.get()
        for url in (f"{URL}/other", f"{URL}/other", URL):
            after, is_new = await shop.submit(jobs, 1, webhook=url)
            assert (after.id, after.state, is_new) == (job.id, JobState.DONE, False)
            await postman.tried.get()
    assert [url for url, _, _ in postman.sent] == [URL, f"{URL}/other", f"{URL}/other", URL]


async def test_what_nobody_takes_is_a_warning_of_the_job_and_no_failure(
    workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    workshop()
    database = Database(None, tmp_path)
    ledger = Ledger(database, NoQueue(), now=lambda: 1.0, most_queued=9)
    done = replace(QUEUED.job, state=JobState.DONE, handling=Handling(webhook=URL))
    standing, _ = ledger.submit(done)
    postman = Postman(HubError("no", code="webhook-refused", retryable=False))
    told = Telling(lambda _: None)
    teller = Teller(database, ledger, told, postman, NoQueue(), attempts=3, now=lambda: 1.0)
    await teller.tell(done.id, "another turn", 1)
    assert postman.tried.empty()
    await teller.tell(done.id, standing.turn, 1)
    after = ledger.read(done.id).job
    assert (after.state, after.warnings) == (JobState.DONE, ("webhook-refused: no",))
    nobody = Teller(database, ledger, told, None, NoQueue(), attempts=3, now=lambda: 1.0)
    await nobody.tell(done.id, standing.turn, 1)
    assert ledger.read(done.id).job.warnings[1].startswith("webhooks-off: ")
    database.close()


async def test_it_is_tried_again_later_even_by_the_next_process(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr_hub.jobs.telling.delays", lambda attempts, id: (1.0, 0.0))
    busy = HubError("busy", code="webhook-failed", retryable=True)
    shop = workshop(webhooks={"attempts": 3})
    postman = shop.sender = Postman(busy, busy)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1, webhook=URL)
        first = await postman.tried.get()
    async with shop.open() as jobs:
        assert [await postman.tried.get(), await postman.tried.get()] == [first, first]
        assert (await jobs.job(job.id)).warnings == ()
    assert [id for _, _, id in postman.sent] == [first]


class Stuck:
    """A `Sender` that does not come to an end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def send(self, url: str, body: bytes, *, id: str, timestamp: int) -> None:
        self.begun.set()
        await asyncio.Event().wait()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "ADOPT_ALL_S", 0.0)
    monkeypatch.setattr(adoption, "SETTLED_S", 0.0)


@pytest.mark.usefixtures("impatient")
async def test_what_a_hub_was_telling_that_is_gone_for_good_is_told_by_another(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop(dead_after_s=1)
    stuck = shop.sender = Stuck()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1, webhook=URL)
        await stuck.begun.wait()
    # It comes back under another name.
    file = os.open(shop.folder / "executors" / "0", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    postman = shop.sender = Postman()
    async with shop.open() as jobs:
        await postman.tried.get()
        await until_nothing_is_pending(jobs, shop.folder)
    os.close(file)
    assert [body["data"]["task_id"] for _, body, _ in postman.sent] == [job.id]  # type: ignore[index]


@pytest.mark.usefixtures("impatient")
async def test_what_was_handed_out_while_the_database_went_away_is_told(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(dead_after_s=1)
    postman = shop.sender = Postman(HubError("busy", code="webhook-failed", retryable=True))
    async with shop.open() as jobs:
        await shop.submit(jobs, 1, webhook=URL)
        await postman.tried.get()
        database = Database(None, shop.folder)
        while True:
            with database.writing() as connection:
                handed_out = connection.execute(
                    sa.text(
                        "update workflow_status set status = 'PENDING', executor_id = :me"
                        " where name = 'tell' and status = 'DELAYED'"
                    ),
                    {"me": jobs.executor},
                )
            if handed_out.rowcount:
                break
            await asyncio.sleep(0)
        database.close()
        await postman.tried.get()
    assert len(postman.sent) == 1


@pytest.mark.usefixtures("impatient")
async def test_what_is_being_told_is_left_alone_and_entries_of_hubs_that_are_gone_are_deleted(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop(dead_after_s=1, concurrency=1)
    stuck = shop.sender = Stuck()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1, webhook=URL)
        await stuck.begun.wait()
        queue, ledger = jobs._queue, jobs._ledger
        database = Database(None, shop.folder)
        with database.writing() as connection:
            queue.enqueue(connection, replace(ledger.read(job.id), turn="0123"))
            connection.execute(
                sa.text(
                    "update workflow_status set status = 'PENDING', executor_id = 'gone-0' where name = 'transcribe'"
                    " and workflow_uuid like '0123-%'"
                )
            )
        await until_nothing_is_pending(jobs, shop.folder, name="transcribe")
        with database.reading() as connection:
            told = sa.text("select count(*) from workflow_status where name = 'tell'")
            assert connection.execute(told).scalar_one() == 1
        assert not queue.announcements()
        database.close()


async def until_nothing_is_pending(jobs: DbosJobs, folder: Path, *, name: str = "tell") -> None:
    """The test's own time is the limit."""
    database = Database(None, folder)
    pending = sa.text("select count(*) from workflow_status where status = 'PENDING' and name = :name")
    try:
        while True:
            with database.reading() as connection:
                if not connection.execute(pending, {"name": name}).scalar_one():
                    return
            await jobs.queue()
    finally:
        database.close()
