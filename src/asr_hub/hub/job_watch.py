"""
Who watches which job: told through the store's slice, at a cost that does not grow with jobs or with other watchers.

One subscription serves all. The slice says which job its last fact was about, and only those who watch that one are
told. A reader keeps no queue: it reads how the job stands, however much happened since it last did.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import HubError, NotFound, Overloaded
from asr_hub.jobs.ids import is_job_id
from asr_hub.jobs.job import Job, JobId, JobState
from asr_hub.jobs.ports import JobStore
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.jobs import JobRecord, Jobs, jobs, select_job
from asr_hub.telemetry import logs
from asr_hub.wire.jobs import JobError, JobProgress

MAX_WATCHES = 10_000
"""Of all connections together."""

LOOKUP_TIMEOUT_S = 25.0
"""Seconds that whoever keeps the jobs may take to say how one stands: they may have to be opened first."""

DELETED = "deleted"
"""The code of a job that ended because somebody deleted it."""


class Found(msgspec.Struct, frozen=True):
    """A job as those say who keep it."""

    record: JobRecord
    position: int | None = None
    """How many are before it, where it waits."""


Lookup = Callable[[str], Awaitable[Found | None]]
"""How a job stands that the slice does not tell of; nothing where there is none. Raises HubError."""


def lookup_in(store: JobStore) -> Lookup:
    """Ask the jobs themselves."""

    async def look(id: str) -> Found | None:
        try:
            job = await store.job(JobId(id))
        except NotFound:
            return None
        position = (await store.place(job)).position if job.state is JobState.QUEUED else None
        return Found(record_of(job), position)

    return look


def record_of(job: Job) -> JobRecord:
    """A job as the slice tells of it."""
    return JobRecord(
        id=job.id,
        principal=job.principal,
        provider=job.wish.provider,
        priority=job.handling.priority,
        state=job.state.value,
        seconds=job.seconds,
        segments=job.segments,
        segments_done=job.segments_done,
        executor=job.executor,
        code=job.failure.code if job.failure is not None else None,
        message=job.failure.message if job.failure is not None else None,
        updated_at=job.updated_at,
    )


class JobWatches:
    """
    Everybody who watches a job. Implements `JobsLivePort`; whoever owns this calls `aclose` before the store closes.

    The slice has all jobs that are not over, and the last that are. The others, and places in the queue, are asked of
    `lookup`, once as a watch begins.
    """

    def __init__(
        self,
        store: HubStore,
        lookup: Lookup | None = None,
        *,
        max_watches: int = MAX_WATCHES,
        lookup_timeout_s: float = LOOKUP_TIMEOUT_S,
    ) -> None:
        self._store = store
        self._lookup = lookup or _nobody_knows
        self._max_watches = max_watches
        self._lookup_timeout_s = lookup_timeout_s
        self._watched: dict[str, _Watched] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._subscription = store.select(jobs.part).subscribe(self._changed)

    def __len__(self) -> int:
        """Watches that are open."""
        return self._count

    @property
    def tasks(self) -> int:
        """Lookups that run."""
        return len(self._tasks)

    def watch(self, job: str, *, grant: Grant, on_change: Callable[[], None]) -> Watch:
        grant.must(Scope.WATCH)
        grant.must_roam()
        if self._is_closed:
            raise Overloaded("the hub is shutting down; connect to another or try again later", code="draining")
        if self._count >= self._max_watches:
            raise Overloaded(f"{self._max_watches} watches of jobs are open; close some, or try again later")
        watched = self._watched.get(job)
        if watched is None:
            # First it is listened to and then looked for: what happens in between is told.
            watched = self._watched[job] = _Watched(job, select_job(self._store.state, job))
        watch = Watch(watched, grant, on_change, self._left)
        watched.watches.add(watch)
        self._count += 1
        # For the job of somebody else as well: how long the answer takes must not tell that there is one.
        if not watch.is_shown or watched.is_waiting:
            task = watch.looking = asyncio.get_running_loop().create_task(self._look(watch), name="job lookup")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return watch

    async def aclose(self) -> None:
        """End the subscription and the lookups. May be called twice."""
        self._is_closed = True
        self._subscription.dispose()
        for task in (tasks := tuple(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self, part: Jobs) -> None:
        if (watched := self._watched.get(part.changed)) is not None:
            watched.tell(part.records.get(part.changed))

    def _left(self, watch: Watch) -> None:
        watched = watch.watched
        watched.watches.discard(watch)
        self._count -= 1
        if not watched.watches:
            del self._watched[watched.job]

    async def _look(self, watch: Watch) -> None:
        """Ask once how a job stands, for one who begins to watch it."""
        watched, before = watch.watched, watch.watched.record
        failure: HubError | None = None
        try:
            watched.learn(await self._ask(watched.job), since=before)
        except HubError as error:
            failure = error
        watch.looked(failure)

    async def _ask(self, job: str) -> Found | None:
        if not is_job_id(job):
            # It goes to a database otherwise, and there cannot be one.
            return None
        try:
            async with asyncio.timeout(self._lookup_timeout_s):
                return await self._lookup(job)
        except TimeoutError:
            raise Overloaded("whoever keeps the jobs does not answer; try again later", code="jobs-slow") from None
        except HubError:
            raise
        except Exception as exc:  # noqa: BLE001  the edge: those who wait are told, and the log has the reason
            _log.exception("jobs.lookup", exc)
            raise HubError("the hub failed; its log has the details") from None


class Watch:
    """One reader's look at one job. See `JobWatch` for what each call promises."""

    def __init__(
        self, watched: _Watched, grant: Grant, on_change: Callable[[], None], on_close: Callable[[Watch], None]
    ) -> None:
        self.watched = watched
        self.looking: asyncio.Task[None] | None = None
        """Runs, or is through, where somebody was asked."""
        self._sees_all = Scope.ADMIN in grant.scopes
        self._name = grant.name
        self._on_change = on_change
        self._on_close = on_close
        self._failure: HubError | None = None
        self._has_looked = False
        self._told: JobRecord | None = None
        self._position: int | None = None
        self._is_closed = False

    def read(self) -> JobProgress | None:
        watched = self.watched
        record = watched.record
        is_looking = self.looking is not None and not self._has_looked
        if record is None or not self.is_shown:
            if is_looking:
                return None
            raise self._failure or unknown_job()
        if is_looking and watched.is_waiting and self._told is None:
            return None
        if record is self._told and watched.position == self._position:
            return None
        self._told, self._position = record, watched.position
        return progress_of(record, watched.position)

    @property
    def is_over(self) -> bool:
        return self._told is not None and self._told.is_over

    @property
    def is_shown(self) -> bool:
        """There is a job, as far as this reader may know."""
        record = self.watched.record
        return record is not None and (self._sees_all or record.principal == self._name)

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self.looking is not None:
            self.looking.cancel()
        self._on_close(self)

    def looked(self, failure: HubError | None) -> None:
        """Somebody was asked, and what is known of it is there now."""
        self._failure = failure
        self._has_looked = True
        self.ring()

    def ring(self) -> None:
        """There may be something to read."""
        if self._is_closed:
            return
        try:
            self._on_change()
        except Exception as exc:  # noqa: BLE001  one reader's fault is not another's, nor the store's
            _log.exception("jobs.watch", exc)


