"""The hub in the words of grpc.health.v1: for load balancers, overall and for the one service."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from asr_hub.protocols.facts import HubFacts

_WELL = ("ready", "unloaded")
"""Health of a provider that would hear a new session."""


class Readiness:
    """
    Whether a new session would be heard now, as `/ready` says it.

    `changed` may be called at any time on the event loop; `keep` is the task that tells those who watch.
    """

    def __init__(self, facts: HubFacts, service: str) -> None:
        self._facts = facts
        self._names = ("", service)
        self._servicer: Any = health.aio.HealthServicer()
        self._changed = asyncio.Event()
        self._changed.set()

    def add_to(self, server: Any) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def changed(self) -> None:
        """The hub may be another than it was."""
        self._changed.set()

    async def keep(self) -> None:
        """Say how the hub is, whenever it has changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._say()

    async def stop(self) -> None:
        """No new session is heard from here on."""
        await self._servicer.enter_graceful_shutdown()

    async def _say(self) -> None:
        view = self._facts.health()
        is_well = view.status != "draining" and view.providers.get(view.default_provider) in _WELL
        states = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._servicer.set(name, states.SERVING if is_well else states.NOT_SERVING)
