"""The database of the jobs: what is written holds, an outage has a name, and nobody else reads the file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from tests.jobs.parts import Workshop

from asr_hub.errors import ConfigError, Overloaded
from asr_hub.jobs.database import MOST_SEARCHES, MOST_WAITING, SEARCHES_AT_ONCE, UNAVAILABLE, Database
from asr_hub.jobs.ports import DATABASE_FILE
from asr_hub.jobs.workflow import JsonText

pytestmark = pytest.mark.unit


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(None, tmp_path)
    with database.writing() as connection:
        connection.execute(sa.text("create table t (x integer)"))
    yield database
    database.close()


def rows(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.execute(sa.text("select x from t order by x")).scalars())


def insert(database: Database, value: int, *, is_promise: bool = False) -> None:
    with database.promising() if is_promise else database.writing() as connection:
        connection.execute(sa.text("insert into t values (:x)"), {"x": value})
        if value < 0:
            raise ValueError(value)


def test_what_fails_half_way_is_not_written(database: Database) -> None:
    for is_promise in (False, True):
        insert(database, 1, is_promise=is_promise)
        with pytest.raises(ValueError, match="-1"):
            insert(database, -1, is_promise=is_promise)
    assert rows(database) == [1, 1]


def test_what_is_promised_outlives_a_power_cut_and_the_rest_the_process(database: Database) -> None:
    def synchronous() -> int:
        with database.reading() as connection:
            return int(connection.exec_driver_sql("pragma synchronous").scalar_one())

    assert synchronous() == 1
    with database.promising() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar_one() == 2
    assert synchronous() == 1
    with database.reading() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar_one() == "wal"


async def test_many_write_at_the_same_time(database: Database) -> None:
    await asyncio.gather(
        *(database.call(insert, database, number, is_promise=bool(number % 2)) for number in range(40)),
        *(database.insist(insert, database, number) for number in range(40, 80)),
    )
    assert rows(database) == list(range(80))


async def test_more_than_can_be_answered_are_refused(database: Database) -> None:
    go = threading.Event()
    calls = [asyncio.ensure_future(database.call(go.wait)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await database.call(rows, database)
    assert refused.value.code == UNAVAILABLE
    go.set()
    await asyncio.gather(*calls)
    assert await database.call(rows, database) == []


async def test_what_keeps_the_jobs_going_waits_for_no_client(database: Database) -> None:
    go = threading.Event()
    calls = [asyncio.ensure_future(database.call(go.wait)) for _ in range(50)]
    await asyncio.sleep(0)
    assert await database.keep(rows, database) == []
    go.set()
    await asyncio.gather(*calls)


async def test_few_searches_run_at_the_same_time_and_nobody_else_waits_for_them(database: Database) -> None:
    go, running, most = threading.Event(), threading.Semaphore(SEARCHES_AT_ONCE), []

    def search() -> None:
        most.append(running.acquire(blocking=False))
        go.wait()
        running.release()

    searches = [asyncio.ensure_future(database.search(search)) for _ in range(MOST_SEARCHES)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await database.search(search)
    assert refused.value.code == "too-many-searches"
    assert await database.call(rows, database) == []
    go.set()
    await asyncio.gather(*searches)
    assert most == [True] * MOST_SEARCHES


async def test_an_outage_is_said_by_name_and_a_defect_is_not_taken_for_one(database: Database) -> None:
    def away() -> None:
        raise exc.OperationalError("select 'secret'", {}, Exception("connection refused"))

    def broken() -> None:
        with database.reading() as connection:
            connection.execute(sa.text("select 1")).scalar_one()
        raise exc.IntegrityError("insert", {}, Exception("not unique"))

    with pytest.raises(Overloaded) as unavailable:
        await database.call(away)
    assert (unavailable.value.code, unavailable.value.retryable) == (UNAVAILABLE, True)
    assert "secret" not in str(unavailable.value)
    with pytest.raises(exc.IntegrityError):
        await database.call(broken)


async def test_a_run_asks_again_until_there_is_an_answer(database: Database) -> None:
    answers = iter([exc.OperationalError("x", {}, Exception("away")), exc.TimeoutError(), 5])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await database.insist(ask) == 5


def test_nobody_else_may_read_what_people_said(database: Database, tmp_path: Path) -> None:
    for file in tmp_path.glob(f"{DATABASE_FILE}*"):
        assert file.stat().st_mode & 0o077 == 0, file


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_text("this is no database" * 100)
    with pytest.raises(ConfigError, match=r"not a database.*jobs\.folder"):
        async with Workshop(tmp_path).open():
            pass


def test_a_database_that_is_closed_gives_nobody_a_connection(tmp_path: Path) -> None:
    database = Database(None, tmp_path)
    database.close()
    with pytest.raises(RuntimeError, match="closed"), database.reading():
        pass


async def test_what_dbos_keeps_is_text_and_no_pickle(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    shop.ear.hold(0)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
    database = Database(None, shop.folder)
    with database.reading() as connection:
        kept = connection.execute(sa.text("select inputs from workflow_input")).scalar_one()
    database.close()
    assert JsonText().deserialize(kept)["args"][0] == job.id
