"""The end of a job is told where the client said: once it is taken, later where it is not, never at the job's cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.jobs.parts import Workshop
from tests.jobs.test_facts import QUEUED
from tests.jobs.test_listing import NoQueue

from asr_hub.errors import HubError, ProviderDied
from asr_hub.jobs.database import Database
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
