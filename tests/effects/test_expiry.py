"""Sessions end by themselves: decided from the records, at the pace of a virtual clock."""

from __future__ import annotations

import pytest
from reactivex.testing import TestScheduler

from asr_hub.effects.expiry import Expiry
from asr_hub.model import AudioFormat, ProviderName, Role, SessionId
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.sessions import (
    AudioTaken,
    CloseRequested,
    SessionAttached,
    SessionDetached,
    SessionOpened,
    select_sessions,
)
from asr_hub.store.slices.system import HubStarted, HubStopped

pytestmark = pytest.mark.unit

ID = SessionId("s")


class World:
    """A store with the effect, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.scheduler = TestScheduler()
        self.failures: list[Exception] = []
        self.breaks = False
        self.idle_timeout = 300.0
        effect = Expiry(
            self._records,
            resume_window=lambda: 60.0,
            idle_timeout=lambda: self.idle_timeout,
            now=lambda: self.scheduler.clock,
            scheduler=self.scheduler,
        )
        self.store = HubStore([effect], on_error=lambda error, event: self.failures.append(error))
        self.store.dispatch(HubStarted(version="1", max_sessions=1, default_provider=ProviderName("p")))
        self.store.dispatch(
            SessionOpened(session=ID, provider=ProviderName("p"), format=AudioFormat(), protocol="test")
        )
        self.store.dispatch(SessionAttached(session=ID, role=Role.PUBLISHER, protocol="test"))

    def _records(self) -> object:
        if self.breaks:
            raise RuntimeError("no records")
        return select_sessions(self.store.state)

    def at(self, seconds: float, *events: Event) -> list[str]:
        """Move the clock, dispatch, and tell the reasons for which closing was requested until now."""
        self.scheduler.advance_to(seconds)
        for event in events:
            self.store.dispatch(event)
        return [e.event.reason for e in self.store.journal.entries() if isinstance(e.event, CloseRequested)]


def detached(at: float) -> SessionDetached:
    return SessionDetached(at=at, session=ID, role=Role.PUBLISHER, protocol="test")


def attached(at: float) -> SessionAttached:
    return SessionAttached(at=at, session=ID, role=Role.PUBLISHER, protocol="test")


def test_a_session_without_a_publisher_expires_after_the_window() -> None:
    world = World()
    assert world.at(10, detached(10)) == []
    assert world.at(69) == []
    assert world.at(71) == ["expired"]


def test_a_publisher_that_comes_back_in_time_keeps_it() -> None:
    world = World()
    world.at(10, detached(10))
    world.at(60, attached(60))
    assert world.at(200) == []


def test_a_session_that_says_nothing_is_idle() -> None:
    world = World()
    world.at(100, AudioTaken(at=100, session=ID, audio_offset=1))
    assert world.at(399) == []
    assert world.at(401) == ["idle"]


def test_closing_is_asked_for_once() -> None:
    world = World()
    world.at(10, detached(10))
    assert world.at(500) == ["expired"]


def test_a_limit_that_changes_holds_from_the_next_sweep_on() -> None:
    world = World()
    assert world.at(100) == []
    world.idle_timeout = 50.0
    assert world.at(101) == ["idle"]


def test_a_stopped_hub_sweeps_no_more() -> None:
    world = World()
    world.at(10, detached(10), HubStopped(at=10))
    assert world.at(500) == []


def test_a_sweep_that_fails_is_not_the_last() -> None:
    world = World()
    world.at(10, detached(10))
    world.breaks = True
    world.at(100)
    world.breaks = False
    assert world.at(110) == ["expired"]
