"""
The queue of the jobs, on DBOS.

DBOS hands out the entries of its queue: by priority, to hubs that have room for them, again where a hub died before an
entry was done. What is done with a job stands in the hub's own tables: an entry is a job and its turn, and its
workflow has no steps. (See docs/decisions/0016-jobs-on-dbos.md.)
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, Serializer

from asr_hub.errors import ConfigError
from asr_hub.jobs.database import Database
from asr_hub.jobs.ids import entry_id, entry_of
from asr_hub.jobs.job import JobId
from asr_hub.jobs.tables import Standing

FILES = "files"
"""The queue of jobs. Each provider is a partition of it."""
WEBHOOKS = "webhooks"

POLL_S = 0.2
"""Seconds between two looks at the queue."""

WEBHOOKS_AT_ONCE = 8
MOST_RUNS = 100
"""How often one entry is begun: a job that ends the process each time is not begun for ever."""

_VERSION = "jobs-1"
_APPLICATION = "asr-hub"
_THREADS = 32
_QUEUE_THREAD = "queue-worker-"
_PATIENCE_S = 5.0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the queue that is not done."""

    job: JobId
    turn: str
    executor: str | None
    """Who has it; none: it waits."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that was handed out, and whose end nobody wrote down yet."""

    id: str
    job: JobId
    turn: str
    attempt: int
    executor: str


class Workflows:
    """
    Implements `Queue`. There is one in a process, as DBOS is one.

    `transcribe` and `tell` run on the loop that made this. Where they are cancelled, the entry is begun again when
    DBOS starts the next time; whatever else they do, it is done.
    """

    def __init__(
        self,
        database: Database,
        executor: str,
        *,
        concurrency: int,
        transcribe: Callable[[JobId, str], Awaitable[None]],
        tell: Callable[[JobId, str, int], Awaitable[None]],
    ) -> None:
        """Raises ConfigError where there is one already."""
        if _open:
            raise ConfigError("the jobs of this process are open already; close them, or use another process")
        self._database = database
        self._executor = executor
        self._concurrency = concurrency
        self._transcribe = transcribe
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self._told: set[tuple[JobId, str, int]] = set()
        """What this process is telling now."""
        self._dbos: DBOS | None = None
        self._client = DBOSClient(
            system_database_engine=database.engine,
            serializer=JsonText(),
            application_name=_APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )
        _open.append(self)

    def launch(self) -> None:
        """Begin to hand out entries: those that this executor had when it ended, too. Blocks."""
        # DBOS writes to stderr by itself where its logger has no handler.
        logger = logging.getLogger("dbos")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        config: DBOSConfig = {
            "name": _APPLICATION,
            "system_database_url": str(self._database.engine.url),
            "system_database_engine": self._database.engine,
            "executor_id": self._executor,
            "application_version": _VERSION,
            "serializer": JsonText(),
            "log_level": "CRITICAL",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.2,
            "scheduler_polling_interval_sec": 30.0,
            "max_executor_threads": _THREADS,
        }
        self._dbos = DBOS(config=config)
        self._register_early()
        DBOS.launch()
        self._register()

    def close(self) -> None:
        """Hand out no more, and leave what runs for the next start. Blocks for up to some seconds."""
        self._is_closing = True
        try:
            self._stop_handing_out()
            DBOS.destroy()
            self._client.destroy()
        finally:
            _open.clear()

    def enqueue(self, connection: sa.Connection, standing: Standing) -> None:
        job = standing.job
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": _TRANSCRIBE,
                "queue_name": FILES,
                "queue_partition_key": job.wish.provider,
                "workflow_id": entry_id(job.id, standing.turn),
                "workflow_id_reuse_policy": "reject",
                "app_version": _VERSION,
                "priority": job.handling.priority,
            },
            job.id,
            standing.turn,
        )

    def withdraw(self, standing: Standing) -> None:
        self._client.delete_workflow(entry_id(standing.job.id, standing.turn))

    def announce(
        self, connection: sa.Connection, standing: Standing, attempt: int = 1, delay_s: float | None = None
    ) -> None:
        job, turn = standing.job.id, standing.turn
        # A job that is over may be told of again, and DBOS answers an id that it knows with the old entry.
        id = f"{entry_id(job, turn)}-webhook-{standing.version}-{attempt}"
        self._announce(connection, id, job, turn, attempt, delay_s)

    def _announce(
        self, connection: sa.Connection, id: str, job: JobId, turn: str, attempt: int, delay_s: float | None
    ) -> None:
        options: EnqueueOptions = {
            "workflow_name": _TELL,
            "queue_name": WEBHOOKS,
            "workflow_id": id,
            "app_version": _VERSION,
        }
        if delay_s is not None:
            options["delay_seconds"] = delay_s
        self._client.enqueue_in_transaction(connection, options, job, turn, attempt)

    def announcements(self) -> Sequence[Announcement]:
        """Those that hubs have now, but for those that this one is telling. Blocks."""
        found = self._client.list_workflows(name=_TELL, status="PENDING", load_input=False, load_output=False)
        held: list[Announcement] = []
        for one in found:
            announced = _announced(one.workflow_id, one.executor_id or "")
            if announced is not None and (announced.job, announced.turn, announced.attempt) not in self._told:
                held.append(announced)
        return held

    def announce_again(self, lost: Announcement) -> None:
        """Have it told by any hub. Who does so at the same time makes the same entry. Blocks."""
        with self._database.writing() as connection:
            self._announce(connection, lost.id + _AGAIN, lost.job, lost.turn, lost.attempt, None)
        self._client.delete_workflow(lost.id)

    def forget(self, entries: Sequence[Entry]) -> None:
        """Delete entries that nobody will end, as many as are deleted at a time. Blocks."""
        if entries:
            self._client.delete_workflows([entry_id(one.job, one.turn) for one in entries[:_SWEEP]])

    def entries(self) -> Sequence[Entry]:
        """Those of jobs that wait or run. Blocks."""
        found = self._client.list_workflows(
            name=_TRANSCRIBE, status=["ENQUEUED", "PENDING", "DELAYED"], load_input=False, load_output=False
        )
        entries: list[Entry] = []
        for one in found:
            job, turn = entry_of(one.workflow_id)
            entries.append(Entry(job=job, turn=turn, executor=one.executor_id if one.status == "PENDING" else None))
        return entries

    def forget_done(self) -> int:
        """Delete entries that are done: what came of them stands with the jobs. Returns how many. Blocks."""
        found = self._client.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            load_input=False,
            load_output=False,
            limit=_SWEEP,
        )
        if found:
            self._client.delete_workflows([one.workflow_id for one in found])
        return len(found)

    def _stop_handing_out(self) -> None:
        """
        DBOS ends its loop before the threads that put work on it, and one that does so in between waits for ever.

        Nothing where DBOS did not get as far as that.
        """
        if self._dbos is None:
            return
        for event in self._dbos.background_thread_stop_events:
            event.set()
        for thread in threading.enumerate():
            if thread.name.startswith(_QUEUE_THREAD):
                thread.join(_PATIENCE_S)

    async def bridge(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run this on the hub's loop, from that of DBOS."""
        if self._is_closing:
            raise asyncio.CancelledError
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))

    async def transcribe(self, job: JobId, turn: str) -> None:
        await self._transcribe(job, turn)

    async def tell(self, job: JobId, turn: str, attempt: int) -> None:
        told = (job, turn, attempt)
        self._told.add(told)
        try:
            await self._tell(job, turn, attempt)
        finally:
            self._told.discard(told)

    def _register_early(self) -> None:
        """DBOS looks for new queues once a second; those that are there when it starts are seen at once."""
        with self._database.reading() as connection:
            schema = None if self._database.is_sqlite else "dbos"
            if not sa.inspect(connection).has_table("dbos_migrations", schema=schema):
                return
        # Another hub may be in the middle of making the tables; what else is wrong is said where DBOS starts.
        with suppress(sa.exc.DBAPIError):
            self._register()

    def _register(self) -> None:
        self._client.register_queue(FILES, partition_worker_concurrency=self._concurrency, polling_interval_sec=POLL_S)
        self._client.register_queue(WEBHOOKS, worker_concurrency=WEBHOOKS_AT_ONCE, polling_interval_sec=1.0)


