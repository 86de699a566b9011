"""openWakeWord's published models on real voices."""

from __future__ import annotations

import pytest
from tests.client import Client
from tests.speech import ROOT, Clip, clips, needs_clips, silence

from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import AudioFrame
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.providers.registry import load

pytestmark = [pytest.mark.engine, pytest.mark.data, needs_clips]

FOLDER = ROOT / "models" / "openwakeword"
SETTINGS = {
    "mel_model": str(FOLDER / "melspectrogram.onnx"),
    "embedding_model": str(FOLDER / "embedding_model.onnx"),
    "phrases": {"alexa": str(FOLDER / "alexa_v0.1.onnx"), "hey jarvis": str(FOLDER / "hey_jarvis_v0.1.onnx")},
}
OPTIONS = RecognitionOptions(wake_words=("alexa",))


async def started() -> Provider:
    provider = load("openwakeword", "spotter", SETTINGS)
    await provider.start()
    await provider.self_test()
    return provider


async def heard(provider: Provider, pcm: bytes, block: int = 3200, start: int = 0) -> list[tuple[str, int]]:
    async with provider.stream(OPTIONS, {}) as stream:
        for at in range(0, len(pcm), block):
            await stream.push(AudioFrame(pcm[at : at + block], start + at // 2))
        await stream.end_utterance()
        got = [hypothesis async for hypothesis in stream]
    assert [h.is_final for h in got] == [False] * (len(got) - 1) + [True]
    return [(h.text, h.end) for h in got[:-1]]


def words(kind: str) -> list[Clip]:
    return [c for c in clips() if c.kind == kind and "pv" in c.file]


async def test_it_hears_its_phrase_and_no_other_word() -> None:
    provider = await started()
    hits = [bool(await heard(provider, c.pcm() + silence(0.6))) for c in words("wakeword_positive")]
    wrong = [bool(await heard(provider, c.pcm() + silence(0.6))) for c in words("wakeword_negative")]
    assert sum(hits) >= len(hits) - 2 > 30
    assert sum(wrong) == 0 < len(wrong)
    await provider.aclose()


async def test_how_the_audio_was_cut_does_not_matter_and_times_are_those_of_the_session() -> None:
    provider = await started()
    pcm = words("wakeword_positive")[0].pcm() + silence(0.6)
    whole = await heard(provider, pcm, block=len(pcm))
    assert whole == await heard(provider, pcm, block=642)
    later = await heard(provider, pcm, start=32_000)
    assert [(text, end - 2000) for text, end in later] == whole


async def test_a_phrase_without_a_model_is_refused_by_name() -> None:
    provider = await started()
    with pytest.raises(ConfigError, match="hey hub"):
        provider.stream(RecognitionOptions(wake_words=("hey hub",)), {})


async def test_a_missing_model_file_is_named() -> None:
    provider = load("openwakeword", "spotter", {**SETTINGS, "mel_model": "/nowhere/mel.onnx"})
    with pytest.raises(ProviderUnavailable, match=r"/nowhere/mel\.onnx"):
        await provider.start()
    with pytest.raises(ProviderUnavailable, match="not started"):
        provider.stream(OPTIONS, {})


async def test_it_wakes_a_session_over_the_websocket() -> None:
    config = Config.model_validate(
        {
            "provider": "scripted",
            "providers": {
                "scripted": {"kind": "scripted"},
                "spotter": {"kind": "openwakeword", "settings": SETTINGS},
            },
            "wake_word": {"provider": "spotter", "phrases": ["alexa"]},
            "server": {"port": 0},
        }
    )
    pcm = silence(0.5) + words("wakeword_positive")[0].pcm() + silence(1.0)
    async with serving(config) as hub, Client(hub.stream_url) as client:
        for at in range(0, len(pcm), 3200):
            await client.send(pcm[at : at + 3200])
        woken = await client.wait_for("wake-word")
        assert woken["phrase"] == "alexa"
