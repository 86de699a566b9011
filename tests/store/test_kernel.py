from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from asr_hub.errors import HubError, Overloaded
from asr_hub.model import SessionId
from asr_hub.store.event import Event
from asr_hub.store.kernel import Change, HubStore
from asr_hub.store.root import ROOT, Root
from asr_hub.store.slice import IllegalMove, Slice, State
from asr_hub.store.slices.sessions import SessionClosed, SessionWarned, select_live_count, select_session
from asr_hub.store.slices.system import DrainStarted, select_system

from .facts import A, B, Errors, any_history, audio, closed, opened, revised, store, warned

pytestmark = pytest.mark.unit


def warnings_of(hub: HubStore, session: SessionId = A) -> int:
    record = select_session(hub.state, session)
    assert record is not None
    return record.warnings


def exploding_root() -> Root:
    bad: Slice[int] = Slice("bad", 0, part_type=int)

    @bad.on(DrainStarted)
    def explode(part: int, event: DrainStarted) -> int:
        raise ValueError("a slice with a fault")

    return Root((*ROOT.slices, bad))


def test_an_observer_that_dispatches_does_not_turn_the_order_of_others() -> None:
    hub = store()
    before: list[int] = []
    after: list[int] = []
    hub.dispatch(opened())

    def warn_again(change: Change) -> None:
        if warnings_of(hub) < 3:
            hub.dispatch(warned())

    hub.watch(A, lambda change: before.append(change.new.warnings if change.new else -1))
    hub.watch(A, warn_again)
    hub.watch(A, lambda change: after.append(change.new.warnings if change.new else -1))
    hub.dispatch(warned())
    assert before == after == [1, 2, 3]


def test_a_watcher_hears_of_its_session_alone_and_its_stream_completes() -> None:
    hub = store()
    changes: list[Change] = []
    ends: list[str] = []
    hub.session(A).subscribe(changes.append, on_completed=lambda: ends.append("completed"))
    for event in (opened(A), opened(B), warned(session=B), warned(), closed(B), closed(A)):
        hub.dispatch(event)
    assert [change.event for change in changes] == [opened(A), warned(), closed(A)]
    assert changes[0].old is None
    assert changes[1].old == changes[0].new
    assert changes[-1].new is None
    assert ends == ["completed"]
    assert hub.watched_sessions == 0


def test_a_disposed_watcher_is_forgotten_and_not_called_even_in_the_same_round() -> None:
    hub = store()
    hub.dispatch(opened())
    late: list[Change] = []
    disposers: list[Callable[[], None]] = []
    hub.watch(A, lambda _: disposers[0]())
    disposers.append(hub.watch(A, late.append))
    hub.dispatch(warned())
    disposers[0]()
    assert late == []
    assert hub.watched_sessions == 1


def test_a_watcher_that_raises_is_reported_and_dropped_alone() -> None:
    errors = Errors()
    hub = store(on_error=errors)
    hub.dispatch(opened())
    calls: list[Change] = []

    def fail(change: Change) -> None:
        raise RuntimeError("a watcher with a fault")

    hub.watch(A, fail)
    hub.session(A).subscribe(fail)
    hub.watch(A, calls.append)
    for _ in range(3):
        hub.dispatch(warned())
    assert len(calls) == 3
    assert errors.kinds == [RuntimeError, RuntimeError]
    assert all(event == warned() for _, event in errors.seen)


def test_a_raising_reducer_changes_nothing_and_the_next_action_is_handled() -> None:
    errors = Errors()
    hub = store(on_error=errors, root=exploding_root())
    hub.dispatch(opened())
    before = hub.state
    hub.dispatch(DrainStarted())
    assert hub.state == before
    assert not select_system(hub.state).is_draining
    hub.dispatch(warned())
    assert warnings_of(hub) == 1
    assert errors.kinds == [ValueError]
    assert [entry.event for entry in hub.journal.entries()] == [opened(), warned()]


