"""System: the hub as a whole: its version, its room, whether it drains."""

from __future__ import annotations

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.model import ProviderName
from asr_hub.store.event import Event
from asr_hub.store.slice import Slice, State
from asr_hub.store.slices.scores import ProviderPromoted
from asr_hub.store.slices.sessions import SessionOpened, select_live_count


class HubStarted(Event, frozen=True, tag="[Hub] Started"):
    version: str
    max_sessions: int
    default_provider: ProviderName


class ProviderResolved(Event, frozen=True, tag="[Hub] ProviderResolved"):
    """`auto` was resolved: which engine, and why."""

    provider: ProviderName
    reason: str


class Reconfigured(Event, frozen=True, tag="[Hub] Reconfigured"):
    """The configuration was read again while the hub ran. Keys, never values: those may be secret."""

    default_provider: ProviderName
    max_sessions: int
    applied: tuple[str, ...] = ()
    """Keys whose new values hold now."""
    needs_restart: tuple[str, ...] = ()
    """Keys whose new values will hold after a restart."""
    resolution: str | None = None
    """What `auto` was resolved to, and why; none where a provider is named."""


class SessionRefused(Event, frozen=True, tag="[Hub] SessionRefused"):
    """Somebody was turned away at the door."""

    code: str
    protocol: str


class DrainStarted(Event, frozen=True, tag="[Hub] DrainStarted"):
    """No new sessions; those that run finish their utterances."""


class HubStopped(Event, frozen=True, tag="[Hub] Stopped"):
    pass


class Resolution(msgspec.Struct, frozen=True):
    """What `auto` came to mean, and why."""

    provider: ProviderName
    reason: str


class System(msgspec.Struct, frozen=True, kw_only=True):
    """The hub as a whole. Counts go from the start of the process."""

    version: str = ""
    """Empty before the hub has started."""
    max_sessions: int = 0
    default_provider: ProviderName = ProviderName("")
    resolution: Resolution | None = None
    is_running: bool = False
    is_draining: bool = False
    started_at: float | None = None
    """Seconds since the epoch"""
    reconfigured_at: float | None = None
    """Seconds since the epoch: when the configuration was last read again."""
    needs_restart: tuple[str, ...] = ()
    """Keys of the configuration whose values on disk do not hold yet."""
    opened: int = 0
    refused: Map[str, int] = Map()
    """Sessions turned away, by error code."""


system: Slice[System] = Slice("system", System(), part_type=System)


def select_system(state: State) -> System:
    return system.part(state)


def select_opened_count(state: State) -> int:
    return system.part(state).opened


def select_closed_count(state: State) -> int:
    """Sessions that are gone: those that were opened and do not live."""
    return system.part(state).opened - select_live_count(state)


def select_refused_count(state: State) -> int:
    return sum(system.part(state).refused.values())


@system.on(HubStarted)
def _started(part: System, event: HubStarted) -> System:
    return replace(
        part,
        version=event.version,
        max_sessions=event.max_sessions,
        default_provider=event.default_provider,
        is_running=True,
        is_draining=False,
        started_at=event.at,
    )


@system.on(ProviderResolved)
def _resolved(part: System, event: ProviderResolved) -> System:
    return replace(part, resolution=Resolution(event.provider, event.reason))


@system.on(Reconfigured)
def _reconfigured(part: System, event: Reconfigured) -> System:
    return replace(
        part,
        default_provider=event.default_provider,
        max_sessions=event.max_sessions,
        resolution=None if event.resolution is None else Resolution(event.default_provider, event.resolution),
        reconfigured_at=event.at,
        needs_restart=event.needs_restart,
    )


@system.on(ProviderPromoted)
def _promoted(part: System, event: ProviderPromoted) -> System:
    return replace(part, default_provider=event.provider, resolution=None)


@system.on(SessionOpened)
def _session_opened(part: System, event: SessionOpened) -> System:
    return replace(part, opened=part.opened + 1)


@system.on(SessionRefused)
def _session_refused(part: System, event: SessionRefused) -> System:
    return replace(part, refused=part.refused.set(event.code, part.refused.get(event.code, 0) + 1))


@system.on(DrainStarted)
def _drain_started(part: System, event: DrainStarted) -> System:
    return replace(part, is_draining=True)


@system.on(HubStopped)
def _stopped(part: System, event: HubStopped) -> System:
    return replace(part, is_running=False)
