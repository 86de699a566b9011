"""Jobs and their results in the words of their clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from asr_hub.jobs.job import Job, JobState, Result
from asr_hub.jobs.ports import Place, QueueState
from asr_hub.model import Hypothesis
from asr_hub.protocols.jobs_port import (
    JOBS_PATH,
    JobErrorView,
    JobStatus,
    QueueView,
    ResultView,
    SegmentView,
    SentenceView,
    SubmittedView,
    TaskView,
    WordView,
)
from asr_hub.text.formats import Transcript
from asr_hub.text.sentences import Sentence, sentences


def submitted_view(job: Job, place: Place, *, is_new: bool) -> SubmittedView:
    return SubmittedView(
        task_id=job.id,
        status=status_of(job.state),
        position=place.position,
        estimated_wait=place.wait_s,
        is_new=is_new,
        provider=job.wish.provider,
        result_url=f"{JOBS_PATH}/result/{job.id}",
    )


def task_view(job: Job, place: Place | None, *, is_admin: bool) -> TaskView:
    """`place` of one that waits."""
    return TaskView(**_task(job, place, is_admin))


def result_view(
    job: Job, place: Place | None, result: Result | None, formats: Sequence[str], *, is_admin: bool
) -> ResultView:
    """`result` of one that is done. Takes long for a long one: call it beside the event loop."""
    fields = _task(job, place, is_admin)
    if result is None:
        return ResultView(**fields)
    said = sentences(result.hypotheses)
    fields["language"] = result.language or fields["language"]
    fields["duration"] = result.duration_ms / 1000
    fields["warnings"] = tuple(dict.fromkeys((*job.warnings, *result.warnings)))
    return ResultView(
        **fields,
        text=_text(said),
        sentences=[_sentence(one) for one in said],
        segments=[_segment(one) for one in result.hypotheses if one.text],
        formats={name: f"{JOBS_PATH}/result/{job.id}?format={name}" for name in formats},
    )


def transcript_of(job: Job, result: Result) -> Transcript:
    return Transcript(
        source=job.name,
        provider=job.wish.provider,
        duration_ms=result.duration_ms,
        hypotheses=result.hypotheses,
        language=result.language or job.wish.language,
    )


def queue_view(queue: QueueState) -> QueueView:
    return QueueView(
        queued=queue.queued,
        processing=queue.processing,
        workers=len(queue.executors),
        speed=queue.speed,
    )


def status_of(state: JobState) -> JobStatus:
    known: tuple[JobStatus, ...] = get_args(JobStatus)
    return next(status for status in known if status == state.value)


def _task(job: Job, place: Place | None, is_admin: bool) -> dict[str, Any]:  # Any: fields of several types
    failure = job.failure if job.state is JobState.FAILED else None
    can_retry = job.state in (JobState.FAILED, JobState.CANCELLED)
    return {
        "task_id": job.id,
        "status": status_of(job.state),
        "name": job.name,
        "size": job.size,
        "sha256": job.sha256,
        "provider": job.wish.provider,
        "language": job.wish.language,
        "channels": job.wish.channels.value,
        "priority": job.handling.priority,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "progress": round(100 * job.progress, 1),
        "position": place.position if place is not None else None,
        "estimated_wait": place.wait_s if place is not None else None,
        "duration": job.seconds,
        "warnings": job.warnings,
        "error": None
        if failure is None
        else JobErrorView(code=failure.code, message=failure.message, retryable=failure.retryable),
        "principal": job.principal or None if is_admin else None,
        "result_url": f"{JOBS_PATH}/result/{job.id}",
        "audio_url": f"{JOBS_PATH}/audio/{job.id}",
        "retry_url": f"{JOBS_PATH}/retry/{job.id}" if can_retry else None,
    }


def _text(said: Sequence[Sentence]) -> str:
    return "".join(f" {one.text}" if one.is_apart and at else one.text for at, one in enumerate(said))


def _sentence(it: Sentence) -> SentenceView:
    return SentenceView(text=it.text, start_ms=it.start, end_ms=it.end, speaker=it.speaker)


def _segment(it: Hypothesis) -> SegmentView:
    return SegmentView(
        text=it.text,
        start_ms=it.start,
        end_ms=it.end,
        language=it.language,
        speaker=it.speaker,
        confidence=it.confidence,
        provider=it.provider or None,
        words=tuple(
            WordView(text=word.text, start_ms=word.start, end_ms=word.end, confidence=word.confidence)
            for word in it.words
        ),
    )
