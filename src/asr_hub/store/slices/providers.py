"""Providers: which engines there are, how each is, and how many of its slots are taken."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from operator import attrgetter

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.model import ProviderName
from asr_hub.store.event import Event
from asr_hub.store.slice import EntitySlice, IllegalMove, State


class Health(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"
    UNLOADED = "unloaded"
    """Its model is not in memory; the next utterance loads it."""
    RETIRING = "retiring"
    """No longer configured: what it hears is finished, and nothing new is given to it."""


WELL = (Health.READY, Health.UNLOADED)
"""It would hear a new utterance."""


class ProviderStarting(Event, frozen=True, tag="[Provider] Starting"):
    provider: ProviderName
    kind: str


class ProviderReady(Event, frozen=True, tag="[Provider] Ready"):
    provider: ProviderName
    max_streams: int
    took: float
    """Seconds from starting to ready, self-test included."""
    self_test: str
    """What the engine heard in the clip with a known answer."""


class ProviderFailed(Event, frozen=True, tag="[Provider] Failed"):
    provider: ProviderName
    code: str
    message: str
    retry_in: float | None = None
    """Seconds until the next try, or none if the hub has given up."""


class ProviderUnloaded(Event, frozen=True, tag="[Provider] Unloaded"):
    """Its model was let go until somebody needs it."""

    provider: ProviderName


class ProviderNoted(Event, frozen=True, tag="[Provider] Noted"):
    """Something people should know about an engine that goes on: less memory than it was set up for, say."""

    provider: ProviderName
    code: str
    message: str


class ProviderStopped(Event, frozen=True, tag="[Provider] Stopped"):
    provider: ProviderName


class ProviderRetired(Event, frozen=True, tag="[Provider] Retired"):
    """It is no longer configured; the utterances that it hears finish."""

    provider: ProviderName


class ProviderRemoved(Event, frozen=True, tag="[Provider] Removed"):
    """It was retired, and hears nothing any more."""

    provider: ProviderName


class SlotTaken(Event, frozen=True, tag="[Provider] SlotTaken"):
    provider: ProviderName


class SlotFreed(Event, frozen=True, tag="[Provider] SlotFreed"):
    provider: ProviderName


class ProviderFault(msgspec.Struct, frozen=True):
    """The last thing that went wrong with a provider."""

    code: str
    message: str
    at: float
    """Seconds since the epoch"""
    retry_in: float | None
    """Seconds from then until the next try, or none if the hub has given up."""


class ProviderNote(msgspec.Struct, frozen=True):
    """The last thing that was noted of a provider."""

    code: str
    message: str
    at: float
    """Seconds since the epoch"""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one provider of the configuration, since it was first started."""

    name: ProviderName
    kind: str
    health: Health = Health.STARTING
    max_streams: int = 0
    """Slots; 0 before it was first ready."""
    used: int = 0
    """Slots taken. Outlives a restart: who holds a slot frees it."""
    starts: int = 0
    failures: int = 0
    last_fault: ProviderFault | None = None
    last_note: ProviderNote | None = None
    notes: int = 0
    took: float | None = None
    """Seconds from the last start to ready"""
    self_test: str = ""
    changed_at: float = 0.0
    """Seconds since the epoch: the last change of health."""

    @property
    def free(self) -> int:
        return max(0, self.max_streams - self.used)


providers: EntitySlice[ProviderName, Provider] = EntitySlice(
    "providers", key=attrgetter("provider"), part_type=Map[ProviderName, Provider]
)


def select_provider(state: State, provider: ProviderName) -> Provider | None:
    return providers.get(state, provider)


def select_providers(state: State) -> Iterator[Provider]:
    """In no order."""
    return providers.all(state)


def select_ready_count(state: State) -> int:
    return sum(provider.health is Health.READY for provider in providers.all(state))


@providers.on(ProviderStarting)
def _starting(records: Map[ProviderName, Provider], event: ProviderStarting) -> Map[ProviderName, Provider]:
    known = records.get(event.provider) or Provider(name=event.provider, kind=event.kind)
    provider = replace(known, kind=event.kind, health=Health.STARTING, starts=known.starts + 1, changed_at=event.at)
    return records.set(event.provider, provider)


@providers.updates(ProviderReady)
def _ready(provider: Provider, event: ProviderReady) -> Provider:
    return replace(
        provider,
        health=Health.READY,
        max_streams=event.max_streams,
        took=event.took,
        self_test=event.self_test,
        changed_at=event.at,
    )


@providers.updates(ProviderFailed)
def _failed(provider: Provider, event: ProviderFailed) -> Provider:
    fault = ProviderFault(event.code, event.message, event.at, event.retry_in)
    failures = provider.failures + 1
    return replace(provider, health=Health.FAILED, failures=failures, last_fault=fault, changed_at=event.at)


@providers.updates(ProviderStopped)
def _stopped(provider: Provider, event: ProviderStopped) -> Provider:
    return replace(provider, health=Health.STOPPED, changed_at=event.at)


@providers.updates(ProviderRetired)
def _retired(provider: Provider, event: ProviderRetired) -> Provider:
    return replace(provider, health=Health.RETIRING, changed_at=event.at)


providers.removes(ProviderRemoved)


@providers.updates(ProviderUnloaded)
def _unloaded(provider: Provider, event: ProviderUnloaded) -> Provider:
    return replace(provider, health=Health.UNLOADED, changed_at=event.at)


@providers.updates(ProviderNoted)
def _noted(provider: Provider, event: ProviderNoted) -> Provider:
    return replace(provider, notes=provider.notes + 1, last_note=ProviderNote(event.code, event.message, event.at))


@providers.updates(SlotTaken)
def _slot_taken(provider: Provider, event: SlotTaken) -> Provider:
    return replace(provider, used=provider.used + 1)


@providers.updates(SlotFreed)
def _slot_freed(provider: Provider, event: SlotFreed) -> Provider:
    if provider.used == 0:
        raise IllegalMove(f"{event.type}: no slot of {provider.name!r} is taken; free each slot once")
    return replace(provider, used=provider.used - 1)