def test_an_impossible_fact_reaches_on_error_and_neither_watchers_nor_journal() -> None:
    errors = Errors()
    hub = store(on_error=errors)
    told: list[Change] = []
    hub.watch(A, told.append)
    hub.dispatch(warned())
    assert errors.kinds == [IllegalMove]
    assert told == []
    assert hub.journal.seq == 0


def test_a_second_close_and_a_late_detach_are_no_errors() -> None:
    hub = store()
    for event in (opened(), closed(), closed()):
        hub.dispatch(event)
    assert select_live_count(hub.state) == 0


def test_select_gives_the_value_at_once_and_then_each_change() -> None:
    hub = store()
    hub.dispatch(opened(A))
    counts: list[int] = []
    ends: list[str] = []
    subscription = hub.select(select_live_count).subscribe(counts.append, on_completed=lambda: ends.append("completed"))
    hub.dispatch(warned())
    hub.dispatch(opened(B))
    assert counts == [1, 2]
    subscription.dispose()
    hub.dispatch(closed(B))
    assert counts == [1, 2]
    hub.select(select_live_count).subscribe(counts.append, on_completed=lambda: ends.append("completed"))
    hub.close()
    assert ends == ["completed"]


def test_select_compares_numbers_and_texts_by_value_and_records_by_identity() -> None:
    hub = store()
    texts: list[str] = []
    parts: list[object] = []
    hub.select(lambda state: f"{select_live_count(state)} sessions").subscribe(texts.append)
    hub.select(lambda state: state["system"]).subscribe(parts.append)
    for event in (opened(), warned(), warned()):
        hub.dispatch(event)
    assert texts == ["0 sessions", "1 sessions"]
    assert len(parts) == 2


def test_a_selector_that_raises_ends_its_own_view_only() -> None:
    errors = Errors()
    hub = store(on_error=errors)
    counts: list[int] = []

    def select_badly(state: State) -> int:
        return 1 // (1 - select_live_count(state))

    hub.select(select_badly).subscribe()
    hub.select(select_live_count).subscribe(counts.append)
    for session in (A, B):
        hub.dispatch(opened(session))
    assert counts == [0, 1, 2]
    assert errors.kinds == [ZeroDivisionError]


def test_an_endless_burst_is_cut_and_the_store_lives_on() -> None:
    errors = Errors()
    hub = store(on_error=errors, burst_limit=100)
    hub.dispatch(opened())
    hub.watch(A, lambda _: hub.dispatch(warned()))
    hub.dispatch(warned())
    assert errors.kinds == [RecursionError]
    assert warnings_of(hub) == 100
    hub.dispatch(opened(B))
    assert select_live_count(hub.state) == 2


def test_an_on_error_that_raises_loses_no_waiting_action() -> None:
    hub = store()
    hub.dispatch(opened())

    def warn_and_fail(_: Change) -> None:
        hub.dispatch(warned())
        raise RuntimeError("a watcher with a fault")

    hub.watch(A, warn_and_fail)
    with pytest.raises(RuntimeError, match="with a fault"):
        hub.dispatch(audio(1))
    hub.dispatch(audio(2))
    assert warnings_of(hub) == 1


async def test_posts_of_many_threads_all_arrive_in_the_order_of_each_thread() -> None:
    hub = store()
    loop = asyncio.get_running_loop()
    hub.attach(loop.call_soon_threadsafe, thread_id=threading.get_ident)
    sessions = [SessionId(f"s{number}") for number in range(8)]
    seen: dict[SessionId, list[str]] = {session: [] for session in sessions}
    foreign: list[int] = []
    finished = asyncio.Event()
    here = threading.get_ident()

    def note(change: Change) -> None:
        if threading.get_ident() != here:
            foreign.append(1)
        if isinstance(change.event, SessionWarned):
            seen[change.event.session].append(change.event.code)
        if isinstance(change.event, SessionClosed) and select_live_count(hub.state) == 0:
            finished.set()

    for session in sessions:
        hub.dispatch(opened(session))
        hub.watch(session, note)

    def work(session: SessionId) -> None:
        send = hub.post if session < SessionId("s4") else hub.dispatch
        for number in range(500):
            send(warned(str(number), session))
        send(closed(session))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        await asyncio.wait_for(asyncio.gather(*(asyncio.to_thread(work, session) for session in sessions)), 30)
        await asyncio.wait_for(finished.wait(), 30)
    finally:
        sys.setswitchinterval(interval)
    assert all(codes == [str(number) for number in range(500)] for codes in seen.values())
    assert foreign == []
    hub.close()


