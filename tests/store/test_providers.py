from __future__ import annotations

import pytest

from asr_hub.model import ProviderName
from asr_hub.store.event import Event
from asr_hub.store.root import ROOT
from asr_hub.store.slice import IllegalMove, State
from asr_hub.store.slices.providers import (
    Health,
    Provider,
    ProviderFailed,
    ProviderNoted,
    ProviderReady,
    ProviderRemoved,
    ProviderRetired,
    ProviderStarting,
    ProviderStopped,
    ProviderUnloaded,
    SlotFreed,
    SlotTaken,
    select_provider,
    select_providers,
    select_ready_count,
)

from .facts import STUB

pytestmark = pytest.mark.unit

STARTING = ProviderStarting(provider=STUB, kind="fake", at=1.0)
READY = ProviderReady(provider=STUB, max_streams=2, took=0.5, self_test="yes", at=2.0)
FAILED = ProviderFailed(provider=STUB, code="out-of-memory", message="use a smaller model", retry_in=4.0, at=3.0)
TAKEN = SlotTaken(provider=STUB)
FREED = SlotFreed(provider=STUB)


def after(*events: Event) -> State:
    state = ROOT.initial
    for event in events:
        state = ROOT.reduce(state, event)
    return state


def stub_after(*events: Event) -> Provider:
    provider = select_provider(after(*events), STUB)
    assert provider is not None
    return provider


def test_a_provider_starts_serves_and_stops() -> None:
    assert stub_after(STARTING).health is Health.STARTING
    ready = stub_after(STARTING, READY)
    assert (ready.health, ready.max_streams, ready.took, ready.self_test) == (Health.READY, 2, 0.5, "yes")
    assert stub_after(STARTING, READY, ProviderStopped(provider=STUB)).health is Health.STOPPED


def test_one_that_is_no_longer_configured_is_known_until_it_hears_nothing() -> None:
    retiring = (STARTING, READY, TAKEN, ProviderRetired(provider=STUB, at=8.0))
    assert (stub_after(*retiring).health, stub_after(*retiring).used) == (Health.RETIRING, 1)
    assert select_provider(after(*retiring, FREED, ProviderRemoved(provider=STUB)), STUB) is None
    assert stub_after(*retiring, STARTING, READY, FREED).health is Health.READY


def test_slots_are_counted_and_outlive_a_restart() -> None:
    provider = stub_after(STARTING, READY, TAKEN, TAKEN, FREED, FAILED, STARTING, READY)
    assert (provider.used, provider.free, provider.starts) == (1, 1, 2)


def test_an_unloaded_one_is_no_failure_and_comes_back() -> None:
    unloaded = stub_after(STARTING, READY, ProviderUnloaded(provider=STUB, at=9.0))
    assert (unloaded.health, unloaded.failures, unloaded.changed_at) == (Health.UNLOADED, 0, 9.0)
    assert stub_after(STARTING, READY, ProviderUnloaded(provider=STUB), STARTING, READY).health is Health.READY


def test_the_last_note_is_kept_and_changes_nothing_else() -> None:
    noted = [ProviderNoted(provider=STUB, code="out-of-memory", message=text, at=5.0) for text in ("8", "4")]
    provider = stub_after(STARTING, READY, *noted)
    assert provider.last_note is not None
    assert (provider.health, provider.notes, provider.last_note.message) == (Health.READY, 2, "4")


def test_a_failure_is_kept_after_the_recovery() -> None:
    provider = stub_after(STARTING, FAILED, STARTING, READY)
    assert (provider.health, provider.failures) == (Health.READY, 1)
    assert provider.last_fault is not None
    assert (provider.last_fault.code, provider.last_fault.at, provider.last_fault.retry_in) == (
        "out-of-memory",
        3.0,
        4.0,
    )


@pytest.mark.parametrize("events", [[READY], [TAKEN], [STARTING, READY, TAKEN, FREED, FREED]], ids=len)
def test_what_cannot_be_is_told(events: list[Event]) -> None:
    with pytest.raises(IllegalMove):
        after(*events)


def test_providers_are_listed_and_the_ready_ones_counted() -> None:
    other = ProviderStarting(provider=ProviderName("other"), kind="fake")
    state = after(STARTING, other, READY)
    assert {provider.name for provider in select_providers(state)} == {"stub", "other"}
    assert select_ready_count(state) == 1
