"""Jobs are found again: by state, text, time and principal, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.jobs.parts import Workshop
from tests.jobs.test_facts import QUEUED

from asr_hub.errors import ProtocolError
from asr_hub.jobs.database import Database
from asr_hub.jobs.job import JobId, JobState
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.listing import MOST_ON_A_PAGE, Listing
from asr_hub.jobs.ports import Query
from asr_hub.jobs.tables import Standing, create, jobs
from asr_hub.store.slices.jobs import JobDone

pytestmark = pytest.mark.unit

MakeWorkshop = Callable[..., Workshop]


class NoQueue:
    """Where nothing is handed out."""

    def enqueue(self, connection: sa.Connection, standing: Standing) -> None: ...

    def withdraw(self, standing: Standing) -> None: ...

    def announce(
        self, connection: sa.Connection, standing: Standing, attempt: int = 1, delay_s: float | None = None
    ) -> None: ...


@pytest.fixture
def database(tmp_path: Path, workshop: MakeWorkshop) -> Iterator[Database]:
    workshop()
    database = Database(None, tmp_path)
    yield database
    database.close()


def id_of(number: int) -> JobId:
    return JobId(f"{number:032x}")


def add(database: Database, number: int, *, at: float, name: str = "x", principal: str = "me") -> None:
    ledger = Ledger(database, NoQueue(), now=lambda: at, most_queued=1000)
    ledger.submit(replace(QUEUED.job, id=id_of(number), created_at=at, updated_at=at, name=name, principal=principal))


def test_pages_follow_one_another_without_a_gap_or_a_repeat(database: Database) -> None:
    # Several in one moment: the time alone is no place.
    for number in range(23):
        add(database, number, at=float(number // 4))
    listing = Listing(database, concurrency=2)
    seen: list[str] = []
    after: str | None = None
    while True:
        page = listing.history(Query(limit=5, after=after))
        assert page.total == 23
        seen += [job.id for job in page.jobs]
        if page.next is None:
            break
        after = page.next
    assert seen == [id_of(number) for number in sorted(range(23), key=lambda n: (n // 4, n), reverse=True)]


def test_a_page_stays_where_it_is_when_new_jobs_come(database: Database) -> None:
    for number in range(4):
        add(database, number, at=float(number))
    listing = Listing(database, concurrency=2)
    first = listing.history(Query(limit=2))
    add(database, 9, at=9.0)
    second = listing.history(Query(limit=2, after=first.next))
    assert [job.id for job in (*first.jobs, *second.jobs)] == [id_of(3), id_of(2), id_of(1), id_of(0)]


def test_jobs_are_found_by_what_is_wanted_of_them(database: Database) -> None:
    add(database, 1, at=1.0, name="Straße 100%.wav", principal="anna")
    add(database, 2, at=2.0, name="会议_1.wav", principal="ben")
    add(database, 3, at=3.0, name="100 x.wav", principal="anna")
    with database.writing() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == id_of(2)).values(state=JobState.DONE))
    listing = Listing(database, concurrency=2)

    def found(**query: object) -> list[int]:
        return [int(job.id, 16) for job in listing.history(Query(**query)).jobs]  # type: ignore[arg-type]

    assert found(principal="anna") == [3, 1]
    assert found(states=(JobState.DONE,)) == [2]
    assert found(states=(JobState.DONE, JobState.QUEUED)) == [3, 2, 1]
    assert found(text="STRASSE") == [1]
    assert found(text="会议") == [2]
    assert found(text="100%") == [1], "a sign of the database's is a letter"
    assert found(text="_1") == [2]
    assert found(since=2.0) == [3, 2]
    assert found(until=2.0) == [1]
    assert found(since=2.0, until=3.0, principal="ben") == [2]
    assert found(limit=0) == [3]
    assert found(limit=10 * MOST_ON_A_PAGE) == [3, 2, 1]


@given(st.text(max_size=40))
def test_what_no_page_said_is_refused(after: str) -> None:
    # It is refused before the database is asked.
    with pytest.raises(ProtocolError) as refused:
        Listing(None, concurrency=1).history(Query(after=after))  # type: ignore[arg-type]
    assert refused.value.code == "bad-value"


def test_a_place_is_told_without_a_walk_over_all_jobs_that_are_done(database: Database) -> None:
    # Also in a database that an earlier release made, without the index.
    with database.writing() as connection:
        connection.exec_driver_sql("DROP INDEX asr_jobs_last")
        create(connection)
    add(database, 1, at=1.0)
    asked: list[tuple[str, object]] = []

    def ask(connection: sa.Connection, cursor: object, statement: str, values: object, *_: object) -> None:
        asked.append((statement, values))

    sa.event.listen(database.engine, "before_cursor_execute", ask)
    ledger = Ledger(database, NoQueue(), now=lambda: 2.0, most_queued=1000)
    Listing(database, concurrency=1).place(ledger.read(id_of(1)), 1)
    sa.event.remove(database.engine, "before_cursor_execute", ask)
    assert len(asked) == 4
    with database.reading() as connection:
        plans = [
            row[3]
            for statement, values in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
        ]
    assert all(plan.startswith("SEARCH") for plan in plans), plans


async def test_jobs_are_found_by_what_was_said_in_them(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as store:
        job, _ = await shop.submit(store, 3)
        other, _ = await shop.submit(store, 1, name="b")
        await shop.facts.until(JobDone, job.id)
        await shop.facts.until(JobDone, other.id)
        assert [one.id for one in (await store.history(Query(text="WORD2"))).jobs] == [job.id]
        place = await store.place(job)
        assert place.position == 0
        shop.ear.hold(0)
        running, _ = await shop.submit(store, 1, name="c")
        await shop.ear.begun(0)
        wait = (await store.place(await store.job(running.id))).wait_s
        assert wait == 0.0
