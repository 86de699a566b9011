"""What is written down of the jobs, and what is read of them. Everything here blocks: see `Database.call`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.dialects import postgresql, sqlite

from asr_hub.errors import Conflict, NotFound, Overloaded
from asr_hub.jobs.database import Database
from asr_hub.jobs.ids import is_job_id, new_turn
from asr_hub.jobs.job import Failure, Handling, HeardSegment, Job, JobId, JobState, Result, Segment
from asr_hub.jobs.result_lines import written
from asr_hub.jobs.tables import STANDING, Standing, jobs, segments, standing, text

UNFINISHED = (JobState.QUEUED, JobState.PROCESSING)
RESTARTABLE = (JobState.FAILED, JobState.CANCELLED)

T = TypeVar("T")


class Queue(Protocol):
    """Where jobs wait, in the same database: an entry is there when the transaction is, and only then."""

    def enqueue(self, connection: sa.Connection, standing: Standing) -> None: ...

    def withdraw(self, standing: Standing) -> None:
        """Take its entry out; nothing where it is out already."""
        ...

    def announce(self, connection: sa.Connection, standing: Standing) -> None:
        """Have its webhook told."""
        ...


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is cut; the same for every run, whatever becomes of the spool."""

    rate: int
    """Hertz"""
    channels: int
    samples: int
    """Of each channel"""
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A job, and the right to work at it."""

    standing: Standing
    token: str
    plan: Plan | None
    done: frozenset[int]
    """The numbers of the segments that are heard already."""

    @property
    def id(self) -> JobId:
        return self.standing.job.id


class Lost(Exception):
    """Somebody else works at the job now, or nobody is to."""


def amended(job: Job, more: Handling) -> Handling:
    """
    How a job is handled that is there already, and is submitted again with this.

    One that waits takes the better priority; one that is not over a webhook, where it has none; one that is done the
    new webhook, which is told at once. Its result is offered in the formats of both. All else stays as it was, and all
    of one that failed or was cancelled: that is put into the queue anew.
    """
    mine = job.handling
    if job.state in RESTARTABLE:
        return mine
    is_done = job.state is JobState.DONE
    return replace(
        mine,
        priority=min(mine.priority, more.priority) if job.state is JobState.QUEUED else mine.priority,
        webhook=(more.webhook or mine.webhook) if is_done else (mine.webhook or more.webhook),
        # None at all are all there are.
        formats=tuple(dict.fromkeys((*mine.formats, *more.formats))) if mine.formats and more.formats else (),
    )


class Ledger:
    """The jobs, each change in one transaction."""

    def __init__(self, database: Database, queue: Queue, *, now: Callable[[], float], most_queued: int) -> None:
        self._database = database
        self._queue = queue
        self._now = now
        self._most_queued = most_queued

    # What clients want

    def find(self, id: JobId) -> Standing | None:
        if not is_job_id(id):
            return None
        with self._database.reading() as connection:
            return _one(connection.execute(sa.select(*STANDING).where(jobs.c.id == id)))

    def read(self, id: JobId) -> Standing:
        """Raises NotFound."""
        found = self.find(id)
        if found is None:
            raise _unknown(id)
        return found

    def result(self, id: JobId) -> str:
        """As `result_lines` has it. Raises NotFound, Conflict."""
        self._check(id)
        with self._database.reading() as connection:
            row = connection.execute(sa.select(jobs.c.state, jobs.c.result).where(jobs.c.id == id)).first()
        if row is None:
            raise _unknown(id)
        if row.state != JobState.DONE or row.result is None:
            raise Conflict(f"job {id} is {row.state}; its result is there when it is done", code="not-done")
        return str(row.result)

    def admit(self, id: JobId) -> Standing | None:
        """The job where it is there and needs no further run. Raises Overloaded where as many wait as may."""
        with self._database.reading() as connection:
            found = _one(connection.execute(sa.select(*STANDING).where(jobs.c.id == id)))
            if found is not None and found.job.state not in RESTARTABLE:
                return found
            waiting = connection.execute(
                sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == JobState.QUEUED)
            ).scalar_one()
        if waiting >= self._most_queued:
            raise Overloaded(f"{waiting} jobs wait already; try again later", code="too-many-jobs", retry_after=30.0)
        return None

    def submit(self, job: Job) -> tuple[Standing, bool]:
        """Write it down, or put one that failed or was cancelled into the queue again, or find and amend it."""
        with self._database.promising() as connection:
            inserted = _one(
                connection.execute(
                    self._insert(jobs)
                    .values(**_columns(job), changed_at=self._database.clock)
                    .on_conflict_do_nothing(index_elements=["id"])
                    .returning(*STANDING)
                )
            )
            if inserted is not None:
                self._queue.enqueue(connection, inserted)
                return inserted, True
            handling = {"handling": text(job.handling), "priority": job.handling.priority}
            again = self._restart(connection, job.id, {**handling, "name": job.name, "search": job.name.casefold()})
            if again is not None:
                return again, False
            return self._amend(connection, job.id, job.handling), False

    def amend(self, id: JobId, handling: Handling) -> Standing:
        """It is submitted again: see `amended`. It has another turn where it got a new place in the queue."""
        with self._database.promising() as connection:
            return self._amend(connection, id, handling)

    def retry(self, id: JobId) -> Standing:
        """Raises NotFound, Conflict, Overloaded."""
        self._check(id)
        self.admit(id)
        with self._database.promising() as connection:
            again = self._restart(connection, id, {})
            if again is not None:
                return again
        found = self.read(id)
        raise Conflict(f"job {id} is {found.job.state}; only one that failed or was cancelled can be tried again",
                       code="not-failed")  # fmt: skip

    def cancel(self, id: JobId) -> tuple[Standing, bool]:
        """The job, and whether it was cancelled by this. Raises NotFound."""
        self._check(id)
        now = self._now()
        with self._database.promising() as connection:
            cancelled = _one(
                connection.execute(
                    self._update(jobs.c.id == id, jobs.c.state.in_(UNFINISHED), now=now)
                    .values(state=JobState.CANCELLED, token="", finished_at=now)
                    .returning(*STANDING)
                )
            )
            if cancelled is not None:
                self._end(connection, cancelled)
                return cancelled, True
        return self.read(id), False

    def delete(self, id: JobId) -> tuple[Standing, bool]:
        """The job as it was, and whether another has the same audio. Raises NotFound."""
        self._check(id)
        with self._database.promising() as connection:
            deleted = _one(connection.execute(sa.delete(jobs).where(jobs.c.id == id).returning(*STANDING)))
            if deleted is None:
                raise _unknown(id)
            connection.execute(sa.delete(segments).where(segments.c.job == id))
            return deleted, _is_shared(connection, deleted.job.sha256)

    # What a run does

    def claim(self, id: JobId, turn: str, executor: str, token: str) -> Claim | None:
        """Begin to work at it, unless somebody was told to do so since, or nobody is to any more."""
        now = self._now()
        with self._database.writing() as connection:
            row = connection.execute(
                self._update(jobs.c.id == id, jobs.c.turn == turn, jobs.c.state.in_(UNFINISHED), now=now)
                .values(
                    state=JobState.PROCESSING,
                    executor=executor,
                    token=token,
                    runs=jobs.c.runs + 1,
                    started_at=sa.func.coalesce(jobs.c.started_at, now),
                )
                .returning(*STANDING, jobs.c.plan)
            ).first()
            if row is None:
                return None
            numbers = connection.execute(sa.select(segments.c.number).where(segments.c.job == id)).scalars()
            plan = msgspec.json.decode(row.plan, type=Plan) if row.plan else None
            return Claim(standing=standing(row), token=token, plan=plan, done=frozenset(numbers))

    def keep_plan(self, claim: Claim, plan: Plan) -> Standing:
        """Raises Lost."""
        with self._database.writing() as connection:
            values = {
                "plan": text(plan),
                "seconds": plan.samples / plan.rate,
                "segments": len(plan.segments),
            }
            return self._change(connection, claim, values)

    def keep_segment(self, claim: Claim, heard: HeardSegment) -> Standing:
        """Raises Lost."""
        with self._database.writing() as connection:
            inserted = connection.execute(
                self._insert(segments)
                .values(job=claim.id, number=heard.segment.number, heard=text(heard))
                .on_conflict_do_nothing(index_elements=["job", "number"])
                .returning(segments.c.number)
            ).first()
            # Where the answer of the database was lost, it is there already.
            more = 0 if inserted is None else 1
            return self._change(connection, claim, {"segments_done": jobs.c.segments_done + more})

    def heard(self, id: JobId) -> Sequence[HeardSegment]:
        """In the order of their numbers."""
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(segments.c.heard).where(segments.c.job == id).order_by(segments.c.number)
            ).scalars()
            return [_HEARD.decode(row) for row in rows]

    def finish(self, claim: Claim, result: Result) -> Standing:
        """Raises Lost."""
        said = "\n".join([claim.standing.job.name, *(one.text for one in result.hypotheses)])
        values = {
            "state": JobState.DONE,
            "result": written(result),
            "warnings": text(result.warnings),
            "search": clean(said).casefold(),
            "finished_at": self._now(),
            "plan": None,
            "failure": None,
        }
        with self._database.writing() as connection:
            done = self._change(connection, claim, values)
            connection.execute(sa.delete(segments).where(segments.c.job == claim.id))
            self._end(connection, done)
            return done

    def fail(self, claim: Claim, failure: Failure) -> Standing:
        """Raises Lost."""
        values = {"state": JobState.FAILED, "failure": text(failure), "finished_at": self._now()}
        with self._database.writing() as connection:
            failed = self._change(connection, claim, values)
            self._end(connection, failed)
            return failed

    def warn(self, id: JobId, turn: str, warning: str) -> Standing | None:
        """Add a warning to a job that is over, unless it was tried again since."""
        with self._database.writing() as connection:
            found = _one(connection.execute(sa.select(*STANDING).where(jobs.c.id == id, jobs.c.turn == turn)))
            if found is None:
                return None
            warnings = text((*found.job.warnings, warning))
            return _one(
                connection.execute(
                    self._update(jobs.c.id == id, jobs.c.turn == turn, now=self._now())
                    .values(warnings=warnings)
                    .returning(*STANDING)
                )
            )

    # What keeps them going

    def unfinished(self) -> Sequence[Standing]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(*STANDING).where(jobs.c.state.in_(UNFINISHED)))
            return [standing(row) for row in rows]

    def processing(self) -> Sequence[Standing]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(*STANDING).where(jobs.c.state == JobState.PROCESSING))
            return [standing(row) for row in rows]

    def changed(self, since: float) -> Sequence[Standing]:
        """The jobs that changed then or later by the clock of the database, the oldest change first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(*STANDING).where(jobs.c.changed_at >= since).order_by(jobs.c.changed_at)
            )
            return [standing(row) for row in rows]

    def time(self) -> float:
        """By the clock of the database."""
        with self._database.reading() as connection:
            return connection.execute(sa.select(self._database.clock)).scalar_one()

    def which(self, ids: Sequence[JobId]) -> frozenset[JobId]:
        """Those of them that there are."""
        return self._there(jobs.c.id, ids)

    def held(self, tokens: Mapping[JobId, str]) -> frozenset[JobId]:
        """Those jobs whose run still has the right to work at them."""
        with self._database.reading() as connection:
            held: set[JobId] = set()
            for some in _pieces(list(tokens)):
                rows = connection.execute(sa.select(jobs.c.id, jobs.c.token).where(jobs.c.id.in_(some)))
                held.update(row.id for row in rows if row.token == tokens[row.id])
            return frozenset(held)

    def requeue(self, before: Standing) -> Standing | None:
        """Put it into the queue again, as it was left. Nothing where somebody did so already, or it is over."""
        with self._database.writing() as connection:
            requeued = _one(
                connection.execute(
                    self._update(
                        jobs.c.id == before.job.id,
                        jobs.c.turn == before.turn,
                        jobs.c.version == before.version,
                        jobs.c.state.in_(UNFINISHED),
                        now=self._now(),
                    )
                    .values(state=JobState.QUEUED, turn=new_turn(self._now()), token="", executor="")
                    .returning(*STANDING)
                )
            )
            if requeued is not None:
                self._queue.enqueue(connection, requeued)
            return requeued

    def give_up(self, before: Standing, failure: Failure) -> Standing | None:
        """Say that it failed, where nobody works at it and nobody will."""
        with self._database.writing() as connection:
            now = self._now()
            failed = _one(
                connection.execute(
                    self._update(
                        jobs.c.id == before.job.id,
                        jobs.c.turn == before.turn,
                        jobs.c.version == before.version,
                        jobs.c.state.in_(UNFINISHED),
                        now=now,
                    )
                    .values(state=JobState.FAILED, token="", failure=text(failure), finished_at=now)
                    .returning(*STANDING)
                )
            )
            if failed is not None:
                self._end(connection, failed)
            return failed

    def over(self) -> Sequence[tuple[JobId, str, int, float]]:
        """The id, the hash, the bytes and the end of each job that is over, the newest end first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(jobs.c.id, jobs.c.sha256, jobs.c.size, jobs.c.finished_at)
                .where(jobs.c.state.not_in(UNFINISHED))
                .order_by(jobs.c.finished_at.desc())
            )
            return [(JobId(row.id), row.sha256, row.size, row.finished_at or 0.0) for row in rows]

    def load(self) -> tuple[int, int]:
        """How many jobs are over, and how many bytes of audio they have."""
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(jobs.c.size), 0)).where(
                    jobs.c.state.not_in(UNFINISHED)
                )
            ).one()
            return int(row[0]), int(row[1])

    def expire(self, id: JobId) -> tuple[Standing, bool] | None:
        """Delete a job that is over: as `delete`, and nothing where it runs again."""
        with self._database.writing() as connection:
            deleted = _one(
                connection.execute(
                    sa.delete(jobs).where(jobs.c.id == id, jobs.c.state.not_in(UNFINISHED)).returning(*STANDING)
                )
            )
            if deleted is None:
                return None
            connection.execute(sa.delete(segments).where(segments.c.job == id))
            return deleted, _is_shared(connection, deleted.job.sha256)

    def is_wanted(self, sha256: str) -> bool:
        """Whether any job has this audio."""
        with self._database.reading() as connection:
            return _is_shared(connection, sha256)

    def wanted(self, hashes: Sequence[str]) -> frozenset[str]:
        """Those hashes that any job has."""
        return self._there(jobs.c.sha256, hashes)

    def _there(self, column: sa.Column[Any], values: Sequence[T]) -> frozenset[T]:
        """Those values that a job has."""
        with self._database.reading() as connection:
            found: set[T] = set()
            for some in _pieces(values):
                found.update(connection.execute(sa.select(column).where(column.in_(some))).scalars())
            return frozenset(found)

    def _check(self, id: JobId) -> None:
        if not is_job_id(id):
            raise _unknown(id)

    # Within a transaction

    def _restart(self, connection: sa.Connection, id: JobId, values: dict[str, Any]) -> Standing | None:
        now = self._now()
        again = _one(
            connection.execute(
                self._update(jobs.c.id == id, jobs.c.state.in_(RESTARTABLE), now=now)
                .values(
                    state=JobState.QUEUED,
                    turn=new_turn(self._now()),
                    queued_at=now,
                    started_at=None,
                    finished_at=None,
                    failure=None,
                    warnings="[]",
                    token="",
                    executor="",
                    **values,
                )
                .returning(*STANDING)
            )
        )
        if again is not None:
            self._queue.enqueue(connection, again)
        return again

    def _amend(self, connection: sa.Connection, id: JobId, handling: Handling) -> Standing:
        found = _expected(connection.execute(sa.select(*STANDING).where(jobs.c.id == id).with_for_update()), id)
        job, now = found.job, self._now()
        wanted = amended(job, handling)
        is_told = job.state is JobState.DONE and handling.webhook is not None
        if wanted == job.handling and not is_told:
            return found
        values: dict[str, Any] = {"handling": text(wanted), "priority": wanted.priority}
        is_sooner = wanted.priority < job.handling.priority
        if is_sooner:
            values |= {"turn": new_turn(now), "queued_at": now}
        after = _expected(
            connection.execute(self._update(jobs.c.id == id, now=now).values(**values).returning(*STANDING)), id
        )
        if is_sooner:
            self._queue.enqueue(connection, after)
        if is_told:
            self._queue.announce(connection, after)
        return after

    def _change(self, connection: sa.Connection, claim: Claim, values: dict[str, Any]) -> Standing:
        changed = _one(
            connection.execute(
                self._update(
                    jobs.c.id == claim.id,
                    jobs.c.token == claim.token,
                    jobs.c.state == JobState.PROCESSING,
                    now=self._now(),
                )
                .values(**values)
                .returning(*STANDING)
            )
        )
        if changed is None:
            raise Lost
        return changed

    def _update(self, *which: sa.ColumnElement[bool], now: float) -> sa.Update:
        """Of the jobs that these hold for."""
        return (
            sa.update(jobs)
            .where(*which)
            .values(updated_at=now, changed_at=self._database.clock, version=jobs.c.version + 1)
        )

    def _end(self, connection: sa.Connection, ended: Standing) -> None:
        if ended.job.handling.webhook is not None:
            self._queue.announce(connection, ended)

    def _insert(self, table: sa.Table) -> Any:
        """An INSERT that can say what to do where the row is there already."""
        return sqlite.insert(table) if self._database.is_sqlite else postgresql.insert(table)


def clean(said: str) -> str:
    """As every database takes it: without NUL and halves of characters."""
    return said.replace("\0", "").encode("utf-8", "replace").decode()


def _columns(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "principal": job.principal,
        "name": job.name,
        "sha256": job.sha256,
        "size": job.size,
        "provider": job.wish.provider,
        "priority": job.handling.priority,
        "wish": text(job.wish),
        "handling": text(job.handling),
        "state": job.state,
        "created_at": job.created_at,
        "queued_at": job.created_at,
        "updated_at": job.updated_at,
        "segments_done": 0,
        "executor": "",
        "runs": 0,
        "turn": new_turn(job.created_at),
        "token": "",
        "version": 1,
        "warnings": "[]",
        "search": job.name.casefold(),
    }


def _one(result: sa.CursorResult[Any]) -> Standing | None:
    row = result.first()
    return None if row is None else standing(row)


def _expected(result: sa.CursorResult[Any], id: JobId) -> Standing:
    found = _one(result)
    if found is None:
        raise Overloaded(f"job {id} was deleted at the same moment; try again", code="jobs-busy", retry_after=1.0)
    return found


def _is_shared(connection: sa.Connection, sha256: str) -> bool:
    return connection.execute(sa.select(jobs.c.id).where(jobs.c.sha256 == sha256).limit(1)).first() is not None


def _pieces(values: Sequence[T]) -> Sequence[Sequence[T]]:
    return [values[at : at + _PIECE] for at in range(0, len(values), _PIECE)]


def _unknown(id: JobId) -> NotFound:
    return NotFound(f"there is no job {id[:40]!r}; it was deleted, or kept long enough", code="unknown-job")


_HEARD = msgspec.json.Decoder(HeardSegment)
_PIECE = 500
