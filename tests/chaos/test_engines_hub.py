"""Whole hubs whose engines die, under sessions that speak: one utterance's trouble is not another's."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.client import Client
from tests.contract.cases import CASES
from tests.hubs import until
from tests.providers.host.toys import speech
from tests.speech import silence

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.model import ProviderName
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.journal import replay
from asr_hub.store.slices.providers import Health, Provider, select_provider

pytestmark = [pytest.mark.chaos, pytest.mark.engine, pytest.mark.e2e]

CLIP = packaged_clip("self_test")
HALF = len(CLIP.pcm) // 4 * 2
TOY = {"kind": "tests.providers.host.toy_provider:Toy"}
VOSK = {"kind": "vosk", "settings": CASES["vosk"].settings}
SAFE = speech(*range(1, 17))
"""Speech that the toy engines hear."""
DEADLY = bytes([253]) + CLIP.pcm[1:]
"""Speech at which the toy engines end their process."""


def config(default: str, vad: str = "silero", journal: Path | None = None, **providers: dict[str, Any]) -> Config:
    shape: dict[str, Any] = {
        "provider": default,
        "providers": providers,
        "server": {"port": 0},
        "audio": {"vad": vad},
        # What the toy engines hear, nobody said.
        "recognition": {"suppress_phantoms": False},
    }
    return Config.model_validate(shape if journal is None else {**shape, "journal": {"path": str(journal)}})


async def die_of_it(hub: Serving) -> Client:
    async with Client(hub.stream_url) as client:
        await client.send(DEADLY)
        await client.send({"type": "finalize"})
        await client.wait_for("final")
        return client


async def test_an_utterance_that_ends_the_process_twice_costs_no_other_utterance() -> None:
    toy = {**TOY, "settings": {"max_streams": 8, "self_test_text": "streaming"}}
    async with serving(config("toy", "off", toy=toy)) as hub:
        others = [Client(hub.stream_url) for _ in range(4)]
        for client in others:
            await client.connect()
            await client.send(SAFE)
            await client.wait_for("partial")
        assert (await die_of_it(hub)).of("error")
        for client in others:
            await client.send(SAFE)
            await client.send({"type": "finalize"})
        finals = await asyncio.gather(*(client.wait_for("final") for client in others))
        for client in others:
            await client.cut()
        assert [client.of("error") for client in others] == [[]] * 4
        said = " ".join(map(str, (*range(1, 17), *range(1, 17))))
        assert [final["hypothesis"]["text"] for final in finals] == [said] * 4


async def test_utterances_without_partials_are_tried_as_quickly_as_the_others() -> None:
    toy = {**TOY, "settings": {"max_streams": 8, "self_test_text": "streaming"}}
    async with serving(config("toy", "off", toy=toy)) as hub:
        others = [Client(hub.stream_url, partials=False) for _ in range(4)]
        for client in others:
            await client.connect()
            await client.send(SAFE)
        # All of them are with the engine when it dies, and so before the deadly one in the line of suspects.
        await until(hub.hub, lambda state: _toy(state).used == len(others))
        assert (await die_of_it(hub)).of("error")
        # Once in company, and twice alone: the last one may not be told yet.
        assert _toy(hub.hub.store.state).failures in (2, 3)
        for client in others:
            await client.cut()


async def test_an_engine_in_its_pause_after_many_deaths_leaves_the_utterance_to_the_fallback_at_once() -> None:
    async with serving(config("toy", "off", toy={**TOY, "fallback": "vosk"}, vosk=VOSK)) as hub:
        for _ in range(2):
            assert (await die_of_it(hub)).finals == [CLIP.text]
        await until(hub.hub, lambda state: _health(state) is Health.FAILED and _retry_in(state) >= 1)
        async with Client(hub.stream_url) as client:
            await client.send(CLIP.pcm)
            await client.send({"type": "finalize"})
            await client.wait_for("final")
            # It did not wait until the engine was there again.
            assert _health(hub.hub.store.state) is Health.FAILED and client.finals == [CLIP.text]


def _toy(state: Any) -> Provider:
    record = select_provider(state, ProviderName("toy"))
    assert record is not None
    return record


def _health(state: Any) -> Health:
    return _toy(state).health


def _retry_in(state: Any) -> float:
    fault = _toy(state).last_fault
    return (fault.retry_in or 0.0) if fault is not None else 0.0


@pytest.mark.parametrize("name", ["vosk", "faster-whisper"])
async def test_a_process_killed_under_twenty_sessions_costs_no_word(name: str) -> None:
    entry = {"kind": CASES[name].kind, "settings": {**CASES[name].settings, "max_streams": 20}}
    async with serving(config("engine", engine=entry)) as hub:
        engine = hub.hub.engines.get(ProviderName("engine"))
        assert isinstance(engine, Hosted)
        clients = [Client(hub.stream_url) for _ in range(20)]
        await asyncio.gather(*(client.connect() for client in clients))
        await asyncio.gather(*(client.send(CLIP.pcm[:HALF]) for client in clients))
        await asyncio.gather(*(client.wait_for("speech-started") for client in clients))
        os.kill(engine.pid, signal.SIGKILL)
        await asyncio.gather(*(client.send(CLIP.pcm[HALF:] + silence(1.0)) for client in clients))
        await asyncio.gather(*(client.send({"type": "close"}) for client in clients))
        await asyncio.gather(*(client.wait_for("closed") for client in clients))
        for client in clients:
            await client.cut()
        assert [client.finals for client in clients] == [[CLIP.text]] * 20
        assert not any(client.of("error") for client in clients)


async def test_the_journal_of_swaps_fallbacks_and_unloads_replays_to_the_state_that_was(tmp_path: Path) -> None:
    path = tmp_path / "hub.journal"
    shape = config(
        "full",
        journal=path,
        full={**TOY, "settings": {"room": 0}, "fallback": "vosk"},
        one={**TOY, "settings": {"room": 1}},
        gone={"kind": "vosk", "settings": {"model": "/nowhere"}, "fallback": "vosk"},
        vosk={**VOSK, "settings": {**VOSK["settings"], "unload_after_s": 0.0}},
        sphinx={"kind": "pocketsphinx"},
    )
    async with serving(shape) as hub:
        await asyncio.gather(*(swap(hub, seed) for seed in range(6)))
        store = hub.hub.store
    with path.open("rb") as file:
        state = replay(file)
    assert state["providers"] == store.state["providers"]
    assert state["transcripts"] == store.state["transcripts"] and state["sessions"] == store.state["sessions"]
    facts = path.read_text()
    assert "HandedOn" in facts and "Unloaded" in facts


async def swap(hub: Serving, seed: int) -> None:
    """A session that changes its provider in the middle of speech, again and again; each utterance has one end."""
    chance = random.Random(seed)
    async with Client(hub.stream_url) as client:
        for _ in range(4):
            await client.send(CLIP.pcm[:HALF])
            name = chance.choice(["full", "one", "gone", "vosk", "sphinx"])
            await client.send({"type": "configure", "provider": name})
            if (command := chance.choice(["finalize", "clear", ""])) != "":
                await client.send({"type": command})
            await client.send(CLIP.pcm[HALF:] + silence(1.0))
        await client.send({"type": "close"})
        await client.wait_for("closed")
        finals = [message["utterance"] for message in client.of("final")]
        cleared = {message["utterance"] for message in client.of("endpoint") if message["reason"] == "clear"}
        began = {message["utterance"] for message in client.of("speech-started")}
        assert len(finals) == len(set(finals)) and began <= cleared | set(finals)