async def test_what_was_posted_before_the_loop_ran_is_handled_once_it_does() -> None:
    hub = store()
    hub.post(opened())
    assert select_live_count(hub.state) == 0
    loop = asyncio.get_running_loop()
    hub.attach(loop.call_soon_threadsafe)
    turned = asyncio.Event()
    loop.call_soon(turned.set)
    await turned.wait()
    assert select_live_count(hub.state) == 1


def test_a_burst_of_posts_wakes_the_loop_once_and_shares_its_turns() -> None:
    hub = store()
    turns: list[Callable[[], None]] = []
    hub.attach(turns.append)
    hub.post(opened())
    for _ in range(600):
        hub.post(warned())
    assert len(turns) == 1
    turns.pop()()
    assert len(turns) == 1
    assert 0 < warnings_of(hub) < 600
    while turns:
        turns.pop()()
    assert warnings_of(hub) == 600


def test_a_loop_that_lags_far_behind_refuses_posts() -> None:
    hub = store(inbox_limit=2)
    hub.post(opened())
    hub.post(warned())
    with pytest.raises(Overloaded):
        hub.post(warned())


def test_a_closed_store_ends_its_streams_and_refuses_facts() -> None:
    hub = store()
    hub.dispatch(opened())
    ends: list[str] = []
    hub.session(A).subscribe(on_completed=lambda: ends.append("completed"))
    hub.close()
    hub.close()
    hub.post(warned())
    assert ends == ["completed"]
    with pytest.raises(HubError, match="closed"):
        hub.dispatch(warned())


def test_sessions_that_come_and_go_leave_nothing() -> None:
    """Objects that live are counted after warming up and after many more sessions; watched and unwatched alike."""
    hub = store(journal_size=100, snapshot_every=10)

    def live(sessions: range) -> int:
        for number in sessions:
            session = SessionId(f"session-{number}")
            hub.dispatch(opened(session))
            dispose = hub.watch(session, lambda _: None)
            hub.dispatch(revised(1, f"text {number}", session))
            if number % 2:
                dispose()
            hub.dispatch(closed(session))
        gc.collect()
        return len(gc.get_objects())

    settled = live(range(1_000))
    assert live(range(1_000, 4_000)) <= settled + 200
    assert hub.watched_sessions == 0
    assert all(len(part) == 0 for name, part in hub.state.items() if name in ("sessions", "transcripts"))


@pytest.mark.slow
def test_200_000_sessions_leave_nothing() -> None:
    hub = store(journal_size=1_000, snapshot_every=100)

    def live(sessions: range) -> int:
        for number in sessions:
            session = SessionId(f"session-{number}")
            hub.dispatch(opened(session))
            dispose = hub.watch(session, lambda _: None)
            hub.dispatch(revised(1, f"text {number}", session))
            if number % 2:
                dispose()
            hub.dispatch(closed(session))
        gc.collect()
        return _resident_bytes()

    settled = live(range(20_000))
    assert live(range(20_000, 200_000)) - settled < 4 * 2**20
    assert hub.watched_sessions == 0
    assert select_live_count(hub.state) == 0


@given(any_history)
@settings(max_examples=60, deadline=None)
def test_the_store_and_its_bare_reducer_agree_and_only_impossible_facts_are_errors(history: list[Event]) -> None:
    errors = Errors()
    hub = store(on_error=errors)
    state = ROOT.initial
    for event in history:
        hub.dispatch(event)
        with contextlib.suppress(IllegalMove):
            state = ROOT.reduce(state, event)
        assert state == hub.state
    assert set(errors.kinds) <= {IllegalMove}
    assert hub.journal.seq == len(history) - len(errors.seen)
    hub.close()


def _resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
