"""Whatever the engine that hears does, and whenever: the same words are told, each once."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from typing import Any

import pytest
from tests.chaos.matrix import IS_FULL, STEP_MS, Figures, Row, spoken
from tests.hubs import scripted
from tests.speech import clip, clips, silence, tone

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.pocketsphinx import PocketSphinx

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]

TOGETHER = 8
"""Sessions at the same time"""

MOMENTS = range(200, 3300, STEP_MS if IS_FULL else 3 * STEP_MS)
"""
Milliseconds into each utterance, up to the end of the longest. An engine that fails before does not pass its self-test.
"""


def talk(*lengths: float) -> bytes:
    """Utterances of so many seconds, with a pause after each. No two fifths of a second sound alike."""
    pitches = iter(range(180, 2000, 7))
    return silence(0.4) + b"".join(
        b"".join(tone(0.2, hertz=float(next(pitches))) for _ in range(round(length / 0.2))) + silence(0.9)
        for length in lengths
    )


TALK = talk(1.6, 3.0, 2.2)
FAULTS = {"raises": "fail_after_ms", "hangs": "hang_after_ms", "talks garbage": "garbage_after_ms"}


def scripted_matrix() -> Config:
    """A provider for each row, all of them with the same heir."""
    rows = {
        f"{setting}-{at}": {"kind": "scripted", "settings": {"faults": {setting: at}}, "fallback": "spare"}
        for setting in FAULTS.values()
        for at in MOMENTS
    }
    return scripted(
        provider="spare",
        providers={"spare": {"kind": "scripted"}, **rows},
        recognition={"failover": {"stall_with_heir_s": 0.05}, "breaker": {"failures": 16}},
    )


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_engine_that_fails_at_any_moment_of_any_utterance_costs_no_word_and_doubles_none(fault: str) -> None:
    async with serving(scripted_matrix()) as hub:
        whole = await spoken(hub, TALK, provider="spare")
        assert [len(final.text.split()) for final in whole.finals] == [8, 16, 12]
        figures = Figures(whole)
        room = asyncio.Semaphore(TOGETHER)

        async def row(at: int) -> Row:
            async with room:
                return await spoken(hub, TALK, provider=f"{FAULTS[fault]}-{at}")

        for at, heard in zip(MOMENTS, await asyncio.gather(*map(row, MOMENTS)), strict=True):
            figures.add(heard, at=at)
            assert "spare" in heard.providers, at
    print(f"\nscripted, {fault}: {figures}")


@functools.cache
def long_clip() -> bytes:
    """Real speech of several utterances, and silence until the last of them is over."""
    if clips():
        # What is remembered of the first changes what is heard of the second.
        names = ("austen_64kb-0870.wav", "austen_64kb-0930.wav")
        return silence(0.2) + b"".join(clip(name).pcm() + silence(0.8) for name in names)
    return packaged_clip("demo").pcm + silence(0.8)


HASTY = {"fwdflat": False, "bestpath": False, "ds": 2, "maxhmmpf": 1500, "maxwpf": 10, "pl_window": 5}
"""Options with which the engine hears several times as fast. It has to hear the same each time, not well."""


def sphinxes(**recognition: Any) -> Config:
    """Two of them, each with processes of its own. What one hears goes on from what the other remembers."""
    sphinx = {"kind": "pocketsphinx", "settings": {"final": "streaming", "max_streams": 2, "decoder": HASTY}}
    return Config.model_validate(
        {
            "provider": "primary",
            "providers": {"primary": {**sphinx, "fallback": "backup"}, "backup": sphinx},
            "server": {"port": 0},
            "audio": {"tick_ms": 10},
            # What the engine hears is not far behind what the hub has taken.
            "sessions": {"audio_buffer_s": 0.2},
            "recognition": {"breaker": {"failures": 16, "window_s": 0.1}, **recognition},
        }
    )


def kill(hub: Serving, *, zygote: bool) -> None:
    """The primary's workers, and what they were forked from."""
    primary = hub.hub.engines.get(ProviderName("primary"))
    assert isinstance(primary, PocketSphinx)
    for pid in primary.pool.pids[0 if zygote else 1 :]:
        os.kill(pid, signal.SIGKILL)


def moments(coarse: int) -> list[int]:
    """Milliseconds of the clip at which something is killed."""
    length = len(long_clip()) * 1000 // (2 * HUB_RATE)
    every = list(range(STEP_MS, length, STEP_MS))
    return every if IS_FULL else every[len(every) // (2 * coarse) :: -(-len(every) // coarse)]


async def killed(hub: Serving, at: int, *, zygote: bool = False) -> Row:
    return await spoken(
        hub, long_clip(), provider="primary", at_ms=at, fault=functools.partial(kill, hub, zygote=zygote)
    )


@pytest.mark.engine
@pytest.mark.timeout(3600 if IS_FULL else 300)
@pytest.mark.parametrize("attempts", [1, 2], ids=["the backup goes on", "another worker goes on"])
async def test_a_worker_that_is_killed_at_any_moment_costs_no_word_and_doubles_none(attempts: int) -> None:
    async with serving(sphinxes(failover={"attempts": attempts})) as hub:
        figures = Figures(await spoken(hub, long_clip(), provider="primary"))
        heirs = 0
        for at in moments(coarse=3 if attempts == 1 else 2):
            row = await killed(hub, at)
            figures.add(row, at=at)
            heirs += "backup" in row.providers
        assert bool(heirs) == (attempts == 1)
    print(f"\nPocketSphinx, workers killed, {attempts} attempts: {figures}; in {heirs} rows the backup spoke")


@pytest.mark.engine
@pytest.mark.timeout(3600 if IS_FULL else 300)
async def test_an_engine_whose_processes_are_all_killed_at_any_moment_costs_no_word_and_doubles_none() -> None:
    figures: Figures | None = None
    heirs = 0
    for at in moments(coarse=2):
        # Of its own, because an engine that dies again and again is started with growing pauses.
        async with serving(sphinxes(failover={"attempts": 1})) as hub:
            figures = figures or Figures(await spoken(hub, long_clip(), provider="primary"))
            row = await killed(hub, at, zygote=True)
            figures.add(row, at=at)
            heirs += "backup" in row.providers
    print(f"\nPocketSphinx, all processes killed: {figures}; in {heirs} rows the backup spoke")
