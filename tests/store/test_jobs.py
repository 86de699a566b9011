"""Jobs in the store: what is told late, twice or in another order changes nothing, and what is kept has a bound."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.store.event import JobEvent
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State
from asr_hub.store.slices.jobs import (
    MOST_OVER,
    JobCancelled,
    JobCut,
    JobDone,
    JobFailed,
    JobForgotten,
    JobQueued,
    JobRecord,
    Jobs,
    JobStarted,
    SegmentHeard,
    jobs,
    select_job,
    select_jobs,
)

pytestmark = pytest.mark.unit

SEGMENTS = 5
"""Of every job here: the same file is always cut alike."""

OVER = ("done", "failed", "cancelled")

ids = st.sampled_from(["a", "b", "c", "d"])

facts: st.SearchStrategy[JobEvent] = st.one_of(
    st.builds(JobQueued, job=ids, principal=st.sampled_from(["", "k"]), priority=st.integers(1, 100)),
    st.builds(JobStarted, job=ids, executor=st.sampled_from(["e", "f"])),
    st.builds(JobCut, job=ids, seconds=st.just(60.0), segments=st.just(SEGMENTS)),
    st.builds(SegmentHeard, job=ids, done=st.integers(0, SEGMENTS)),
    st.builds(JobDone, job=ids),
    st.builds(JobFailed, job=ids, code=st.just("provider"), message=st.just("it died")),
    st.builds(JobCancelled, job=ids),
    st.builds(JobForgotten, job=ids),
)


def after(*events: JobEvent, state: State = ROOT.initial) -> State:
    for number, event in enumerate(events):
        state = ROOT.reduce(state, replace(event, at=float(number)))
    return state


def only(state: State) -> JobRecord:
    (record,) = select_jobs(state)
    return record


def test_a_job_goes_from_the_queue_to_its_result() -> None:
    state = after(JobQueued(job="a", principal="k", provider="p", priority=7))
    assert only(state) == JobRecord(id="a", principal="k", provider="p", priority=7)
    state = after(JobStarted(job="a", executor="e"), JobCut(job="a", seconds=60.0, segments=4), state=state)
    assert (only(state).state, only(state).executor, only(state).progress) == ("processing", "e", 0.0)
    state = after(SegmentHeard(job="a", done=3), state=state)
    assert (only(state).progress, only(state).is_over) == (0.75, False)
    state = after(JobDone(job="a"), state=state)
    assert (only(state).progress, only(state).is_over, jobs.part(state).over) == (1.0, True, ("a",))


def test_a_retry_goes_on_where_the_job_stopped_and_forgets_why() -> None:
    failed = after(
        JobQueued(job="a"),
        JobStarted(job="a"),
        JobCut(job="a", seconds=60.0, segments=4),
        SegmentHeard(job="a", done=2),
        JobFailed(job="a", code="provider", message="it died"),
    )
    assert (only(failed).state, only(failed).code) == ("failed", "provider")
    again = only(after(JobQueued(job="a"), state=failed))
    assert (again.state, again.code, again.segments_done, again.progress) == ("queued", None, 2, 0.5)
    assert jobs.part(after(JobQueued(job="a"), state=failed)).over == ()


@given(st.lists(facts, max_size=60))
def test_progress_never_goes_back_while_a_job_is_kept(events: list[JobEvent]) -> None:
    state = ROOT.initial
    for event in events:
        before = select_job(state, event.job)
        state = ROOT.reduce(state, event)
        now = select_job(state, event.job)
        # What was done and is queued again is another run of it: its result was lost, or was not wanted.
        if before is None or now is None or (before.state == "done" and isinstance(event, JobQueued)):
            continue
        assert now.segments_done >= before.segments_done
        assert now.progress >= before.progress
        assert 0.0 <= now.progress <= 1.0


@given(st.lists(facts, max_size=40), facts)
def test_what_is_told_late_changes_nothing(events: list[JobEvent], late: JobEvent) -> None:
    state = after(*events)
    record = select_job(state, late.job)
    if record is not None and not record.is_over:
        return
    if isinstance(late, JobQueued | JobForgotten):
        return
    assert ROOT.reduce(state, late) is state


@given(st.lists(facts, max_size=40))
def test_what_is_told_twice_is_told_once(events: list[JobEvent]) -> None:
    def pieces(state: State) -> object:
        return [(r.state, r.segments, r.segments_done, r.code) for r in select_jobs(state)], jobs.part(state).over

    state = ROOT.initial
    for event in events:
        state = ROOT.reduce(state, event)
        assert pieces(ROOT.reduce(state, event)) == pieces(state)


@given(st.lists(facts, max_size=60))
def test_jobs_that_are_over_are_listed_once_each_and_no_others(events: list[JobEvent]) -> None:
    part = jobs.part(after(*events))
    assert len(set(part.over)) == len(part.over)
    assert set(part.over) == {id for id, record in part.records.items() if record.state in OVER}


@given(st.lists(facts, min_size=1, max_size=60))
def test_the_slice_says_which_job_its_last_fact_was_about(events: list[JobEvent]) -> None:
    state = ROOT.initial
    for event in events:
        before, state = state, ROOT.reduce(state, event)
        old, new = jobs.part(before), jobs.part(state)
        if new is not old:
            assert new.changed == event.job
        others = {*old.records, *new.records} - {event.job}
        assert all(old.records.get(id) is new.records.get(id) for id in others)


@given(st.lists(facts, max_size=60))
def test_replay_gives_the_same_state_byte_for_byte(events: list[JobEvent]) -> None:
    first, second = jobs.part(after(*events)), jobs.part(after(*events))
    assert first == second

    def written(part: Jobs) -> bytes:
        return msgspec.json.encode((sorted(part.records.items()), part.over, part.changed), enc_hook=dict)

    # As a journal hands the facts on.
    read = [msgspec.json.decode(msgspec.json.encode(event), type=type(event)) for event in events]
    assert written(jobs.part(after(*read))) == written(first)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([JobDone, JobCancelled]), min_size=MOST_OVER, max_size=MOST_OVER + 60))
def test_of_the_jobs_that_are_over_the_last_are_kept(ends: list[type[JobDone | JobCancelled]]) -> None:
    state = after(JobQueued(job="waits"))
    for number, end in enumerate(ends):
        state = after(JobQueued(job=str(number)), end(job=str(number)), state=state)
    part = jobs.part(state)
    kept = [str(number) for number in range(len(ends))][-MOST_OVER:]
    assert list(part.over) == kept
    assert set(part.records) == {*kept, "waits"}


def test_a_job_that_is_forgotten_leaves_nothing() -> None:
    state = after(JobQueued(job="a"), JobDone(job="a"), JobQueued(job="b"), JobForgotten(job="a"))
    assert jobs.part(state).over == ()
    assert [record.id for record in select_jobs(state)] == ["b"]
    assert jobs.part(after(JobForgotten(job="b"), state=state)).records == ROOT.initial["jobs"].records
