"""A provider as the hub uses it, at many streams at once: as fast as it takes them, or paced like speech."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from asr_hub.errors import HubError
from asr_hub.model import HUB_RATE, AudioFrame
from asr_hub.providers import registry
from asr_hub.providers.base import Condition, RecognitionOptions
from asr_hub.providers.hosted import Hosted
from benchmarks.engine_models import Subject
from benchmarks.processes import cpu_seconds

PIECE_S = 0.1
"""Seconds of a frame, paced like speech."""

TRIES = 3
"""An utterance whose engine fails is heard again, as the hub does."""

_WHY = 120
"""Characters of a message: what is told after them is of no use in a table."""

_SIZE = re.compile(r"\d[\d.]*")
"""Messages that differ in sizes only are of one kind."""

_FINALS = RecognitionOptions(partials=False)


class Run(NamedTuple):
    """Utterances through a provider, as fast as it took them."""

    texts: list[str | None]
    """Nothing for those that nobody could hear."""
    wall_s: float
    engine_cpu_s: float
    hub_cpu_s: float
    """Of this process."""
    failures: list[str]
    """Why, for each try that failed."""


class Delays(NamedTuple):
    """Utterances at the pace of speech."""

    first_ms: list[float]
    """From the first sample to the first partial, of those that had one."""
    final_ms: list[float]
    """From the last sample to the final."""
    engine_cpu_s: float
    audio_s: float


@asynccontextmanager
async def started(
    subject: Subject, streams: int, tell: Callable[[Condition], None] | None = None, **settings: Any
) -> AsyncIterator[Hosted]:
    """The provider with as many slots and as large batches. Raises HubError where it cannot run here."""
    given = {**subject.settings, "max_streams": streams, "max_batch": streams, "threads": 1, **settings}
    provider = registry.load(subject.kind, "bench", given)
    assert isinstance(provider, Hosted)
    if tell is not None:
        provider.watch(tell)
    try:
        await provider.start()
        await provider.self_test()
        yield provider
    finally:
        await provider.aclose()


async def as_fast_as_possible(provider: Hosted, clips: Sequence[bytes], at_once: int) -> Run:
    """`at_once` streams, each of which begins its next utterance when the last is heard."""
    texts: list[str | None] = [None] * len(clips)
    failures: list[str] = []
    places = iter(range(len(clips)))
    pid = provider.pid
    began, hub, engine = time.perf_counter(), time.process_time(), cpu_seconds(pid)

    async def talk() -> None:
        for place in places:
            texts[place] = await _heard(provider, clips[place], failures)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(talk())
    wall, hub_cpu = time.perf_counter() - began, time.process_time() - hub
    return Run(texts, wall, cpu_seconds(pid) - engine if provider.pid == pid else 0.0, hub_cpu, failures)


async def at_the_pace_of_speech(provider: Hosted, clips: Sequence[bytes], talkers: int) -> Delays:
    """`talkers` people, who begin one after the other and pause for none of them."""
    delays = Delays([], [], 0.0, sum(map(len, clips)) / 2 / HUB_RATE)
    pid = provider.pid
    engine = cpu_seconds(pid)
    places = iter(range(len(clips)))

    async def talk(wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        for place in places:
            await _paced(provider, clips[place], delays)

    async with asyncio.TaskGroup() as tasks:
        for number in range(talkers):
            tasks.create_task(talk(number * 1.7 / talkers))
    return delays._replace(engine_cpu_s=cpu_seconds(pid) - engine)


def percentile(values: Sequence[float], share: float) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


async def _heard(provider: Hosted, clip: bytes, failures: list[str]) -> str | None:
    for _ in range(TRIES):
        try:
            finals = await provider.transcribe(clip, _FINALS)
        except HubError as exc:
            failures.append(f"{exc.code}: {_SIZE.sub('…', str(exc))[:_WHY]}")
        else:
            return " ".join(final.text for final in finals)
    return None


async def _paced(provider: Hosted, clip: bytes, delays: Delays) -> None:
    size = int(PIECE_S * HUB_RATE) * 2
    async with provider.stream(RecognitionOptions(), {}) as stream:
        began = time.perf_counter()

        async def talk() -> float:
            for number, at in enumerate(range(0, len(clip), size)):
                # A frame is there when its last sample is spoken.
                due = began + min(len(clip), at + size) / 2 / HUB_RATE
                await asyncio.sleep(due - time.perf_counter())
                await stream.push(AudioFrame(clip[at : at + size], number * size // 2))
            over = time.perf_counter()
            await stream.end_utterance()
            return over

        talking = asyncio.create_task(talk())
        first: float | None = None
        async for hypothesis in stream:
            if first is None and not hypothesis.is_final:
                first = time.perf_counter() - began
        answered = time.perf_counter()
        ended = await talking
    if first is not None:
        delays.first_ms.append(first * 1000)
    delays.final_ms.append((answered - ended) * 1000)
