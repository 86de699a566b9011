"""The breakers' slice: a table of moves, and what holds after any history."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import ProviderName
from asr_hub.store.event import Event
from asr_hub.store.root import Root
from asr_hub.store.slice import IllegalMove, State
from asr_hub.store.slices.breakers import (
    BREAKER_TABLE,
    FAILURES_KEPT,
    AttemptFailed,
    AttemptSucceeded,
    Breaker,
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    BreakerReset,
    BreakerState,
    breaker_table,
    breakers,
    select_breaker,
    select_breakers,
    select_failures_since,
    select_is_open,
)
from asr_hub.store.slices.providers import ProviderRemoved, ProviderRetired

from .facts import STUB, A

pytestmark = pytest.mark.unit

ALONE = Root([breakers])
OTHER = ProviderName("other")
SUCCEEDED = AttemptSucceeded(provider=STUB)
HALF_OPENED = BreakerHalfOpened(provider=STUB, at=30.0)
CLOSED = BreakerClosed(provider=STUB, at=40.0)
RESET = BreakerReset(provider=STUB)


def failed(at: float = 0.0, provider: ProviderName = STUB) -> AttemptFailed:
    return AttemptFailed(session=A, provider=provider, utterance=1, code="provider-timeout", message="no final", at=at)


def opened(open_s: float = 10.0, *, at: float = 20.0) -> BreakerOpened:
    return BreakerOpened(provider=STUB, reason="5 failures in a row", open_s=open_s, at=at)


WAYS_TO: dict[BreakerState, list[Event]] = {
    BreakerState.CLOSED: [failed()],
    BreakerState.OPEN: [failed(), opened()],
    BreakerState.HALF_OPEN: [failed(), opened(), HALF_OPENED],
}
ROWS: dict[str, Event] = {
    "AttemptFailed": failed(50.0),
    "AttemptSucceeded": SUCCEEDED,
    "BreakerOpened": opened(),
    "BreakerHalfOpened": HALF_OPENED,
    "BreakerClosed": CLOSED,
    "BreakerReset": RESET,
}


def after(*events: Event) -> State:
    state = ALONE.initial
    for event in events:
        state = ALONE.reduce(state, event)
    return state


def breaker_after(*events: Event) -> Breaker:
    breaker = select_breaker(after(*events), STUB)
    assert breaker is not None
    return breaker


def test_every_row_of_the_table_is_tried() -> None:
    assert set(ROWS) == set(BREAKER_TABLE)
    assert set(WAYS_TO) == set(BreakerState)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("before", WAYS_TO)
def test_a_move_goes_where_the_table_says_or_is_told(before: BreakerState, row: str) -> None:
    state = after(*WAYS_TO[before])
    if before not in BREAKER_TABLE[row]:
        with pytest.raises(IllegalMove, match=f"is {before}$"):
            ALONE.reduce(state, ROWS[row])
        return
    breaker = select_breaker(ALONE.reduce(state, ROWS[row]), STUB)
    assert (BreakerState.CLOSED if breaker is None else breaker.state) is BREAKER_TABLE[row][before]


def test_failures_in_a_row_are_counted_from_any_time_on() -> None:
    state = after(failed(1.0), failed(2.0), failed(5.0))
    assert [select_failures_since(state, STUB, since) for since in (0.0, 2.0, 2.5, 6.0)] == [3, 2, 1, 0]
    assert select_failures_since(state, OTHER, 0.0) == 0
    assert (breaker_after(failed()).last_code, breaker_after(failed()).last_message) == ("provider-timeout", "no final")


def test_one_success_ends_the_row() -> None:
    assert breaker_after(failed(1.0), failed(2.0), SUCCEEDED, failed(3.0)).failures == (3.0,)


def test_what_was_given_out_before_the_opening_counts_no_more() -> None:
    late = breaker_after(failed(1.0), opened(), failed(21.0), SUCCEEDED)
    assert (late.state, late.failures, late.last_code, late.openings) == ("open", (), "provider-timeout", 1)


def test_an_opening_is_known_with_its_reason_until_it_is_over() -> None:
    breaker = breaker_after(failed(), opened(10.0, at=20.0))
    assert (breaker.opened_at, breaker.open_s, breaker.reason) == (20.0, 10.0, "5 failures in a row")
    again = breaker_after(failed(), opened(), HALF_OPENED, opened(20.0, at=31.0))
    assert (again.opened_at, again.open_s, again.openings) == (31.0, 20.0, 2)
    closed = breaker_after(failed(), opened(), HALF_OPENED, CLOSED)
    assert (closed.opened_at, closed.open_s, closed.openings) == (None, 10.0, 1)


def test_the_pause_is_forgotten_with_the_first_utterance_that_is_heard_again() -> None:
    closed = [failed(), opened(), HALF_OPENED, CLOSED]
    assert breaker_after(*closed).has_to_forget
    assert breaker_after(*closed, SUCCEEDED).open_s == 0.0
    assert not breaker_after(*closed, SUCCEEDED).has_to_forget


def test_a_success_that_changes_nothing_leaves_the_very_same_state() -> None:
    for state in (after(), after(failed(), SUCCEEDED), after(failed(), opened())):
        assert ALONE.reduce(state, SUCCEEDED) is state


@pytest.mark.parametrize("move", [opened(), HALF_OPENED, CLOSED], ids=lambda move: type(move).__name__)
def test_a_breaker_without_a_failure_does_not_move(move: Event) -> None:
    with pytest.raises(IllegalMove):
        after(move)


@pytest.mark.parametrize("end", [RESET, ProviderRetired(provider=STUB), ProviderRemoved(provider=STUB)])
def test_nothing_is_left_of_a_provider_that_is_gone_or_another_one(end: Event) -> None:
    state = after(failed(), failed(provider=OTHER), opened(), end)
    assert [breaker.provider for breaker in select_breakers(state)] == [OTHER]
    assert not select_is_open(state, STUB)


def test_the_table_in_the_documentation_is_this_one() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "breaker.md"
    assert breaker_table() in page.read_text(encoding="utf-8")
    assert "| BreakerClosed | - | - | closed |\n" in breaker_table()


_names = st.sampled_from([STUB, OTHER])
_times = st.integers(0, 1_000).map(float)
_any_move: st.SearchStrategy[Event] = st.one_of(
    st.builds(failed, _times, _names),
    st.builds(BreakerOpened, provider=_names, reason=st.just("r"), open_s=st.sampled_from([1.0, 2.0]), at=_times),
    *(
        st.builds(kind, provider=_names, at=_times)
        for kind in (
            AttemptSucceeded,
            BreakerHalfOpened,
            BreakerClosed,
            BreakerReset,
            ProviderRetired,
            ProviderRemoved,
        )
    ),
)


def _states(state: State) -> dict[ProviderName, BreakerState]:
    return {breaker.provider: breaker.state for breaker in select_breakers(state)}


@given(st.lists(_any_move, max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_move_is_taken_as_the_table_says_or_is_illegal_and_changes_nothing(moves: list[Event]) -> None:
    state = ALONE.initial
    for move in moves:
        name = move.provider  # type: ignore[attr-defined]
        before, states = state, _states(state)
        was = states.get(name, BreakerState.CLOSED)
        row = BREAKER_TABLE.get(type(move).__name__, BREAKER_TABLE["BreakerReset"])
        try:
            state = ALONE.reduce(before, move)
        except IllegalMove:
            assert was not in row or name not in states
            assert _states(before) == states
            continue
        now = _states(state)
        assert now.get(name, BreakerState.CLOSED) is row[was]
        assert {other: now.get(other) for other in states if other != name} == {
            other: kept for other, kept in states.items() if other != name
        }


@given(st.lists(_any_move, max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_history_breaks_what_always_holds(moves: list[Event]) -> None:
    state = ALONE.initial
    for move in moves:
        try:
            state = ALONE.reduce(state, move)
        except IllegalMove:
            continue
        for breaker in select_breakers(state):
            is_closed = breaker.state is BreakerState.CLOSED
            assert (breaker.opened_at is None) is is_closed
            assert is_closed or not breaker.failures
            assert is_closed or (breaker.openings and breaker.open_s > 0 and breaker.reason)
            assert select_is_open(state, breaker.provider) is not is_closed


def test_a_long_row_of_failures_is_kept_at_its_end() -> None:
    breaker = breaker_after(*(failed(float(at)) for at in range(FAILURES_KEPT + 50)))
    assert len(breaker.failures) == FAILURES_KEPT
    assert breaker.failures[-1] == FAILURES_KEPT + 49
