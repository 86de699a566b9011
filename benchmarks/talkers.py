"""Clients that speak short utterances to a hub of this process, one after the other, and keep what it told of each."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import connect

from asr_hub.app import Serving
from asr_hub.model import HUB_RATE

SECONDS = 0.6
"""Of one utterance"""


async def talk(hub: Serving, talkers: int, utterances: int, *, first: int = 0) -> list[dict[str, Any]]:
    """The finals of `talkers` sessions that say `utterances` each."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_talker(hub, first + n, utterances)) for n in range(talkers)]
    return [final for task in running for final in task.result()]


async def _talker(hub: Serving, number: int, utterances: int) -> list[dict[str, Any]]:
    finals: list[dict[str, Any]] = []
    async with connect(hub.stream_url, ping_interval=None) as socket:
        await socket.send(json.dumps({"type": "start", "partials": False}))
        for count in range(utterances):
            await socket.send(_sound(1000 * number + count))
            await socket.send('{"type": "finalize"}')
            finals.append(await _final(socket))
        await socket.send('{"type": "close"}')
        while json.loads(await socket.recv())["type"] != "closed":
            pass
    return finals


async def _final(socket: Any) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await socket.recv())
        if message["type"] == "final":
            return message


def _sound(seed: int) -> bytes:
    """Never silent, and never twice the same."""
    words = round(SECONDS * HUB_RATE) // 2
    return b"".join((1 + (seed * 7919 + n * 104_729) % 30_000).to_bytes(4, "little") for n in range(words))


def percentiles(latencies: Sequence[float]) -> tuple[float, float, float]:
    """50, 95 and 99 of 100."""
    cuts = statistics.quantiles(latencies, n=100)
    return cuts[49], cuts[94], cuts[98]
