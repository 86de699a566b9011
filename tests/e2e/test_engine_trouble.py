"""An engine without memory, one that dies, one that is not there: what a client and an operator see of it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx
import pytest
from tests.client import Client
from tests.contract.cases import CASES
from tests.hubs import until
from tests.speech import silence

from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub.model import ProviderName
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slices.providers import Health, select_provider
from asr_hub.store.slices.transcripts import select_utterance

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.chaos]

CLIP = packaged_clip("self_test")
TOY = {"kind": "tests.providers.host.toy_provider:Toy"}


def config(default: str, **providers: dict[str, Any]) -> Config:
    return Config.model_validate({"provider": default, "providers": providers, "server": {"port": 0}})


def vosk(**entry: Any) -> dict[str, Any]:
    return {"kind": "vosk", "settings": CASES["vosk"].settings, **entry}


async def test_an_utterance_without_memory_is_heard_by_the_fallback() -> None:
    shape = config("small", small={**TOY, "settings": {"room": 0}, "fallback": "other"}, other=vosk())
    async with serving(shape) as hub, Client(hub.stream_url) as client:
        await client.send(CLIP.pcm + silence(1.0))
        final = await client.wait_for("final")
        assert final["hypothesis"]["text"] == CLIP.text
        assert final["hypothesis"]["provider"] == "other"
        (warning,) = [m for m in client.of("warning") if m["code"] == "handed-on"]
        assert "the toy device is full" in warning["message"] and "other hears" in warning["message"]
        utterance = select_utterance(hub.hub.store.state, client.session, 1)  # type: ignore[arg-type]
        assert utterance is not None
        assert [(f.provider, f.code) for f in utterance.failures] == [("small", "out-of-memory")]
        assert not client.of("error")
        # The process lives and serves on.
        small = hub.hub.engines.get(ProviderName("small"))
        assert isinstance(small, Hosted) and small.pid


async def test_a_batch_without_memory_shrinks_and_every_session_gets_its_final() -> None:
    shape = config("small", small={**TOY, "settings": {"room": 1, "max_batch": 8}})
    async with serving(shape) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        clients = [Client(hub.stream_url, partials=False) for _ in range(6)]
        await asyncio.gather(*(client.connect() for client in clients))
        provider = hub.hub.engines.get(ProviderName("small"))
        assert isinstance(provider, Hosted)
        # While it stands still, the utterances of all sessions pile up before it.
        os.kill(provider.pid, signal.SIGSTOP)
        try:
            for client in clients:
                await client.send(CLIP.pcm + silence(1.0))
            await asyncio.gather(*(client.wait_for("endpoint") for client in clients))
        finally:
            os.kill(provider.pid, signal.SIGCONT)
        finals = await asyncio.gather(*(client.wait_for("final") for client in clients))
        assert all(final["hypothesis"]["text"] for final in finals)
        await until(hub.hub, lambda state: (it := select_provider(state, ProviderName("small"))) and it.notes > 0)
        (view,) = (await http.get("/v1/providers")).json()
        assert "1 at a time" in view["note"] and view["health"] == "ready"
        for client in clients:
            assert not client.of("error")
            await client.cut()


async def test_an_engine_process_that_is_killed_in_an_utterance_costs_no_word() -> None:
    async with serving(config("vosk", vosk=vosk())) as hub, Client(hub.stream_url) as client:
        half = len(CLIP.pcm) // 4 * 2
        await client.send(CLIP.pcm[:half])
        await client.wait_for("speech-started")
        provider = hub.hub.engines.get(ProviderName("vosk"))
        assert isinstance(provider, Hosted)
        os.kill(provider.pid, signal.SIGKILL)
        await client.send(CLIP.pcm[half:] + silence(1.0))
        final = await client.wait_for("final")
        assert final["hypothesis"]["text"] == CLIP.text and not client.of("error")
        record = select_provider(hub.hub.store.state, ProviderName("vosk"))
        assert record is not None and record.failures == 1 and record.health is Health.READY
        assert record.last_fault is not None and "signal 9" in record.last_fault.message


async def test_a_provider_whose_weights_are_missing_is_named_in_health_and_tried_again() -> None:
    missing = {"kind": "vosk", "settings": {"model": "vosk-model-small-en-us-0.15"}}
    async with serving(config("vosk", vosk=vosk(), other=missing)) as hub:
        async with httpx.AsyncClient(base_url=hub.url) as http:
            health = (await http.get("/health")).json()
            views = {view["name"]: view for view in (await http.get("/v1/providers")).json()}
        assert health["status"] == "degraded" and health["providers"] == {"vosk": "ready", "other": "failed"}
        assert "asr-hub models pull vosk-model-small-en-us-0.15" in views["other"]["error"]
        record = select_provider(hub.hub.store.state, ProviderName("other"))
        assert record is not None and record.last_fault is not None and record.last_fault.retry_in
        refused = await Client(hub.stream_url).first({"type": "start", "provider": "other"})
        assert refused["code"] == "provider-unavailable" and "vosk-model-small-en-us-0.15" in refused["message"]


async def test_a_session_of_a_provider_without_weights_is_heard_by_its_fallback() -> None:
    missing = {"kind": "vosk", "settings": {"model": "vosk-model-small-en-us-0.15"}, "fallback": "vosk"}
    async with serving(config("first", first=missing, vosk=vosk())) as hub, Client(hub.stream_url) as client:
        await client.send(CLIP.pcm + silence(1.0))
        final = await client.wait_for("final")
        assert final["hypothesis"]["text"] == CLIP.text and final["hypothesis"]["provider"] == "vosk"
        assert [m["code"] for m in client.of("warning")] == ["handed-on"] and not client.of("error")


async def test_a_model_that_nobody_needs_is_unloaded_and_the_hub_stays_ready() -> None:
    shape = config("vosk", vosk={**vosk(), "settings": {**CASES["vosk"].settings, "load": "demand"}})
    async with serving(shape) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        await until(hub.hub, lambda state: _health(state) is Health.UNLOADED)
        assert (await http.get("/ready")).status_code == 200
        assert (await http.get("/health")).json()["status"] == "ok"
        async with Client(hub.stream_url) as client:
            await client.send(CLIP.pcm + silence(1.0))
            assert (await client.wait_for("final"))["hypothesis"]["text"] == CLIP.text
        assert _health(hub.hub.store.state) is Health.READY


def _health(state: Any) -> Health | None:
    record = select_provider(state, ProviderName("vosk"))
    return None if record is None else record.health