class _Watched:
    """A job that somebody watches."""

    def __init__(self, job: str, record: JobRecord | None) -> None:
        self.job = job
        self.record = record
        self.position: int | None = None
        """How many were before it when somebody last asked; none once anything has happened since."""
        self.watches: set[Watch] = set()

    @property
    def is_waiting(self) -> bool:
        return self.record is not None and self.record.state == "queued"

    def tell(self, record: JobRecord | None) -> None:
        """This is how it stands now; nothing: it is forgotten."""
        if record is None:
            record = self.record
            if record is None or record.is_over:
                return
            record = replace(record, state="cancelled", code=DELETED, message="the job was deleted")
        self.record = record
        self.position = None
        self._ring()

    def learn(self, found: Found | None, *, since: JobRecord | None) -> None:
        """What those said who keep it, where nothing else was told `since` they were asked."""
        if found is None or self.record is not since:
            return
        if since is None:
            self.tell(found.record)
        if self.is_waiting and found.position != self.position:
            self.position = found.position
            self._ring()

    def _ring(self) -> None:
        for watch in tuple(self.watches):
            watch.ring()


def progress_of(record: JobRecord, position: int | None = None) -> JobProgress:
    """A job as those who watch it are told."""
    return JobProgress(
        id=record.id,
        status=record.state,
        progress=min(math.floor(1000 * record.progress) / 10, 100.0),
        segments=record.segments,
        segments_done=record.segments_done,
        seconds=record.seconds,
        position=position,
        error=JobError(code=record.code, message=record.message or "") if record.code is not None else None,
        updated_at=record.updated_at,
    )


def unknown_job() -> NotFound:
    """Also for the job of somebody else, so that nobody learns which there are."""
    return NotFound("no such job: it was never there, is no longer kept, or came with another key", code="unknown-job")


async def _nobody_knows(_: str) -> Found | None:
    return None


_log = logs.get(__name__)
