"""The database of the jobs: SQLite in the jobs' folder, or PostgreSQL, asked from a few threads of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from asr_hub.errors import ConfigError, Overloaded
from asr_hub.jobs.ports import DATABASE_FILE
from asr_hub.telemetry import logs

MOST_WAITING = 512
"""Calls that may wait for a thread. One more is refused: the database does not keep up."""

SEARCHES_AT_ONCE = 2
MOST_SEARCHES = 16
"""Searches of texts that may run or wait: each reads every row there is."""

UNAVAILABLE = "jobs-unavailable"

_THREADS = 4
_POOL = 20
_CACHE_KIB = 256
"""Of one SQLite connection. The default of 2 MiB would be held by each for good, for rows that are read once."""
_CONNECT_S = 5
_RETRY_S = 2.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 3.0

_SQLITE_CLOCK = "((julianday('now') - 2440587.5) * 86400.0)"
_POSTGRES_CLOCK = "(extract(epoch from clock_timestamp())::double precision)"

P = ParamSpec("P")
T = TypeVar("T")

_log = logs.get("asr_hub.jobs")


class Database:
    """
    One engine for the hub's own tables and for those of DBOS.

    What runs on it runs in threads. Where the database does not answer, calls raise Overloaded (`jobs-unavailable`) and
    change nothing, as far as anybody can know.
    """

    def __init__(self, url: str | None, folder: Path) -> None:
        """`url` of a PostgreSQL database; none: SQLite in `folder`. Opens nothing yet. Raises ConfigError."""
        self.is_sqlite = url is None
        self.engine = _sqlite(folder / DATABASE_FILE) if url is None else _postgres(url)
        self.clock: sa.ColumnElement[float] = sa.literal_column(
            _SQLITE_CLOCK if url is None else _POSTGRES_CLOCK, sa.Double
        )
        """Seconds since the epoch, as the database has it: those of the machines may differ."""
        self._is_closed = False
        event.listen(self.engine, "do_connect", self._refuse_closed)
        # Clients do not wait behind the runs, of which there may be hundreds. SQLite writes for one at a time anyway.
        self._clients = ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs")
        runs = 1 if self.is_sqlite else _THREADS
        self._runs = ThreadPoolExecutor(runs, thread_name_prefix="jobs-runs")
        # Signs of life wait for nobody: other hubs would take this one for dead.
        self._upkeep = ThreadPoolExecutor(1, thread_name_prefix="jobs-upkeep")
        self._searches = ThreadPoolExecutor(SEARCHES_AT_ONCE, thread_name_prefix="jobs-searches")
        self._searching = 0
        self._waiting = 0
        self._is_lost = False
        # SQLite has one writer, and lets those who wait for it sleep: here they stand in line.
        self._writing: threading.Lock | None = threading.Lock() if self.is_sqlite else None

    async def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run a function that asks the database, for a client.

        Raises Overloaded (`jobs-unavailable`), also where too many wait already, and what the function raises itself.
        """
        if self._waiting >= MOST_WAITING:
            raise Overloaded("the database of the jobs does not keep up; try again later", code=UNAVAILABLE)
        self._waiting += 1
        try:
            return await self._in(self._clients, function, *args, **kwargs)
        finally:
            self._waiting -= 1

    async def search(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, for what may take seconds: few at a time, and no other call waits for them."""
        if self._searching >= MOST_SEARCHES:
            raise Overloaded("too many searches at the same time; try again later", code="too-many-searches")
        self._searching += 1
        try:
            return await self._in(self._searches, function, *args, **kwargs)
        finally:
            self._searching -= 1

    async def keep(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, for what keeps the jobs going: one at a time, and it waits for no client."""
        return await self._in(self._upkeep, function, *args, **kwargs)

    async def insist(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, for a run, and again until the database answers: what runs outlives an outage."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return await self._in(self._runs, function, *args, **kwargs)
            except Overloaded as error:
                if error.code != UNAVAILABLE:
                    raise
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, 2 * pause)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """
        A transaction, committed where the block ends without an error.

        In SQLite it outlives the process at once, and a power cut a moment later: enough for what would be done again.
        """
        if self._writing is None:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._writing, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def promising(self) -> Iterator[sa.Connection]:
        """As `writing`, and it outlives a power cut: somebody is told that it is done."""
        if self._writing is None:
            with self.writing() as connection:
                yield connection
            return
        with self._writing, self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.commit()
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")

    async def prepare(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, when all begins. Raises ConfigError for a database that answers and cannot be used."""
        try:
            return await self.call(function, *args, **kwargs)
        except exc.DBAPIError as error:
            raise ConfigError(
                f"the database of the jobs cannot be used: {_reason(error)}; see jobs.database and jobs.folder"
            ) from error

    def close(self) -> None:
        """Blocks until the calls that run are over. Whoever still wants a connection is refused one."""
        self._is_closed = True
        for threads in (self._clients, self._searches, self._upkeep, self._runs):
            threads.shutdown(cancel_futures=True)
        self.engine.dispose()

    async def _in(
        self, threads: ThreadPoolExecutor, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: self._guarded(function, *args, **kwargs))

    def _guarded(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            result = function(*args, **kwargs)
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if not _is_outage(error):
                raise
            if not self._is_lost:
                self._is_lost = True
                _log.error("jobs.database-lost", error=_reason(error))
            raise Overloaded(
                "the database of the jobs does not answer; try again later",
                code=UNAVAILABLE,
                retry_after=_RETRY_S,
            ) from error
        if self._is_lost:
            self._is_lost = False
            _log.info("jobs.database-back")
        return result

    def _refuse_closed(self, dialect: Any, record: Any, args: Any, kwargs: Any) -> None:
        # DBOS tries again for ever where it gets no connection, unless the error is one that it does not know.
        if self._is_closed:
            raise RuntimeError("the jobs are closed")


def _is_outage(error: exc.DBAPIError | exc.TimeoutError) -> bool:
    if isinstance(error, exc.TimeoutError):
        return True
    return error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError)


def _reason(error: exc.DBAPIError | exc.TimeoutError) -> str:
    """Without the statement and its values."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _sqlite(path: Path) -> sa.Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What people said stands in it, and it is nobody else's. Its log is made with the same rights.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; set jobs.folder to one that can") from None
    engine = sa.create_engine(
        f"sqlite:///{path}",
        pool_size=_POOL,
        max_overflow=0,
        pool_timeout=30,
        # The few that are in use stay so: each keeps pages and statements, and those of a turn would all have all.
        pool_use_lifo=True,
        connect_args={"timeout": 30},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        # Transactions take the writer's lock when they begin: one that read first could not have it any more.
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "busy_timeout=30000",
            "foreign_keys=ON",
            f"cache_size=-{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _postgres(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        raise ConfigError("jobs.database is no address of a database: postgresql://user:password@host/name") from None
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(
            f"jobs.database is {parsed.get_backend_name()}; use postgresql://, or leave it out for SQLite"
        )
    return sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=_POOL,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_S,
            "application_name": "asr-hub",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "options": "-c idle_in_transaction_session_timeout=60000 -c statement_timeout=60000",
        },
    )
