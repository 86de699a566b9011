"""Which jobs there are, by what people look for, and where each stands in its queue. Everything here blocks."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import sqlalchemy as sa

from asr_hub.errors import ProtocolError
from asr_hub.jobs.database import Database
from asr_hub.jobs.ids import is_job_id
from asr_hub.jobs.job import Job, JobState
from asr_hub.jobs.ledger import clean
from asr_hub.jobs.ports import Page, Place, Query, QueueState
from asr_hub.jobs.tables import STANDING, Standing, jobs, standing

LAST_JOBS = 20
"""How many of the last jobs tell how fast they go."""

MOST_ON_A_PAGE = 1_000


class Listing:
    """Reads jobs, many at a time."""

    def __init__(self, database: Database, *, concurrency: int) -> None:
        self._database = database
        self._concurrency = concurrency

    def history(self, query: Query) -> Page:
        """Raises ProtocolError (`bad-value`)."""
        where = _where(query)
        after = [] if query.after is None else [_after(query.after)]
        limit = min(max(1, query.limit), MOST_ON_A_PAGE)
        select = (
            sa.select(*STANDING)
            .where(*where, *after)
            .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
            .limit(limit + 1)
        )
        with self._database.reading() as connection:
            found = [standing(row).job for row in connection.execute(select)]
            total = connection.execute(sa.select(sa.func.count()).select_from(jobs).where(*where)).scalar_one()
        page = tuple(found[:limit])
        return Page(jobs=page, next=_token(page[-1]) if len(found) > limit else None, total=total)

    def place(self, of: Standing, alive: int) -> Place:
        """`alive`: how many hubs work at the queue."""
        job = of.job
        if job.state is not JobState.QUEUED:
            return Place(position=0, wait_s=0.0)
        before = sa.or_(
            jobs.c.priority < job.handling.priority,
            sa.and_(jobs.c.priority == job.handling.priority, jobs.c.queued_at < of.queued_at),
        )
        of_provider = jobs.c.provider == job.wish.provider
        with self._database.reading() as connection:
            position = connection.execute(
                sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == JobState.QUEUED, of_provider, before)
            ).scalar_one()
            running = connection.execute(
                sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == JobState.PROCESSING, of_provider)
            ).scalar_one()
            last = _last(connection, of_provider)
        return Place(position=position, wait_s=_wait(position, running, self._concurrency * max(1, alive), last))

    def queue(self, executors: Sequence[str]) -> QueueState:
        counts = sa.select(jobs.c.state, jobs.c.provider, sa.func.count()).group_by(jobs.c.state, jobs.c.provider)
        queued: dict[str, int] = {}
        processing: dict[str, int] = {}
        over = {str(state): 0 for state in JobState if state.is_over}
        with self._database.reading() as connection:
            for state, provider, count in connection.execute(counts):
                if state == JobState.QUEUED:
                    queued[provider] = count
                elif state == JobState.PROCESSING:
                    processing[provider] = count
                else:
                    over[state] += count
            last = _last(connection)
        took = sum(wall for wall, _ in last)
        speed = sum(seconds for _, seconds in last) / took if took > 0 else None
        return QueueState(queued=queued, processing=processing, over=over, executors=tuple(executors), speed=speed)


def _where(query: Query) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if query.principal is not None:
        where.append(jobs.c.principal == query.principal)
    if query.states:
        where.append(jobs.c.state.in_(query.states))
    if query.text:
        where.append(jobs.c.search.contains(clean(query.text).casefold(), autoescape=True))
    if query.since is not None:
        where.append(jobs.c.created_at >= query.since)
    if query.until is not None:
        where.append(jobs.c.created_at < query.until)
    return where


def _token(last: Job) -> str:
    return base64.urlsafe_b64encode(f"{last.created_at.hex()} {last.id}".encode()).decode().rstrip("=")


def _after(token: str) -> sa.ColumnElement[bool]:
    try:
        created, id = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii").split(" ")
        at = float.fromhex(created)
        if not is_job_id(id):
            raise ValueError(id)
    except (ValueError, OverflowError, binascii.Error):
        raise ProtocolError("after is not what a page said; take next of the page before", code="bad-value") from None
    return sa.or_(jobs.c.created_at < at, sa.and_(jobs.c.created_at == at, jobs.c.id < id))


def _last(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> Sequence[tuple[float, float]]:
    """How many seconds the last jobs took, and how many seconds of audio they had."""
    rows = connection.execute(
        sa.select(jobs.c.started_at, jobs.c.finished_at, jobs.c.seconds)
        .where(jobs.c.state == JobState.DONE, *where)
        .order_by(jobs.c.finished_at.desc())
        .limit(LAST_JOBS)
    )
    return [
        (max(0.0, row.finished_at - row.started_at), row.seconds or 0.0)
        for row in rows
        if row.finished_at is not None and row.started_at is not None
    ]


def _wait(position: int, running: int, at_once: int, last: Sequence[tuple[float, float]]) -> float | None:
    if not last:
        return None
    mean = sum(wall for wall, _ in last) / len(last)
    ahead = position + min(running, at_once)
    return max(0, ahead - at_once + 1) * mean / at_once
