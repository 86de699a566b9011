"""What has happened to a job between two readings of it, as facts for the store."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from asr_hub.jobs.job import Job, JobId, JobState
from asr_hub.jobs.tables import Standing
from asr_hub.store.event import Event
from asr_hub.store.slices.jobs import (
    JobCancelled,
    JobCut,
    JobDone,
    JobFailed,
    JobForgotten,
    JobQueued,
    JobStarted,
    SegmentHeard,
)

TOLD_AT_ONCE = 100

MOST_OVER = 5_000
"""Jobs that are over and whose last reading is kept, so that nothing is told of them twice."""


def facts(before: Standing | None, after: Standing) -> list[Event]:
    """Those that lead from one reading to the other, in the order in which they happen."""
    job, at = after.job, after.job.updated_at
    is_again = before is None or before.turn != after.turn
    told: list[Event] = []
    if is_again:
        told.append(
            JobQueued(
                job=job.id,
                principal=job.principal,
                provider=job.wish.provider,
                priority=job.handling.priority,
                at=at,
            )
        )
    was = None if is_again or before is None else before.job
    told += _progress(was, job, at)
    if job.state.is_over and (was is None or not was.state.is_over):
        told.append(_end(job, at))
    return told


def _progress(was: Job | None, job: Job, at: float) -> list[Event]:
    told: list[Event] = []
    if job.runs and job.state is not JobState.QUEUED and (was is None or job.runs != was.runs):
        told.append(JobStarted(job=job.id, executor=job.executor, at=at))
    if job.segments is not None and (was is None or was.segments is None):
        told.append(JobCut(job=job.id, seconds=job.seconds or 0.0, segments=job.segments, at=at))
    if job.segments_done and (was is None or job.segments_done != was.segments_done):
        told.append(SegmentHeard(job=job.id, done=job.segments_done, at=at))
    return told


def _end(job: Job, at: float) -> Event:
    if job.state is JobState.DONE:
        return JobDone(job=job.id, at=at)
    if job.state is JobState.CANCELLED:
        return JobCancelled(job=job.id, at=at)
    failure = job.failure
    if failure is None:
        return JobFailed(job=job.id, code="internal", message="it failed", at=at)
    return JobFailed(job=job.id, code=failure.code, message=failure.message, retryable=failure.retryable, at=at)


class Telling:
    """
    Tells the store what becomes of the jobs: once, whoever read it and however often.

    Readings may come in any order, of this hub's own changes and of those of others: an older one changes nothing.
    """

    def __init__(self, dispatch: Callable[[Event], None]) -> None:
        self._dispatch = dispatch
        self._unfinished: dict[JobId, Standing] = {}
        self._over: OrderedDict[JobId, Standing] = OrderedDict()
        self._forgotten: OrderedDict[JobId, float] = OrderedDict()
        """When those that were deleted were created: a reading from before may still be on its way."""

    @property
    def unfinished(self) -> frozenset[JobId]:
        """Those that were not over when they were told of last."""
        return frozenset(self._unfinished)

    def tell(self, after: Standing) -> None:
        id = after.job.id
        if after.job.created_at <= self._forgotten.get(id, float("-inf")):
            return
        before = self._unfinished.get(id) or self._over.get(id)
        if before is not None and before.job.created_at != after.job.created_at:
            # It was deleted and submitted anew: its changes are counted from the beginning.
            if before.job.created_at > after.job.created_at:
                return
            before = None
        if before is not None and before.version >= after.version:
            return
        self._keep(after)
        for fact in facts(before, after):
            self._dispatch(fact)

    async def tell_all(self, readings: Iterable[Standing]) -> None:
        """Piece by piece: there may be ten thousand, and sessions go on in between."""
        for number, reading in enumerate(readings, 1):
            self.tell(reading)
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)

    def forget(self, id: JobId, at: float, *, created_at: float | None = None) -> None:
        """It was deleted. `created_at` is that of the job, where the caller has read it."""
        known = self._unfinished.pop(id, None) or self._over.pop(id, None)
        if created_at is None and known is not None:
            created_at = known.job.created_at
        if created_at is not None:
            self._forgotten[id] = created_at
            while len(self._forgotten) > MOST_OVER:
                self._forgotten.popitem(last=False)
        self._dispatch(JobForgotten(job=id, at=at))

    def _keep(self, after: Standing) -> None:
        id = after.job.id
        if after.job.state.is_over:
            self._unfinished.pop(id, None)
            self._over[id] = after
            while len(self._over) > MOST_OVER:
                self._over.popitem(last=False)
        else:
            self._over.pop(id, None)
            self._unfinished[id] = after
