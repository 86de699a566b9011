"""Who watches which job: told at once, by nobody else's doing, and with nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.store.facts import store as new_store

from asr_hub.access.grant import ANYBODY, Grant, Scope
from asr_hub.errors import Forbidden, HubError, NotFound, Overloaded
from asr_hub.hub.job_watch import Found, JobWatches, Lookup, Watch, lookup_in
from asr_hub.jobs.job import Failure, Handling, Job, JobId, JobState, Wish
from asr_hub.jobs.ports import Place
from asr_hub.model import ProviderName
from asr_hub.protocols.jobs_live import JobsLivePort
from asr_hub.store.event import JobEvent
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.jobs import (
    MOST_OVER,
    JobCancelled,
    JobCut,
    JobDone,
    JobFailed,
    JobForgotten,
    JobQueued,
    JobRecord,
    JobStarted,
    SegmentHeard,
)
from asr_hub.wire.jobs import JobError, JobProgress

pytestmark = pytest.mark.unit

A, B, C = ("a" * 32, "b" * 32, "c" * 32)

KEY = Grant(name="key", scopes=frozenset({Scope.WATCH}))
OTHER = Grant(name="other", scopes=frozenset({Scope.WATCH}))
ADMIN = Grant(name="admin", scopes=frozenset({Scope.WATCH, Scope.ADMIN}))


class Kept:
    """Whoever keeps the jobs. `gate` holds its answers back."""

    def __init__(self, *found: Found) -> None:
        self.found = {one.record.id: one for one in found}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.has_asked = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, id: str) -> Found | None:
        self.asked.append(id)
        self.has_asked.set()
        answer = self.found.get(id)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return answer


class Reader:
    """Reads whenever it is woken."""

    def __init__(self, watches: JobsLivePort, job: str = A, grant: Grant = KEY) -> None:
        self.rings = 0
        self._woken = asyncio.Event()
        self.watch = watches.watch(job, grant=grant, on_change=self._ring)

    def _ring(self) -> None:
        self.rings += 1
        self._woken.set()

    async def next(self) -> JobProgress:
        async with asyncio.timeout(10):
            while True:
                self._woken.clear()
                if (message := self.watch.read()) is not None:
                    return message
                await self._woken.wait()


@asynccontextmanager
async def watching(lookup: Lookup | None = None, **options: Any) -> AsyncIterator[tuple[HubStore, JobWatches]]:
    store = new_store()
    watches = JobWatches(store, lookup, **options)
    try:
        yield store, watches
    finally:
        await watches.aclose()
        store.close()


def tell(store: HubStore, *events: JobEvent) -> None:
    for event in events:
        store.dispatch(event)


async def idle(watches: JobWatches) -> None:
    """Wait until nobody is asked any more."""
    await asyncio.gather(*watches._tasks, return_exceptions=True)


def begun(job: str = A, principal: str = "key") -> tuple[JobEvent, ...]:
    return JobQueued(job=job, principal=principal, at=1.0), JobStarted(job=job, at=2.0)


async def test_a_watch_begins_with_how_the_job_stands_and_ends_with_its_end() -> None:
    async with watching() as (store, watches):
        tell(store, *begun(), JobCut(job=A, seconds=60.0, segments=3, at=3.0))
        reader = Reader(watches)
        assert reader.watch.read() == JobProgress(
            id=A, status="processing", progress=0.0, segments=3, segments_done=0, seconds=60.0, updated_at=3.0
        )
        assert reader.watch.read() is None
        tell(store, SegmentHeard(job=A, done=2, at=4.0))
        heard = reader.watch.read()
        assert heard is not None and (heard.progress, heard.segments_done) == (66.6, 2)
        assert not reader.watch.is_over
        tell(store, JobDone(job=A, at=5.0))
        done = reader.watch.read()
        assert done is not None and (done.status, done.progress) == ("done", 100.0)
        assert reader.watch.is_over
        assert reader.rings == 2


async def test_who_does_not_read_is_told_the_last_and_nothing_piles_up() -> None:
    async with watching() as (store, watches):
        tell(store, *begun(), JobCut(job=A, seconds=60.0, segments=1000))
        reader = Reader(watches)
        reader.watch.read()
        tell(store, *(SegmentHeard(job=A, done=done) for done in range(1, 1001)))
        message = reader.watch.read()
        assert message is not None and message.segments_done == 1000
        assert reader.watch.read() is None


async def test_one_change_is_told_to_the_watchers_of_that_job_and_to_nobody_else() -> None:
    async with watching() as (store, watches):
        crowd = [f"{number:032x}" for number in range(2000)]
        for job in (A, *crowd):
            tell(store, *begun(job))
        two = [Reader(watches), Reader(watches)]
        others = [Reader(watches, job) for job in crowd]
        looked_at: list[str] = []

        class Counting(dict[str, Any]):
            def get(self, key: str, default: Any = None) -> Any:
                looked_at.append(key)
                return super().get(key, default)

            def _all(self) -> Any:
                raise AssertionError("all watched jobs were looked at")

            __iter__ = items = keys = values = _all

        watches._watched = Counting(watches._watched)
        tell(store, JobCut(job=A, seconds=1.0, segments=1), SegmentHeard(job=A, done=1))
        assert looked_at == [A, A]
        assert [reader.rings for reader in two] == [2, 2]
        assert sum(reader.rings for reader in others) == 0


@pytest.mark.parametrize("grant", [KEY, ADMIN, ANYBODY])
async def test_a_job_is_shown_to_its_key_and_to_admins(grant: Grant) -> None:
    async with watching() as (store, watches):
        tell(store, *begun(principal="key"))
        assert (await Reader(watches, grant=grant).next()).id == A


async def test_the_job_of_somebody_else_looks_as_one_that_is_not_there() -> None:
    kept = Kept()
    async with watching(kept) as (store, watches):
        tell(store, *begun(A, principal="key"))
        kept.found = {C: Found(JobRecord(id=C, principal="key", state="done"))}
        told: list[tuple[str, str]] = []
        for job in (A, B, C):
            kept.gate.clear()
            reader = Reader(watches, job, OTHER)
            # Each waits for the same answer: how long it takes tells nothing.
            assert reader.watch.read() is None
            kept.gate.set()
            with pytest.raises(NotFound) as caught:
                await reader.next()
            told.append((caught.value.code, str(caught.value)))
            reader.watch.close()
        assert len(set(told)) == 1 and told[0][0] == "unknown-job"
        assert kept.asked == [A, B, C]


async def test_a_grant_without_watch_or_for_one_session_is_refused() -> None:
    async with watching() as (store, watches):
        tell(store, *begun())
        for grant in (Grant(scopes=frozenset({Scope.SPEAK})), Grant(session="s")):
            with pytest.raises(Forbidden):
                watches.watch(A, grant=grant, on_change=lambda: None)
        assert len(watches) == 0


@pytest.mark.parametrize("job", ["", "a", "A" * 32, "a" * 33, "../" * 11, "\0" * 32, "é" * 32, "a" * 100_000])
async def test_nobody_is_asked_for_what_is_no_id(job: str) -> None:
    kept = Kept()
    async with watching(kept) as (_, watches):
        reader = Reader(watches, job)
        with pytest.raises(NotFound, match="no such job") as caught:
            await reader.next()
        assert caught.value.code == "unknown-job"
        assert len(str(caught.value)) < 400
        assert kept.asked == []


async def test_a_job_that_is_over_and_no_longer_told_of_is_asked_for() -> None:
    kept = Kept(Found(JobRecord(id=A, principal="key", state="failed", code="provider", message="it died")))
    async with watching(kept) as (_, watches):
        reader = Reader(watches)
        message = await reader.next()
        assert (message.status, message.error) == ("failed", JobError(code="provider", message="it died"))
        assert reader.watch.is_over


async def test_a_job_that_ends_while_it_is_asked_for_is_not_missed() -> None:
    kept = Kept(Found(JobRecord(id=A, principal="key", state="processing")))
    kept.gate.clear()
    async with watching(kept) as (store, watches):
        reader = Reader(watches)
        await kept.has_asked.wait()
        tell(store, *begun(), JobDone(job=A))
        assert (await reader.next()).status == "done"
        kept.gate.set()
        await idle(watches)
        assert reader.watch.read() is None
        assert reader.watch.is_over


async def test_who_waits_in_the_queue_is_told_his_place_until_something_happens() -> None:
    kept = Kept(Found(JobRecord(id=A, principal="key"), position=3))
    async with watching(kept) as (store, watches):
        tell(store, JobQueued(job=A, principal="key"))
        reader = Reader(watches)
        assert ((message := await reader.next()).status, message.position) == ("queued", 3)
        tell(store, JobStarted(job=A))
        assert ((message := await reader.next()).status, message.position) == ("processing", None)


async def test_a_job_that_is_known_is_told_though_nobody_answers() -> None:
    kept = Kept()
    kept.error = Overloaded("the database is away")
    async with watching(kept) as (store, watches):
        tell(store, JobQueued(job=A, principal="key"))
        assert (await Reader(watches).next()).status == "queued"
        with pytest.raises(Overloaded, match="database is away"):
            await Reader(watches, B).next()


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("secret"), "internal"), (None, "jobs-slow")])
async def test_who_does_not_answer_or_breaks_is_told_and_not_waited_for(error: Exception | None, code: str) -> None:
    kept = Kept()
    kept.error = error
    if error is None:
        kept.gate.clear()
    async with watching(kept, lookup_timeout_s=0.01) as (_, watches):
        with pytest.raises(HubError) as caught:
            await Reader(watches).next()
        assert caught.value.code == code
        assert "secret" not in str(caught.value)


async def test_a_job_that_is_deleted_ends_for_those_who_watch_it() -> None:
    async with watching() as (store, watches):
        tell(store, *begun(), *begun(B))
        deleted, cancelled = Reader(watches), Reader(watches, B)
        tell(store, JobForgotten(job=A), JobCancelled(job=B), JobForgotten(job=B))
        message = await deleted.next()
        assert (message.status, message.error) == ("cancelled", JobError(code="deleted", message="the job was deleted"))
        assert (await cancelled.next()).error is None
        assert deleted.watch.is_over and cancelled.watch.is_over


async def test_an_end_is_kept_for_those_who_have_not_read_it_though_the_slice_forgot_it() -> None:
    async with watching() as (store, watches):
        tell(store, *begun())
        reader = Reader(watches)
        tell(store, JobFailed(job=A, code="provider", message="it died"))
        for number in range(MOST_OVER):
            tell(store, *begun(f"{number:032x}"), JobDone(job=f"{number:032x}"))
        assert (await reader.next()).status == "failed"


async def test_a_job_that_is_tried_again_goes_on_for_who_has_not_read_its_end() -> None:
    async with watching() as (store, watches):
        tell(store, *begun())
        reader = Reader(watches)
        tell(store, JobFailed(job=A, code="provider", message="it died"), *begun())
        message = await reader.next()
        assert (message.status, message.error, reader.watch.is_over) == ("processing", None, False)


async def test_nothing_is_left_of_watches_that_are_closed() -> None:
    kept = Kept()
    kept.gate.clear()
    async with watching(kept) as (store, watches):
        tell(store, *begun())
        readers = [Reader(watches, job) for job in (A, A, B, C) for _ in range(50)]
        assert len(watches) == 200
        for reader in readers:
            reader.watch.close()
            reader.watch.close()
        await idle(watches)
        assert (len(watches), watches.tasks, watches._watched) == (0, 0, {})
        tell(store, JobDone(job=A))
        assert sum(reader.rings for reader in readers) == 0


async def test_there_are_only_so_many_watches_and_none_while_the_hub_stops() -> None:
    async with watching(max_watches=2) as (store, watches):
        tell(store, *begun())
        first, _ = Reader(watches), Reader(watches)
        with pytest.raises(Overloaded, match="2 watches"):
            Reader(watches)
        first.watch.close()
        again = Reader(watches)
        await watches.aclose()
        await watches.aclose()
        again.watch.close()
        with pytest.raises(Overloaded) as caught:
            Reader(watches)
        assert caught.value.code == "draining"
        # Nobody is told any more, and the store does not mind.
        tell(store, JobDone(job=A))


async def test_a_reader_that_breaks_takes_nobody_with_it() -> None:
    async with watching() as (store, watches):
        tell(store, *begun())

        def breaks() -> None:
            raise RuntimeError("a defect")

        broken = watches.watch(A, grant=KEY, on_change=breaks)
        reader = Reader(watches)
        tell(store, JobCut(job=A, seconds=1.0, segments=1), SegmentHeard(job=A, done=1))
        assert reader.rings == 2
        broken.close()


async def test_a_reader_may_leave_while_it_is_told() -> None:
    async with watching() as (store, watches):
        tell(store, *begun())
        both: list[Watch] = []

        def leave() -> None:
            for watch in both:
                watch.close()

        both += [watches.watch(A, grant=KEY, on_change=leave) for _ in range(2)]
        tell(store, JobDone(job=A))
        assert len(watches) == 0


async def test_nobody_is_asked_again() -> None:
    kept = Kept(Found(JobRecord(id=A, principal="key", state="processing")))
    async with watching(kept) as (_, watches):
        await Reader(watches).next()
        await idle(watches)
        assert kept.asked == [A]


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.just("read"),
            st.builds(JobQueued, job=st.just(A), principal=st.just("key")),
            st.builds(JobStarted, job=st.just(A)),
            st.builds(JobCut, job=st.just(A), seconds=st.just(9.0), segments=st.just(4)),
            st.builds(SegmentHeard, job=st.just(A), done=st.integers(0, 4)),
            st.builds(JobFailed, job=st.just(A), code=st.just("c"), message=st.just("m")),
            st.builds(JobDone, job=st.just(A)),
            st.builds(JobDone, job=st.just(B)),
        ),
        max_size=30,
    )
)
def test_whenever_somebody_reads_he_knows_what_one_knows_who_asks_anew(steps: list[Any]) -> None:
    async def run() -> None:
        async with watching() as (store, watches):
            tell(store, *begun(), JobQueued(job=B))
            reader = Reader(watches)
            last = reader.watch.read()
            for step in [*steps, "read"]:
                if step != "read":
                    tell(store, step)
                    continue
                before = last
                last = reader.watch.read() or last
                assert before is not None and last is not None
                fresh = Reader(watches)
                await idle(watches)
                assert fresh.watch.read() == last
                fresh.watch.close()

    asyncio.run(run())


# What whoever keeps the jobs says.

JOB = Job(
    id=JobId(A),
    principal="key",
    name="a.wav",
    sha256="0",
    size=1,
    wish=Wish(provider=ProviderName("p")),
    handling=Handling(priority=7),
    state=JobState.QUEUED,
    created_at=1.0,
    updated_at=2.0,
)


class Jobs:
    """As much of a JobStore as is asked."""

    def __init__(self, job: Job | None) -> None:
        self._job = job

    async def job(self, id: JobId) -> Job:
        if self._job is None:
            raise NotFound("no such job", code="unknown-job")
        return self._job

    async def place(self, job: Job) -> Place:
        return Place(position=4, wait_s=None)


def asking(job: Job | None) -> Lookup:
    jobs: Any = Jobs(job)
    return lookup_in(jobs)


async def test_a_job_is_looked_up_with_its_place_while_it_waits() -> None:
    record = JobRecord(id=A, principal="key", provider="p", priority=7, state="queued", updated_at=2.0)
    assert await asking(JOB)(A) == Found(record, 4)
    failed = replace(JOB, state=JobState.FAILED, failure=Failure(code="c", message="m"), segments=3, segments_done=1)
    found = await asking(failed)(A)
    assert found == Found(replace(record, state="failed", code="c", message="m", segments=3, segments_done=1), None)
    assert await asking(None)(A) is None
