"""The life of a job."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.jobs.parts import Workshop

from asr_hub.jobs.job import JobState
from asr_hub.store.slices.jobs import JobDone

pytestmark = pytest.mark.unit


async def test_a_job_is_heard_segment_by_segment_and_becomes_a_text(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, is_new = await shop.submit(jobs, 5)
        assert is_new
        assert job.state is JobState.QUEUED
        await shop.facts.until(JobDone, job.id)
        done = await jobs.job(job.id)
        result = await jobs.result(job.id)
    assert done.state is JobState.DONE
    assert (done.segments, done.segments_done, done.seconds, done.runs) == (5, 5, 5.0, 1)
    assert [one.text for one in result.hypotheses] == [f"word{n}" for n in range(5)]
    print([type(one).__name__ for one in shop.facts.of(job.id)])
