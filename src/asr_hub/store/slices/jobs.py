"""Jobs: files on their way to a text. What was said in them is not here, but with the results of the jobs."""

from __future__ import annotations

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.store.event import JobEvent
from asr_hub.store.slice import Slice, State

MOST_OVER = 200
"""Jobs that are over and still told of; who wants an older one asks for its result."""


class JobQueued(JobEvent, frozen=True, tag="[Jobs] Queued"):
    """It is written down, and will be done whatever happens to this process. Also where it is tried again."""

    principal: str = ""
    provider: str = ""
    priority: int = 0


class JobStarted(JobEvent, frozen=True, tag="[Jobs] Started"):
    """Somebody works at it. Said again where another goes on with it."""

    executor: str = ""


class JobCut(JobEvent, frozen=True, tag="[Jobs] Cut"):
    """It is decoded."""

    seconds: float
    segments: int


class SegmentHeard(JobEvent, frozen=True, tag="[Jobs] SegmentHeard"):
    """So many segments are heard by now."""

    done: int


class JobDone(JobEvent, frozen=True, tag="[Jobs] Done"):
    """Its result can be had."""


class JobFailed(JobEvent, frozen=True, tag="[Jobs] Failed"):
    """It came to nothing, so far."""

    code: str
    message: str
    retryable: bool = False


class JobCancelled(JobEvent, frozen=True, tag="[Jobs] Cancelled"):
    """Nobody works at it any more."""


class JobForgotten(JobEvent, frozen=True, tag="[Jobs] Forgotten"):
    """It was deleted, or was kept long enough."""


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One job, as clients are told of it while it runs."""

    id: str
    principal: str = ""
    provider: str = ""
    priority: int = 0
    state: str = "queued"
    """`queued`, `processing`, `done`, `failed` or `cancelled`"""
    seconds: float | None = None
    """Of audio, once it is cut."""
    segments: int | None = None
    segments_done: int = 0
    executor: str = ""
    code: str | None = None
    """Of its failure"""
    message: str | None = None
    updated_at: float = 0.0
    """Seconds since the epoch"""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def progress(self) -> float:
        """0 to 1"""
        if self.state == "done":
            return 1.0
        return self.segments_done / self.segments if self.segments else 0.0


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Those that wait or run, and the last that are over."""

    records: Map[str, JobRecord] = Map()
    over: tuple[str, ...] = ()
    """Those that are over, in that order."""
    changed: str = ""
    """The one that the last fact was about: who watches one job need not look at all of them."""


jobs: Slice[Jobs] = Slice("jobs", Jobs(), part_type=Jobs)


def select_job(state: State, job: str) -> JobRecord | None:
    return jobs.part(state).records.get(job)


def select_jobs(state: State) -> tuple[JobRecord, ...]:
    return tuple(jobs.part(state).records.values())


@jobs.on(JobQueued)
def _queued(part: Jobs, event: JobQueued) -> Jobs:
    before = part.records.get(event.job)
    if before is not None and not before.is_over:
        return part
    record = JobRecord(
        id=event.job,
        principal=event.principal,
        provider=event.provider,
        priority=event.priority,
        seconds=before.seconds if before else None,
        segments=before.segments if before else None,
        segments_done=before.segments_done if before else 0,
        updated_at=event.at,
    )
    records = part.records.set(event.job, record)
    return replace(part, records=records, over=_without(part.over, event.job), changed=event.job)


@jobs.on(JobStarted)
def _started(part: Jobs, event: JobStarted) -> Jobs:
    return _change(part, event, state="processing", executor=event.executor)


@jobs.on(JobCut)
def _cut(part: Jobs, event: JobCut) -> Jobs:
    return _change(part, event, seconds=event.seconds, segments=event.segments)


@jobs.on(SegmentHeard)
def _heard(part: Jobs, event: SegmentHeard) -> Jobs:
    record = part.records.get(event.job)
    # Segments are heard side by side, and one that was begun first may end last.
    if record is None or event.done <= record.segments_done:
        return part
    return _change(part, event, segments_done=event.done)


@jobs.on(JobDone)
def _done(part: Jobs, event: JobDone) -> Jobs:
    return _end(_change(part, event, state="done", code=None, message=None), event.job)


@jobs.on(JobFailed)
def _failed(part: Jobs, event: JobFailed) -> Jobs:
    return _end(_change(part, event, state="failed", code=event.code, message=event.message), event.job)


@jobs.on(JobCancelled)
def _cancelled(part: Jobs, event: JobCancelled) -> Jobs:
    return _end(_change(part, event, state="cancelled"), event.job)


@jobs.on(JobForgotten)
def _forgotten(part: Jobs, event: JobForgotten) -> Jobs:
    if event.job not in part.records:
        return part
    records = part.records.delete(event.job)
    return replace(part, records=records, over=_without(part.over, event.job), changed=event.job)


def _change(part: Jobs, event: JobEvent, **fields: object) -> Jobs:
    """Nothing where the job is over, or not known: what is told late changes nothing."""
    record = part.records.get(event.job)
    if record is None or record.is_over:
        return part
    records = part.records.set(event.job, replace(record, updated_at=event.at, **fields))
    return replace(part, records=records, changed=event.job)


def _end(part: Jobs, job: str) -> Jobs:
    if job not in part.records or job in part.over:
        return part
    over = (*part.over, job)
    records = part.records
    for old in over[:-MOST_OVER]:
        records = records.delete(old)
    return replace(part, records=records, over=over[-MOST_OVER:])


def _without(over: tuple[str, ...], job: str) -> tuple[str, ...]:
    return tuple(one for one in over if one != job) if job in over else over
