"""Puts a provider in the place of the hub's default, while the hub runs."""

from __future__ import annotations

from msgspec.structs import replace

from asr_hub.errors import Conflict, ProviderUnavailable
from asr_hub.hub.engines import hears
from asr_hub.hub.hub import Hub
from asr_hub.model import ProviderName
from asr_hub.providers.base import Provider
from asr_hub.store.slices.providers import WELL, select_provider
from asr_hub.store.slices.scores import ProviderPromoted
from asr_hub.store.slices.sessions import SessionMoved


def promote(hub: Hub, name: ProviderName) -> None:
    """
    Sessions on the former default that named no provider, and whose language it hears, move with their next utterance.

    Where it was on trial, the former default is on trial from now on. Raises NotFound, ProviderUnavailable, Conflict.
    """
    provider = _able(hub, name)
    former = hub.default
    if name == former:
        raise Conflict(f"{name} is the default already", code="already-default")
    hub.default = name
    strategy = hub.around.strategy
    if strategy.shadow is not None and strategy.shadow.provider == name:
        hub.around.strategy = replace(strategy, shadow=replace(strategy.shadow, provider=former))
    hub.dispatch(ProviderPromoted(at=hub.now(), provider=name, instead_of=former))
    for record in tuple(hub.records()):
        if record.provider == former and record.is_routed and hears(provider, record.language):
            hub.dispatch(SessionMoved(at=hub.now(), session=record.id, provider=name))


def _able(hub: Hub, name: ProviderName) -> Provider:
    """The provider, where it would hear an utterance now. Raises NotFound, ProviderUnavailable."""
    provider = hub.engines.get(name)
    record = select_provider(hub.store.state, name)
    if record is None or record.health not in WELL:
        health = record.health.value if record is not None else "not there"
        raise ProviderUnavailable(f"provider {name!r} is {health}; promote it when it is ready")
    if hub.around.is_open(name):
        raise ProviderUnavailable(f"the breaker of {name!r} is open; promote it when its self-test is passed")
    return provider
