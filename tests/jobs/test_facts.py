"""What the store is told of a job follows from two readings of it, whoever read them and in whatever order."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.jobs.facts import TOLD_AT_ONCE, Telling, facts
from asr_hub.jobs.job import Failure, Handling, Job, JobId, JobState, Wish
from asr_hub.jobs.tables import Standing
from asr_hub.model import ProviderName
from asr_hub.store.event import Event
from asr_hub.store.root import ROOT
from asr_hub.store.slices.jobs import (
    JobCancelled,
    JobCut,
    JobDone,
    JobFailed,
    JobForgotten,
    JobQueued,
    JobStarted,
    SegmentHeard,
    select_job,
)

pytestmark = pytest.mark.unit

QUEUED = Standing(
    job=Job(
        id=JobId("a" * 32),
        principal="me",
        name="talk.wav",
        sha256="b" * 64,
        size=3,
        wish=Wish(provider=ProviderName("scripted")),
        handling=Handling(priority=7),
        state=JobState.QUEUED,
        created_at=1.0,
        updated_at=1.0,
    ),
    queued_at=1.0,
    turn="one",
    version=1,
)


def next_of(before: Standing, /, *, turn: str | None = None, **fields: object) -> Standing:
    version = before.version + 1
    job = replace(before.job, updated_at=float(version), **fields)
    return replace(before, job=job, version=version, turn=turn or before.turn)


STARTED = next_of(QUEUED, state=JobState.PROCESSING, runs=1, executor="hub-0")
CUT = next_of(STARTED, seconds=4.0, segments=2)
ONE = next_of(CUT, segments_done=1)
TWO = next_of(ONE, segments_done=2)
DONE = next_of(TWO, state=JobState.DONE)


def told_of(*readings: Standing) -> list[Event]:
    told: list[Event] = []
    telling = Telling(told.append)
    for reading in readings:
        telling.tell(reading)
    return told


def test_each_step_of_a_job_is_one_fact() -> None:
    assert [type(one) for one in told_of(QUEUED, STARTED, CUT, ONE, TWO, DONE)] == [
        JobQueued,
        JobStarted,
        JobCut,
        SegmentHeard,
        SegmentHeard,
        JobDone,
    ]
    queued = facts(None, QUEUED)[0]
    assert queued == JobQueued(job="a" * 32, principal="me", provider="scripted", priority=7, at=1.0)


def test_what_was_missed_between_two_readings_is_told_at_once() -> None:
    assert [type(one) for one in told_of(QUEUED, DONE)] == [JobQueued, JobStarted, JobCut, SegmentHeard, JobDone]
    assert [type(one) for one in told_of(TWO)] == [JobQueued, JobStarted, JobCut, SegmentHeard]


def test_the_end_says_how_it_ended() -> None:
    failed = next_of(ONE, state=JobState.FAILED, failure=Failure(code="x", message="why", retryable=True))
    assert facts(ONE, failed) == [JobFailed(job="a" * 32, code="x", message="why", retryable=True, at=5.0)]
    assert facts(ONE, next_of(ONE, state=JobState.CANCELLED)) == [JobCancelled(job="a" * 32, at=5.0)]


def test_a_warning_that_is_added_when_all_is_over_is_no_second_end() -> None:
    assert facts(DONE, next_of(DONE, warnings=("webhook-failed: x",))) == []


def test_a_job_that_is_tried_again_is_queued_again() -> None:
    failed = next_of(ONE, state=JobState.FAILED)
    again = next_of(failed, state=JobState.QUEUED, turn="two")
    assert [type(one) for one in facts(failed, again)] == [JobQueued, JobCut, SegmentHeard]
    assert [type(one) for one in facts(again, next_of(again, state=JobState.PROCESSING, runs=2))] == [JobStarted]


def test_a_job_that_was_deleted_and_submitted_anew_is_another() -> None:
    anew = replace(QUEUED, job=replace(QUEUED.job, created_at=9.0), turn="other")
    assert [type(one) for one in told_of(DONE, anew)][-1] is JobQueued
    assert told_of(anew, DONE) == told_of(anew), "the old one is read late"


def test_a_reading_from_before_a_job_was_deleted_does_not_bring_it_back() -> None:
    told: list[Event] = []
    telling = Telling(told.append)
    telling.tell(STARTED)
    telling.forget(STARTED.job.id, at=9.0)
    telling.tell(CUT)
    assert told[-1] == JobForgotten(job="a" * 32, at=9.0)
    assert telling.unfinished == frozenset()
    telling.tell(replace(QUEUED, job=replace(QUEUED.job, created_at=9.0), turn="other"))
    assert type(told[-1]) is JobQueued


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from([QUEUED, STARTED, CUT, ONE, TWO, DONE]), max_size=9))
def test_readings_in_any_order_lead_to_the_same_end_and_tell_it_once(
    chance: random.Random, more: list[Standing]
) -> None:
    readings = [QUEUED, STARTED, CUT, ONE, TWO, DONE, *more]
    chance.shuffle(readings)
    told = told_of(*readings)
    state = ROOT.initial
    for event in told:
        state = ROOT.reduce(state, event)
    record = select_job(state, "a" * 32)
    assert record is not None
    assert (record.state, record.segments, record.segments_done, record.executor) == ("done", 2, 2, "hub-0")
    assert [type(one) for one in told].count(JobDone) == 1
    assert [type(one) for one in told].count(JobStarted) == 1


async def test_others_come_between_the_facts_of_many_jobs() -> None:
    told: list[Event] = []
    many = [replace(QUEUED, job=replace(QUEUED.job, id=JobId(f"{number:032x}"))) for number in range(5 * TOLD_AT_ONCE)]
    telling = asyncio.ensure_future(Telling(told.append).tell_all(many))
    await asyncio.sleep(0)
    assert len(told) == TOLD_AT_ONCE
    await telling
    assert len(told) == len(many)
