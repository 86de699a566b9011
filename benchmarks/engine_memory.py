"""What a provider does when there is no memory for its batches: it is given less than it would take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from multiprocessing import get_context
from typing import NamedTuple

from asr_hub.providers.base import Condition, State
from asr_hub.providers.hosted import Hosted
from benchmarks.engine_hub import as_fast_as_possible, started
from benchmarks.engine_models import Subject
from benchmarks.processes import gpu_memory_mb, memory_mb

SHARES = (0.75, 0.6, 0.45, 0.3, 0.2, 0.1, 0.05)
"""Of what the largest batch takes on top of one utterance: tried one after the other until a batch does not fit."""

_LOOK_S = 0.003
_CODE = "out-of-memory"
"""Of what the provider says when a batch did not fit."""


class Need(NamedTuple):
    """MiB that count against a limit: of the process's data on the CPU, of the device on a GPU."""

    one: float
    """While utterances are heard one by one."""
    many: float
    """While as many as may be are heard at once."""


class Short(NamedTuple):
    """How a run with too little memory went."""

    budget_mb: int
    notes: list[str]
    """What the provider said about its batches."""
    restarts: int
    answered: int
    asked: int
    failures: list[str]


async def need(subject: Subject, clips: Sequence[bytes], batch: int) -> Need:
    """What a provider takes that is not limited."""
    async with started(subject, batch) as provider:
        one = await _most_while(provider, clips[:4], 1)
        return Need(one, await _most_while(provider, clips, batch))


async def run_short(subject: Subject, clips: Sequence[bytes], batch: int, need: Need) -> Short | None:
    """The first run in which a batch did not fit; nothing where each batch fitted into the least."""
    for share in SHARES:
        short = await _run(subject, clips, batch, round(need.one + share * (need.many - need.one)))
        if short.notes or short.failures or short.restarts:
            return short
    return None


async def _run(subject: Subject, clips: Sequence[bytes], batch: int, budget_mb: int) -> Short:
    told: list[Condition] = []
    device = subject.settings["device"]
    is_on_cpu = device == "cpu"
    settings = {"memory_mb": budget_mb} if is_on_cpu else {}
    async with (
        started(subject, batch, told.append, **settings) as provider,
        # Not all engines can be held to a budget of a GPU: it is filled up by others until so much is left.
        nullcontext() if is_on_cpu else _filled(device, budget_mb, provider),
    ):
        run = await as_fast_as_possible(provider, clips, batch)
    notes = [condition.message for condition in told if condition.code == _CODE and condition.state is State.READY]
    restarts = sum(condition.state is State.FAILED for condition in told)
    answered = sum(text is not None for text in run.texts)
    return Short(budget_mb, notes, restarts, answered, len(clips), run.failures)


async def _most_while(provider: Hosted, clips: Sequence[bytes], batch: int) -> float:
    """The most that is seen, by looking often."""
    running = asyncio.create_task(as_fast_as_possible(provider, clips, batch))
    most = 0.0
    while not running.done():
        most = max(most, _taken(provider))
        await asyncio.wait((running,), timeout=_LOOK_S if provider.device == "cpu" else 0.2)
    await running
    return most


def _taken(provider: Hosted) -> float:
    if provider.device.startswith("cuda"):
        return gpu_memory_mb(int(provider.device.partition(":")[2] or 0))
    return memory_mb(provider.pid, "VmData")


@asynccontextmanager
async def _filled(device: str, budget_mb: int, provider: Hosted) -> AsyncIterator[None]:
    """Have a GPU hold no more than `budget_mb` MiB besides a ballast."""
    left = max(0, budget_mb - round(_taken(provider)))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        await asyncio.wrap_future(pool.submit(_fill, device, left))
        yield


_ballast: list[object] = []
"""Memory of the device, held by this process."""


def _fill(device: str, left_mb: int) -> None:
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    _ballast.append(torch.empty(max(0, free - (left_mb << 20)), dtype=torch.uint8, device=device))
