from __future__ import annotations

import pytest

from asr_hub.store.event import Event
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State
from asr_hub.store.slices.system import (
    DrainStarted,
    HubStarted,
    HubStopped,
    ProviderResolved,
    Reconfigured,
    SessionRefused,
    select_closed_count,
    select_opened_count,
    select_refused_count,
    select_system,
)

from .facts import STUB, A, B, closed, opened

pytestmark = pytest.mark.unit

STARTED = HubStarted(version="1.2.3", max_sessions=9, default_provider=STUB, at=5.0)


def after(*events: Event) -> State:
    state = ROOT.initial
    for event in events:
        state = ROOT.reduce(state, event)
    return state


def test_a_hub_starts_drains_and_stops() -> None:
    running = select_system(after(STARTED))
    assert (running.version, running.max_sessions, running.default_provider) == ("1.2.3", 9, STUB)
    assert (running.is_running, running.is_draining, running.started_at) == (True, False, 5.0)
    draining = select_system(after(STARTED, DrainStarted()))
    assert (draining.is_running, draining.is_draining) == (True, True)
    assert not select_system(after(STARTED, DrainStarted(), HubStopped())).is_running


def test_what_auto_came_to_mean_is_kept_with_its_reason() -> None:
    resolution = select_system(after(STARTED, ProviderResolved(provider=STUB, reason="no GPU"))).resolution
    assert resolution is not None
    assert (resolution.provider, resolution.reason) == (STUB, "no GPU")


def test_a_configuration_that_was_read_again_says_what_holds_and_what_waits() -> None:
    changed = Reconfigured(
        at=7.0,
        default_provider=STUB,
        max_sessions=3,
        applied=("sessions.max_sessions",),
        needs_restart=("server.port",),
    )
    part = select_system(after(STARTED, ProviderResolved(provider=STUB, reason="no GPU"), changed))
    assert (part.max_sessions, part.needs_restart, part.reconfigured_at) == (3, ("server.port",), 7.0)
    assert part.resolution is None and part.started_at == 5.0
    again = select_system(after(STARTED, changed, Reconfigured(default_provider=STUB, max_sessions=4, resolution="r")))
    assert again.needs_restart == () and again.resolution is not None and again.resolution.reason == "r"


def test_sessions_are_counted_and_a_second_close_counts_no_more() -> None:
    state = after(opened(A), opened(B), closed(A), closed(A), opened(A))
    assert (select_opened_count(state), select_closed_count(state)) == (3, 1)


def test_those_turned_away_are_counted_by_reason() -> None:
    refusals = [SessionRefused(code=code, protocol="sse") for code in ("overloaded", "not-found", "overloaded")]
    state = after(*refusals)
    assert select_refused_count(state) == 3
    assert select_system(state).refused["overloaded"] == 2
