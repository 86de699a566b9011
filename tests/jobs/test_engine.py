"""The life of a job: submitted, heard, cancelled, tried again, gone on with after a restart, deleted."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.jobs.parts import Workshop, audio_of

from asr_hub.errors import ConfigError, Conflict, HubError, NotFound, Overloaded, ProviderDied, ProviderUnavailable
from asr_hub.jobs.history import read_history
from asr_hub.jobs.job import Job, JobId, JobState, Result
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

pytestmark = pytest.mark.unit

MakeWorkshop = Callable[..., Workshop]


def texts(result: Result) -> list[str]:
    return [one.text for one in result.hypotheses]


def words(count: int) -> list[str]:
    return [f"word{number}" for number in range(count)]


async def test_a_job_is_heard_segment_by_segment_and_becomes_a_text(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, is_new = await shop.submit(jobs, 5)
        assert is_new
        assert job.state is JobState.QUEUED
        await shop.facts.until(JobDone, job.id)
        done = await jobs.job(job.id)
        result = await jobs.result(job.id)
    assert (done.state, done.segments, done.segments_done, done.seconds) == (JobState.DONE, 5, 5, 5.0)
    assert (done.runs, done.executor, done.progress) == (1, jobs.executor, 1.0)
    assert texts(result) == words(5)
    assert [one.start for one in result.hypotheses] == [0, 1000, 2000, 3000, 4000]
    assert result.duration_ms == 5000
    assert [type(one) for one in shop.facts.of(job.id)] == [
        JobQueued,
        JobStarted,
        JobCut,
        *[SegmentHeard] * 5,
        JobDone,
    ]


async def test_segments_are_heard_at_the_same_time_and_begun_in_their_order(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.lanes = 3
    shop.ear.hold(0, 1, 2)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 8)
        for number in range(3):
            await shop.ear.begun(number)
        assert sorted(shop.ear.order) == [0, 1, 2]
        shop.ear.let_go()
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == words(8)
        shop.ear.lanes = 1
        shop.ear.order.clear()
        job, _ = await shop.submit(jobs, 8, name="b")
        await shop.facts.until(JobDone, job.id)
    assert shop.ear.most_busy == 3
    assert shop.ear.order == list(range(8))


async def test_a_client_may_ask_for_fewer_segments_at_the_same_time_but_not_for_more(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.lanes = 3
    async with shop.open() as jobs:
        few, _ = await shop.submit(jobs, 6, batch_size=1)
        await shop.facts.until(JobDone, few.id)
        assert shop.ear.most_busy == 1
        shop.ear.hold(0, 1, 2)
        many, _ = await shop.submit(jobs, 9, name="b", batch_size=50)
        for number in range(3):
            await shop.ear.begun(number)
        shop.ear.let_go()
        await shop.facts.until(JobDone, many.id)
    assert shop.ear.most_busy == 3


async def test_a_file_of_silence_is_done_without_a_word(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 0)
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == []


async def test_what_the_cutter_warns_of_stands_with_the_job_and_the_result(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1, name="short")
        await shop.facts.until(JobDone, job.id)
        assert (await jobs.job(job.id)).warnings == ("cut-short: it breaks off",)
        assert (await jobs.result(job.id)).warnings == ("cut-short: it breaks off",)


async def test_the_same_audio_and_wish_are_answered_from_the_job_that_is_there(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.hold(0)
    async with shop.open() as jobs:
        first, _ = await shop.submit(jobs, 2)
        await shop.ear.begun(0)
        during, is_new = await shop.submit(jobs, 2)
        assert (during.id, during.state, is_new) == (first.id, JobState.PROCESSING, False)
        shop.ear.let_go()
        await shop.facts.until(JobDone, first.id)
        after, is_new = await shop.submit(jobs, 2)
        assert (after.id, after.state, is_new) == (first.id, JobState.DONE, False)
        other, is_new = await shop.submit(jobs, 2, provider="another")
        assert is_new
        assert other.id != first.id
        await shop.facts.until(JobDone, other.id)
        shop.model = "two"
        changed, is_new = await shop.submit(jobs, 2)
        assert is_new
        assert changed.id not in (first.id, other.id)
        await shop.facts.until(JobDone, changed.id)
    assert shop.ear.heard == {0: 3, 1: 3}


async def test_a_job_that_waits_and_is_submitted_again_takes_the_better_priority(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        first, _ = await shop.submit(jobs, 2, priority=40)
        second, _ = await shop.submit(jobs, 3, priority=40)
        later, is_new = await shop.submit(jobs, 3, priority=90)
        assert (later.id, later.handling.priority, is_new) == (second.id, 40, False)
        sooner, is_new = await shop.submit(jobs, 3, priority=10)
        assert (sooner.id, sooner.handling.priority, is_new) == (second.id, 10, False)
        assert [(await jobs.place(job)).position for job in (first, sooner)] == [1, 0]
        shop.ear.let_go()
        await shop.facts.until(JobDone, first.id)
        await shop.facts.until(JobDone, second.id)
    started = [one.job for one in shop.facts.told if isinstance(one, JobStarted)]
    assert started == [running.id, second.id, first.id]
    assert shop.ear.heard == {0: 3, 1: 2, 2: 1}


async def test_a_result_is_offered_in_the_formats_of_all_that_submitted_it(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1, formats=("srt", "text"))
        await shop.facts.until(JobDone, job.id)
        more, _ = await shop.submit(jobs, 1, formats=("text", "vtt"))
        assert more.handling.formats == ("srt", "text", "vtt")
        every, _ = await shop.submit(jobs, 1)
        assert every.handling.formats == ()
        assert (await jobs.job(job.id)).handling.formats == ()
        same, _ = await shop.submit(jobs, 1, formats=("vtt",))
        assert same.handling.formats == ()
    assert len(shop.facts.of(job.id)) == len({type(fact) for fact in shop.facts.of(job.id)})


async def test_of_many_submits_of_the_same_at_the_same_time_one_is_new(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        answers = await asyncio.gather(*(shop.submit(jobs, 2) for _ in range(8)))
        assert [is_new for _, is_new in answers].count(True) == 1
        assert len({job.id for job, _ in answers}) == 1
        await shop.facts.until(JobDone, answers[0][0].id)
    assert shop.ear.heard == {0: 1, 1: 1}


async def test_the_lower_priority_goes_first_and_the_older_of_equals(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        wanted: list[Job] = []
        for priority, segments in ((50, 2), (90, 3), (10, 4), (50, 5)):
            job, _ = await shop.submit(jobs, segments, priority=priority)
            wanted.append(job)
        usual, late, urgent, later = wanted
        positions = [(await jobs.place(job)).position for job in wanted]
        assert positions == [1, 3, 0, 2]
        assert (await jobs.place(await jobs.job(running.id))).position == 0
        assert (await jobs.place(usual)).wait_s is None
        state = await jobs.queue()
        assert (state.queued, state.processing, state.speed) == ({"scripted": 4}, {"scripted": 1}, None)
        assert state.executors == (jobs.executor,)
        shop.ear.let_go()
        await shop.facts.until(JobDone, late.id)
        state = await jobs.queue()
        assert state.over == {"done": 5, "failed": 0, "cancelled": 0}
        assert state.speed is not None
    started = [one.job for one in shop.facts.told if isinstance(one, JobStarted)]
    assert started == [running.id, urgent.id, usual.id, later.id, late.id]


async def test_jobs_of_one_priority_are_begun_in_the_order_in_which_they_came(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        # In one second: DBOS keeps no more than that of the time in SQLite.
        submitted = [(await shop.submit(jobs, 1, name=f"n{number}"))[0] for number in range(8)]
        shop.ear.let_go()
        for job in submitted:
            await shop.facts.until(JobDone, job.id)
    started = [one.job for one in shop.facts.told if isinstance(one, JobStarted)]
    assert started == [job.id for job in submitted]


async def test_jobs_of_one_provider_do_not_wait_for_those_of_another(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        await shop.submit(jobs, 1, provider="slow")
        await shop.ear.begun(0)
        waits, _ = await shop.submit(jobs, 2, provider="slow")
        shop.ear.hold()
        other, _ = await shop.submit(jobs, 3, provider="quick")
        await shop.facts.until(JobDone, other.id)
        assert (await jobs.job(waits.id)).state is JobState.QUEUED


async def test_more_than_may_wait_are_refused(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1, max_queued=2)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        await shop.submit(jobs, 2)
        await shop.submit(jobs, 3)
        with pytest.raises(Overloaded) as refused:
            await shop.submit(jobs, 4)
        assert refused.value.code == "too-many-jobs"
        _, sha256, _ = audio_of(shop.folder / "uploads", 4)
        assert sha256 not in shop.shelf.names


async def test_cancelling_ends_the_segments_that_are_heard_and_a_retry_goes_on(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.hold(2, 3)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 6)
        await shop.ear.begun(2)
        await shop.ear.begun(3)
        cancelled = await jobs.cancel(job.id)
        assert (cancelled.state, cancelled.segments_done) == (JobState.CANCELLED, 2)
        await shop.facts.until(JobCancelled, job.id)
        assert (await jobs.cancel(job.id)).state is JobState.CANCELLED
        with pytest.raises(Conflict) as conflict:
            await jobs.result(job.id)
        assert conflict.value.code == "not-done"
        shop.ear.hold()
        again = await jobs.retry(job.id)
        assert (again.state, again.segments_done) == (JobState.QUEUED, 2)
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == words(6)
    assert sorted(shop.ear.cancelled) == [2, 3]
    assert shop.ear.heard == dict.fromkeys(range(6), 1)


async def test_a_job_that_is_cancelled_while_it_waits_is_not_begun(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        waiting, _ = await shop.submit(jobs, 2)
        last, _ = await shop.submit(jobs, 3)
        await jobs.cancel(waiting.id)
        assert (await jobs.place(last)).position == 0
        shop.ear.let_go()
        await shop.facts.until(JobDone, last.id)
        assert (await jobs.job(waiting.id)).state is JobState.CANCELLED
        with pytest.raises(Conflict) as conflict:
            await jobs.retry(last.id)
        assert conflict.value.code == "not-failed"
    assert [type(one) for one in shop.facts.of(waiting.id)] == [JobQueued, JobCancelled]


async def test_a_segment_that_fails_is_tried_again_after_a_while(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=3)
    shop.ear.failures = {1: [ProviderDied("gone"), Overloaded("full", retry_after=7.0)]}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 3)
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == words(3)
    assert shop.pauses == [0.5, 7.0]


async def test_a_hub_that_has_no_room_or_shuts_down_is_waited_for(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=1)
    shop.ear.failures = {0: [Overloaded("full"), *[Overloaded("it shuts down", code="draining")] * 3]}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, job.id)
    assert shop.pauses == [5.0, 5.0, 5.0, 5.0]


async def test_an_engine_that_is_away_for_a_while_costs_no_attempt(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=1)
    away = ProviderUnavailable("its model is being loaded again", retry_after=3.0)
    shop.ear.failures = {0: [away] * 4}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, job.id)
    assert shop.pauses == [3.0, 3.0, 3.0, 4.0]


async def test_an_engine_that_does_not_come_back_is_named_when_the_time_is_over(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=1, timeout_s=0.5)
    shop.ear.failures = {0: [ProviderUnavailable("no weights")] * 1_000_000}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        fact = await shop.facts.until(JobFailed, job.id)
    assert isinstance(fact, JobFailed)
    assert (fact.code, fact.retryable) == ("job-timeout", True)
    assert "no weights" in fact.message


async def test_an_engine_that_can_never_be_had_is_not_waited_for(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=3)
    shop.ear.failures = {0: [ProviderUnavailable("no weights", retryable=False)]}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobFailed, job.id)
    assert shop.pauses == []


@pytest.mark.parametrize(
    "trouble",
    [
        Overloaded("the store of the audio is away", code="audio-store-unavailable"),
        Overloaded("the disk is full", code="disk-full"),
        ProviderUnavailable("the hub is stopping"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
async def test_what_is_away_when_a_file_is_to_be_cut_is_waited_for(workshop: MakeWorkshop, trouble: Exception) -> None:
    shop = workshop(attempts=1)
    shop.knife.failures = [trouble] * 3
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == words(2)
    assert len(shop.pauses) == 3
    assert shop.spooled == [[]] * 3, "who waits for room holds none"


async def test_audio_that_cannot_be_fetched_for_a_while_is_waited_for(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=1)
    shop.shelf.failures = [Overloaded("away", code="audio-store-unavailable")]
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, job.id)
    assert shop.pauses == [5.0]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (ProviderDied("killed", code="decoder-died"), "decoder-died"),
        (OSError(errno.EIO, "Input/output error", "/secret/path"), "unreadable-audio"),
    ],
)
async def test_a_file_that_is_not_cut_is_tried_again_as_often_as_it_may_be(
    workshop: MakeWorkshop, trouble: Exception, code: str
) -> None:
    shop = workshop(attempts=2)
    shop.knife.failures = [trouble]
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, job.id)
        shop.knife.failures = [trouble] * 2
        other, _ = await shop.submit(jobs, 1, name="b")
        fact = await shop.facts.until(JobFailed, other.id)
    assert isinstance(fact, JobFailed)
    assert (fact.code, fact.retryable) == (code, True)
    assert "secret" not in fact.message
    assert shop.knife.cuts == 4


async def test_a_job_fails_when_its_attempts_are_used_up_and_a_retry_goes_on(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=2)
    shop.ear.lanes = 1
    shop.ear.failures = {2: [ProviderDied("gone"), ProviderDied("gone")]}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 4)
        fact = await shop.facts.until(JobFailed, job.id)
        assert isinstance(fact, JobFailed)
        assert (fact.code, fact.message, fact.retryable) == ("provider", "gone", True)
        failed = await jobs.job(job.id)
        assert (failed.state, failed.segments_done, failed.progress) == (JobState.FAILED, 2, 0.5)
        assert failed.failure is not None
        await jobs.retry(job.id)
        await shop.facts.until(JobDone, job.id)
        assert (await jobs.job(job.id)).failure is None
        assert texts(await jobs.result(job.id)) == words(4)
    assert shop.ear.heard == dict.fromkeys(range(4), 1)


async def test_what_cannot_be_heard_at_all_is_not_tried_again(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=5)
    shop.ear.lanes = 1
    shop.ear.failures = {0: [HubError("no such language", code="unsupported-language")]}
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        fact = await shop.facts.until(JobFailed, job.id)
        assert isinstance(fact, JobFailed)
        assert (fact.code, fact.retryable) == ("unsupported-language", False)
    assert shop.ear.order == [0]
    assert shop.pauses == []


async def test_a_file_that_is_no_audio_fails_by_name(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 1, name="noise")
        fact = await shop.facts.until(JobFailed, job.id)
        assert isinstance(fact, JobFailed)
        assert (fact.code, fact.retryable) == ("no-audio", False)
    assert shop.knife.cuts == 1


async def test_each_end_of_a_job_is_a_line_of_the_history(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    async with shop.open() as jobs:
        done, _ = await shop.submit(jobs, 3)
        await shop.facts.until(JobDone, done.id)
        failed, _ = await shop.submit(jobs, 1, name="noise")
        await shop.facts.until(JobFailed, failed.id)
        shop.ear.hold(0)
        cancelled, _ = await shop.submit(jobs, 2)
        await shop.ear.begun(0)
        await jobs.cancel(cancelled.id)
    lines = [(one.id, one.state, one.words, one.code) for one in read_history(shop.folder)]
    assert lines == [
        (done.id, "done", 3, None),
        (failed.id, "failed", 0, "no-audio"),
        (cancelled.id, "cancelled", 0, None),
    ]


async def test_a_defect_costs_its_job_and_not_the_queue(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        broken, _ = await shop.submit(jobs, 1, name="x y")
        fact = await shop.facts.until(JobFailed, broken.id)
        assert isinstance(fact, JobFailed)
        assert fact.code == "internal"
        assert "ValueError" in fact.message
        whole, _ = await shop.submit(jobs, 1)
        await shop.facts.until(JobDone, whole.id)


async def test_submitting_again_what_failed_tries_it_again(workshop: MakeWorkshop) -> None:
    shop = workshop(attempts=1)
    shop.ear.failures = {1: [ProviderDied("gone")]}
    shop.ear.lanes = 1
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        await shop.facts.until(JobFailed, job.id)
        again, is_new = await shop.submit(jobs, 2, priority=5)
        assert (again.id, again.state, again.handling.priority, is_new) == (job.id, JobState.QUEUED, 5, False)
        await shop.facts.until(JobDone, job.id)
    assert shop.ear.heard == {0: 1, 1: 1}


async def test_a_job_that_takes_too_long_fails_and_can_be_gone_on_with(workshop: MakeWorkshop) -> None:
    shop = workshop(timeout_s=0.5)
    shop.ear.lanes = 1
    shop.ear.hold(1)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 3)
        fact = await shop.facts.until(JobFailed, job.id)
        assert isinstance(fact, JobFailed)
        assert (fact.code, fact.retryable) == ("job-timeout", True)
        shop.ear.hold()
        await jobs.retry(job.id)
        await shop.facts.until(JobDone, job.id)
    assert shop.ear.heard == {0: 1, 1: 1, 2: 1}


async def test_a_restart_goes_on_with_the_segments_that_were_not_heard(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.hold(3, 4)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 6)
        waiting, _ = await shop.submit(jobs, 2, provider="other", name="b")
        await shop.facts.until(JobDone, waiting.id)
        await shop.ear.begun(3)
        await shop.ear.begun(4)
        first = jobs.executor
    assert sorted(shop.ear.cancelled) == [3, 4]
    shop.ear.hold()
    shop.facts.told.clear()
    async with shop.open() as jobs:
        assert jobs.executor == first
        await shop.facts.until(JobDone, job.id)
        done = await jobs.job(job.id)
        assert (done.state, done.runs) == (JobState.DONE, 2)
        assert texts(await jobs.result(job.id)) == words(6)
    told = [type(one) for one in shop.facts.of(job.id)]
    assert told[:2] == [JobQueued, JobStarted]
    assert {number: count for number, count in shop.ear.heard.items() if number > 1} == {2: 1, 3: 1, 4: 1, 5: 1}
    assert shop.knife.cuts == 2, "what was decoded is used again"


async def test_a_restart_decodes_again_where_what_was_decoded_is_not_whole(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.hold(1)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 3)
        # The other lane goes on to the end: what it heard is written down before all ends.
        await shop.facts.until(SegmentHeard, job.id, times=2)
        await shop.ear.begun(1)
    for spool in (shop.folder / "spools").glob("*/whole"):
        spool.unlink()
    shop.ear.hold()
    async with shop.open() as jobs:
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == words(3)
    assert shop.knife.cuts == 2
    assert shop.ear.heard == {0: 1, 1: 1, 2: 1}
    assert not list((shop.folder / "spools").iterdir())


async def test_a_restart_while_a_file_is_cut_begins_with_cutting_it(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.knife.hold = asyncio.Event()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        await shop.facts.until(JobStarted, job.id)
    shop.knife.hold.set()
    async with shop.open() as jobs:
        await shop.facts.until(JobDone, job.id)


async def test_a_job_that_waits_when_the_process_ends_is_done_by_the_next(workshop: MakeWorkshop) -> None:
    shop = workshop(concurrency=1)
    shop.ear.hold(0)
    async with shop.open() as jobs:
        running, _ = await shop.submit(jobs, 1)
        await shop.ear.begun(0)
        waiting, _ = await shop.submit(jobs, 2)
    shop.ear.hold()
    shop.facts.told.clear()
    async with shop.open() as jobs:
        await shop.facts.until(JobDone, running.id)
        await shop.facts.until(JobDone, waiting.id)


async def test_a_deleted_job_is_gone_with_its_result_and_its_audio(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        shared, _ = await shop.submit(jobs, 2, provider="another")
        await shop.facts.until(JobDone, job.id)
        await shop.facts.until(JobDone, shared.id)
        await jobs.delete(job.id)
        await shop.facts.until(JobForgotten, job.id)
        with pytest.raises(NotFound) as unknown:
            await jobs.job(job.id)
        assert unknown.value.code == "unknown-job"
        for verb in (jobs.result, jobs.cancel, jobs.retry, jobs.delete):
            with pytest.raises(NotFound):
                await verb(job.id)
        assert shop.shelf.names == {job.sha256}
        await jobs.delete(shared.id)
        assert shop.shelf.names == set()
        again, is_new = await shop.submit(jobs, 2)
        assert (again.id, is_new) == (job.id, True)
        await shop.facts.until(JobDone, job.id, times=2)
    assert shop.ear.heard == {0: 3, 1: 3}


async def test_a_job_that_runs_can_be_deleted_and_submitted_anew(workshop: MakeWorkshop) -> None:
    shop = workshop()
    shop.ear.hold(0, 1)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        await shop.ear.begun(0)
        await jobs.delete(job.id)
        shop.ear.hold()
        again, is_new = await shop.submit(jobs, 2)
        assert (again.id, is_new) == (job.id, True)
        await shop.facts.until(JobDone, job.id)
        assert texts(await jobs.result(job.id)) == words(2)
    assert shop.ear.heard == {0: 1, 1: 1}
    assert len(shop.ear.cancelled) >= 1


async def test_a_job_that_nobody_knows_is_not_found(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open() as jobs:
        for id in ("0" * 32, "", "\0", "\ud800", "../x", "A" * 32):
            for verb in (jobs.job, jobs.result, jobs.cancel, jobs.retry, jobs.delete):
                with pytest.raises(NotFound):
                    await verb(JobId(id))


async def test_a_process_has_one_store_of_jobs(workshop: MakeWorkshop) -> None:
    shop = workshop()
    async with shop.open():
        with pytest.raises(ConfigError, match="open already"):
            async with shop.open():
                pass


async def test_a_hub_starts_while_another_hub_is_making_the_tables_of_the_queue(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database:
        database.execute("create table dbos_migrations (version integer not null primary key)")
    shop = Workshop(tmp_path)
    async with shop.open() as jobs:
        job, _ = await shop.submit(jobs, 2)
        await shop.facts.until(JobDone, job.id)


async def test_an_address_that_is_no_database_is_named(workshop: MakeWorkshop) -> None:
    for address in ("mysql://localhost/x", "no address"):
        shop = workshop(database=address)
        with pytest.raises(ConfigError, match=r"jobs\.database"):
            async with shop.open():
                pass


async def test_a_database_that_does_not_answer_is_said(workshop: MakeWorkshop) -> None:
    shop = workshop(database="postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Overloaded) as away:
        async with shop.open():
            pass
    assert away.value.code == "jobs-unavailable"
