"""The hub in the words of REST, read from the store."""

from __future__ import annotations

import msgspec

from asr_hub import __version__
from asr_hub.errors import HubError
from asr_hub.hub.hub import Hub
from asr_hub.model import ProviderName
from asr_hub.protocols.rest import HealthView, ProviderView, SessionView
from asr_hub.store.slices.providers import Health, select_providers
from asr_hub.store.slices.system import select_system

_WELL = (Health.READY, Health.UNLOADED)
"""It would hear a new session."""


class StoreFacts:
    """Implements `HubFacts`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def health(self) -> HealthView:
        hub = self._hub
        state = hub.store.state
        system = select_system(state)
        providers = {str(record.name): record.health.value for record in select_providers(state)}
        all_ready = all(health in _WELL for health in providers.values())
        return HealthView(
            status="draining" if hub.is_draining else "ok" if all_ready and providers else "degraded",
            version=__version__,
            sessions=hub.sessions,
            max_sessions=hub.limits.max_sessions,
            default_provider=hub.default,
            resolved=system.resolution.reason if system.resolution is not None else None,
            providers=providers,
        )

    def providers(self) -> list[ProviderView]:
        return [
            ProviderView(
                name=record.name,
                kind=record.kind,
                health=record.health.value,
                is_default=record.name == self._hub.default,
                slots_used=record.used,
                slots=record.max_streams,
                error=record.last_fault.message
                if record.last_fault is not None and record.health not in _WELL
                else None,
                note=record.last_note.message if record.last_note is not None else None,
                capabilities=self._capabilities(record.name),
            )
            for record in select_providers(self._hub.store.state)
        ]

    def sessions(self) -> list[SessionView]:
        return [
            SessionView(
                session=f"{record.id[:6]}…",
                phase=record.phase.value,
                provider=record.provider,
                protocol=record.protocol,
                opened_at=record.opened_at,
                audio_seconds=record.audio_offset / record.format.sample_rate,
                utterances=record.utterance,
                viewers=record.viewers,
            )
            for record in self._hub.records()
        ]

    def _capabilities(self, name: ProviderName) -> dict[str, object] | None:
        try:
            capabilities = self._hub.engines.get(name)
        except HubError:
            return None
        found: dict[str, object] = msgspec.to_builtins(capabilities.capabilities)
        return found
