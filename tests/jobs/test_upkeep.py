"""What goes on beside the jobs: what fails keeps nothing else from being done, and nothing that happens is missed."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from tests.jobs.parts import Workshop

from asr_hub.errors import HubError
from asr_hub.jobs import upkeep
from asr_hub.jobs.database import Database
from asr_hub.jobs.job import JobState
from asr_hub.jobs.listing import Listing
from asr_hub.jobs.ports import Page, Query
from asr_hub.jobs.tables import executors
from asr_hub.jobs.tables import jobs as table
from asr_hub.store.slices.jobs import JobDone

pytestmark = pytest.mark.unit


async def test_a_store_of_audio_that_refuses_keeps_nothing_else_from_being_swept_and_is_said(
    workshop: Callable[..., Workshop], caplog: pytest.LogCaptureFixture
) -> None:
    shop = workshop()
    shop.shelf.refusal = HubError("the keys are refused", code="audio-store-refused")
    async with shop.open() as jobs:
        done, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, done.id)
        spool = shop.folder / "spools" / f"{done.id}-hub-0"
        spool.mkdir()
        with pytest.raises(HubError) as refused:
            await jobs.sweep()
        assert refused.value.code == "audio-store-refused"
        assert not spool.exists()
        spool.mkdir()
        with caplog.at_level(logging.WARNING, "asr_hub.jobs"):
            await jobs._upkeep._sweep_all()
        assert not spool.exists()
    assert "jobs.upkeep-failed" in [record.message for record in caplog.records]


async def test_what_another_hub_did_last_is_told_though_it_is_gone(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FOLLOW_S", 3600.0)
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    database = Database(None, shop.folder)
    async with shop.open() as jobs:
        await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        others, _ = await shop.submit(jobs, 2)
        with database.writing() as connection:
            connection.execute(sa.insert(executors).values(id="other", beat_at=database.clock))
        await jobs._upkeep._beat()
        assert set(jobs._upkeep.alive) == {jobs.executor, "other"}
        with database.writing() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.id == others.id)
                .values(state=JobState.DONE, version=table.c.version + 1, changed_at=database.clock, finished_at=1.0)
            )
            connection.execute(sa.delete(executors).where(executors.c.id == "other"))
        await jobs._upkeep._beat()
        assert jobs._upkeep.alive == (jobs.executor,)
        await jobs._upkeep._follow()
        assert JobDone in {type(fact) for fact in shop.facts.of(others.id)}
    database.close()


async def test_a_hub_gives_signs_of_life_and_answers_though_many_search(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    read = Listing.history

    def slow(listing: Listing, query: Query) -> Page:
        if query.text:
            go.wait()
        return read(listing, query)

    monkeypatch.setattr(Listing, "history", slow)
    shop = workshop()
    async with shop.open() as jobs:
        searches = [asyncio.ensure_future(jobs.history(Query(text="x"))) for _ in range(8)]
        try:
            await asyncio.sleep(0)
            await jobs._upkeep._beat()
            await jobs._upkeep._follow()
            assert (await jobs.history(Query())).total == 0
        finally:
            go.set()
        assert [page.total for page in await asyncio.gather(*searches)] == [0] * 8
