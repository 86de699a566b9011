"""The cloud configurations in config/ hear, with a local server behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.providers.cloud import google_server, openai_server
from tests.providers.cloud.hearing import text
from tests.providers.cloud.test_owed import speech

from asr_hub.config.loader import load
from asr_hub.model import ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.cloud import google, openai_realtime, openai_rest
from asr_hub.providers.cloud.provider import CloudProvider

pytestmark = pytest.mark.engine

FOLDER = Path(__file__).parents[3] / "config"
KINDS = {"openai": openai_rest, "openai-realtime": openai_realtime, "google": google}
CLASSES: dict[str, type[CloudProvider]] = {
    "openai": openai_rest.OpenAIRest,
    "openai-realtime": openai_realtime.OpenAIRealtime,
    "google": google.Google,
}


@pytest.mark.parametrize("name", ["openai", "openai-realtime", "openai-compatible", "google"])
async def test_it_hears(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-vendor")
    file = FOLDER / f"{name}.yaml"
    async with openai_server.running(key="no-key") as openai, google_server.running() as own_google:
        (before,) = load(file).providers.values()
        assert KINDS[before.kind].leaves_machine(before.settings) == (name != "openai-compatible")
        monkeypatch.setenv("ASR_HUB_OPENAI_URL", openai.url)
        monkeypatch.setenv("ASR_HUB_GOOGLE_ENDPOINT", own_google.endpoint)
        (entry,) = load(file).providers.values()
        assert not KINDS[entry.kind].leaves_machine(entry.settings)
        provider = CLASSES[entry.kind](ProviderName(name), entry.settings)
        await provider.start()
        try:
            rate = provider.capabilities.sample_rates[0]
            (final,) = await provider.transcribe(speech(rate), RecognitionOptions(sample_rate=rate))
            assert final.text == text(speech(rate), rate)
        finally:
            await provider.aclose()
