"""
The jobs: `JobStore` on DBOS, in SQLite or PostgreSQL.

    async with open_jobs(config.jobs, folder=folder, hear=hear, cutter=cutter, audio=audio, webhooks=None,
                         fingerprint=lambda provider: "…", dispatch=store.dispatch) as jobs:
        job, is_new = await jobs.submit(path, sha256=…, size=…, name=…, principal="", wish=wish, handling=Handling())

A job is a row of a table; all that becomes of it is written there, in one transaction each. Wherever the process ends,
what is not done is begun again by the next one, and only the segments that were not heard are heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from asr_hub.config.schema import Jobs
from asr_hub.errors import Overloaded
from asr_hub.jobs import executors, result_lines, tables
from asr_hub.jobs.adoption import Adoption
from asr_hub.jobs.database import Database
from asr_hub.jobs.executors import Pulse
from asr_hub.jobs.facts import Telling
from asr_hub.jobs.history import History
from asr_hub.jobs.ids import job_id
from asr_hub.jobs.job import Handling, Job, JobId, JobState, Result, Wish
from asr_hub.jobs.ledger import Ledger, amended, clean
from asr_hub.jobs.listing import Listing
from asr_hub.jobs.ports import AudioStore, Cutter, Hear, Page, Place, Query, QueueState
from asr_hub.jobs.precedence import Precedence
from asr_hub.jobs.retention import Keeping, Sweeper
from asr_hub.jobs.running import Parts, Runs
from asr_hub.jobs.tables import Standing
from asr_hub.jobs.telling import Sender, Teller
from asr_hub.jobs.upkeep import Upkeep
from asr_hub.jobs.workflow import Workflows
from asr_hub.model import ProviderName
from asr_hub.store.event import Event
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.jobs")


@asynccontextmanager
async def open_jobs(
    settings: Jobs,
    *,
    folder: Path,
    hear: Hear,
    cutter: Cutter,
    audio: AudioStore,
    webhooks: Sender | None,
    fingerprint: Callable[[ProviderName], str],
    dispatch: Callable[[Event], None],
    now: Callable[[], float] = time.time,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[DbosJobs]:
    """
    The jobs of this process, worked at until the block is left; what runs then is left for the next start.

    `folder` is for the database, the decoded audio, and the name of this process. `fingerprint` tells what the
    configuration of a provider is, and raises NotFound for one that there is not. `dispatch` is called on this loop.

    Raises ConfigError where the jobs of this process are open already, where the folder cannot be written, and for a
    database that is none; Overloaded (`jobs-unavailable`) where the database does not answer.
    """
    with executors.slot(folder) as name:
        database = Database(settings.database, folder)
        try:
            async with _working(
                _Ingredients(
                    settings=settings,
                    folder=folder,
                    name=name,
                    database=database,
                    hear=hear,
                    cutter=cutter,
                    keeping=Keeping(audio),
                    sender=webhooks,
                    fingerprint=fingerprint,
                    telling=Telling(dispatch),
                    history=History(folder),
                    precedence=Precedence(),
                    now=now,
                    pause=pause,
                )
            ) as jobs:
                yield jobs
        finally:
            await asyncio.to_thread(database.close)


class _Ingredients(msgspec.Struct, frozen=True, kw_only=True):
    settings: Jobs
    folder: Path
    name: str
    database: Database
    hear: Hear
    cutter: Cutter
    keeping: Keeping
    sender: Sender | None
    fingerprint: Callable[[ProviderName], str]
    telling: Telling
    history: History
    precedence: Precedence
    now: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]


@asynccontextmanager
async def _working(given: _Ingredients) -> AsyncIterator[DbosJobs]:
    settings, database = given.settings, given.database

    async def transcribe(id: JobId, turn: str) -> None:
        try:
            await runs.transcribe(id, turn)
        except Exception as error:  # noqa: BLE001 - the edge of one job: DBOS would keep the defect to itself
            _log.exception("job.defect", error, job=id)
        upkeep.ended()

    async def tell(id: JobId, turn: str, attempt: int) -> None:
        try:
            await teller.tell(id, turn, attempt)
        except Exception as error:  # noqa: BLE001 - likewise
            _log.exception("job.webhook-defect", error, job=id)

    queue = Workflows(database, given.name, concurrency=settings.concurrency, transcribe=transcribe, tell=tell)
    ledger = Ledger(database, queue, now=given.now, most_queued=settings.max_queued)
    teller = Teller(
        database, ledger, given.telling, given.sender, queue, attempts=settings.webhooks.attempts, now=given.now
    )
    runs = Runs(
        database,
        ledger,
        given.telling,
        Parts(
            hear=given.hear,
            cutter=given.cutter,
            audio=given.keeping.audio,
            folder=given.folder,
            executor=given.name,
            timeout_s=settings.timeout_s,
            attempts=settings.attempts,
            history=given.history,
            precedence=given.precedence,
            pause=given.pause,
        ),
    )
    pulse = Pulse(database, given.name, dead_after_s=settings.dead_after_s)
    sweeper = Sweeper(
        database, ledger, given.telling, given.keeping, given.folder, settings.retention, pulse, now=given.now
    )
    adoption = Adoption(ledger, queue, given.name, now=given.now)
    upkeep = Upkeep(
        database, ledger, given.telling, runs, pulse, adoption, sweeper, queue, dead_after_s=settings.dead_after_s,
        history=given.history, now=given.now,
    )  # fmt: skip
    try:
        await database.prepare(_create, database)
        await given.telling.tell_all(await database.call(ledger.unfinished))
        await upkeep.first_beat()
        await database.prepare(queue.launch)
        async with upkeep.running():
            yield DbosJobs(given, ledger, runs, sweeper, upkeep, queue)
            await runs.close()
    finally:
        await runs.close()
        await asyncio.to_thread(queue.close)
        await upkeep.last_beat()


def _create(database: Database) -> None:
    with database.writing() as connection:
        tables.create(connection)


class DbosJobs:
    """Implements `JobStore`. Made by `open_jobs`."""

    def __init__(
        self,
        given: _Ingredients,
        ledger: Ledger,
        runs: Runs,
        sweeper: Sweeper,
        upkeep: Upkeep,
        queue: Workflows,
    ) -> None:
        self._given = given
        self._database = given.database
        self._ledger = ledger
        self._listing = Listing(given.database, concurrency=given.settings.concurrency)
        self._runs = runs
        self._sweeper = sweeper
        self._upkeep = upkeep
        self._queue = queue

    @property
    def executor(self) -> str:
        """How this process is called in jobs that it works at."""
        return self._given.name

    async def submit(
        self, audio: Path, *, sha256: str, size: int, name: str, principal: str, wish: Wish, handling: Handling
    ) -> tuple[Job, bool]:
        """As `JobStore.submit`. What the handling changes of a job that is there already: see `ledger.amended`."""
        with self._given.precedence.answered():
            return await self._submitted(
                audio, sha256=sha256, size=size, name=name, principal=principal, wish=wish, handling=handling
            )

    async def _submitted(
        self, audio: Path, *, sha256: str, size: int, name: str, principal: str, wish: Wish, handling: Handling
    ) -> tuple[Job, bool]:
        id = job_id(sha256, wish, principal, self._given.fingerprint(wish.provider))
        before = await self._database.call(self._ledger.admit, id)
        if before is not None:
            return await self._amended(before, handling), False
        now = self._given.now()
        job = Job(
            id=id,
            principal=clean(principal),
            name=clean(name),
            sha256=sha256,
            size=size,
            wish=wish,
            handling=handling,
            state=JobState.QUEUED,
            created_at=now,
            updated_at=now,
        )
        async with self._given.keeping.alone(sha256):
            await self._given.keeping.audio.put(sha256, audio)
            standing, is_new = await self._database.call(self._ledger.submit, job)
        self._tell(standing)
        _log.info("job.submitted", job=id, is_new=is_new, provider=wish.provider, size=size)
        return standing.job, is_new

    async def job(self, id: JobId) -> Job:
        return (await self._database.call(self._ledger.read, id)).job

    async def place(self, job: Job) -> Place:
        alive = len(self._upkeep.alive)
        # One way to the threads and back: a client waits for this with every file it submits.
        return await self._database.call(lambda: self._listing.place(self._ledger.read(job.id), alive))

    async def result(self, id: JobId) -> Result:
        text = await self._database.call(self._ledger.result, id)
        return await asyncio.to_thread(result_lines.read, text)

    async def cancel(self, id: JobId) -> Job:
        standing, is_cancelled = await self._database.call(self._ledger.cancel, id)
        if is_cancelled:
            self._tell(standing)
            await self._withdraw(standing)
            await self._given.history.append(standing.job, 0)
            _log.info("job.cancelled", job=id)
        return standing.job

    async def retry(self, id: JobId) -> Job:
        standing = await self._database.call(self._ledger.retry, id)
        self._tell(standing)
        _log.info("job.retried", job=id)
        return standing.job

    async def delete(self, id: JobId) -> None:
        standing, is_shared = await self._database.call(self._ledger.delete, id)
        self._given.telling.forget(id, self._given.now(), created_at=standing.job.created_at)
        if not standing.job.state.is_over:
            await self._withdraw(standing)
        if not is_shared:
            await self._sweeper.drop(standing.job.sha256)
        _log.info("job.deleted", job=id)

    async def history(self, query: Query) -> Page:
        ask = self._database.search if query.text else self._database.call
        return await ask(self._listing.history, query)

    async def queue(self) -> QueueState:
        return await self._database.call(self._listing.queue, self._upkeep.alive)

    async def sweep(self) -> None:
        """Delete what is kept no longer, now. It is done every few minutes, too. Raises HubError."""
        await self._upkeep.sweep()

    async def _amended(self, before: Standing, handling: Handling) -> Job:
        if amended(before.job, handling) == before.job.handling and handling.webhook is None:
            return before.job
        after = await self._database.call(self._ledger.amend, before.job.id, handling)
        self._tell(after)
        if after.turn != before.turn:
            await self._take_out(before)
        return after.job

    async def _withdraw(self, standing: Standing) -> None:
        """Nobody is to work at it any more. Another hub that does so sees that when it next writes something down."""
        self._runs.stop(standing.job.id)
        if not standing.job.executor:
            await self._take_out(standing)

    async def _take_out(self, standing: Standing) -> None:
        try:
            await self._database.call(self._queue.withdraw, standing)
        except Overloaded as error:
            # Its entry is passed over when its turn comes.
            _log.info("job.entry-left", job=standing.job.id, code=error.code)

    def _tell(self, standing: Standing) -> None:
        self._given.telling.tell(standing)