class JsonText(Serializer):
    """JSON, and never pickle: a database is an input too."""

    def name(self) -> str:
        return "asr_hub_json"

    def serialize(self, data: Any) -> str:
        if isinstance(data, BaseException):
            data = {"error": type(data).__name__}
        return msgspec.json.encode(data).decode()

    def deserialize(self, serialized_data: str) -> Any:
        return msgspec.json.decode(serialized_data)


_TRANSCRIBE = "transcribe"
_TELL = "tell"
_AGAIN = "-again"
_ANNOUNCED = re.compile(r"(?P<entry>[0-9a-f]+-[0-9a-f]{32})-webhook-(?:\d+-)?(?P<attempt>\d+)(?:-again)*")
_SWEEP = 1_000

_open: list[Workflows] = []
"""None, or the one of this process."""


def _announced(id: str, executor: str) -> Announcement | None:
    found = _ANNOUNCED.fullmatch(id)
    if found is None:
        return None
    job, turn = entry_of(found["entry"])
    return Announcement(id=id, job=job, turn=turn, attempt=int(found["attempt"]), executor=executor)


def _mine() -> Workflows:
    if not _open:
        # It is begun again when the jobs are open again.
        raise asyncio.CancelledError
    return _open[0]


@DBOS.workflow(name=_TRANSCRIBE, max_recovery_attempts=MOST_RUNS)
async def _transcribe(job: str, turn: str) -> None:
    mine = _mine()
    await mine.bridge(lambda: mine.transcribe(JobId(job), turn))


@DBOS.workflow(name=_TELL, max_recovery_attempts=MOST_RUNS)
async def _tell(job: str, turn: str, attempt: int) -> None:
    mine = _mine()
    await mine.bridge(lambda: mine.tell(JobId(job), turn, attempt))
