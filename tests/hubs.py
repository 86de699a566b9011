"""Hubs for tests: how they are configured, and waiting for what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from asr_hub.config.schema import Config
from asr_hub.hub.hub import Hub
from asr_hub.store.slices.sessions import select_live_count


def scripted(settings: dict[str, Any] | None = None, **sections: Any) -> Config:
    """The scripted engine behind the light VAD, on a free port. `sections` replace whole sections."""
    return Config.model_validate(
        {
            "provider": "scripted",
            "providers": {"scripted": {"kind": "scripted", "settings": settings or {}}},
            "server": {"port": 0},
            "audio": {"vad": "light", "tick_ms": 10},
            **sections,
        }
    )


async def until(hub: Hub, wanted: Callable[[Any], bool], seconds: float = 10) -> None:
    """Wait until the hub's state is as wanted."""
    reached = asyncio.Event()
    subscription = hub.store.select(wanted).subscribe(lambda is_so: reached.set() if is_so else None)
    try:
        async with asyncio.timeout(seconds):
            await reached.wait()
    finally:
        subscription.dispose()


async def until_empty(hub: Hub, seconds: float = 10) -> None:
    """Wait until no session lives."""
    await until(hub, lambda state: select_live_count(state) == 0, seconds)
