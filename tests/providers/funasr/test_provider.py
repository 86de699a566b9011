"""FunASR as a provider of the hub: the engine in its own process."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.providers.funasr import direct
from tests.providers.funasr.engines import PARAFORMER, SENSEVOICE, STREAMING, random_contextual
from tests.providers.leftovers import nothing_left
from tests.speech import silence

from asr_hub.errors import ConfigError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.funasr.provider import FunAsr
from asr_hub.providers.known_clip import packaged_clip

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm
SAID = "go forward ten meters"


def _funasr(model: str, **settings: Any) -> FunAsr:
    return FunAsr(ProviderName("ears"), {"model": model, "device": "cpu", **settings})


async def _hear(provider: FunAsr, pcm: bytes, piece: int = 3200, **options: Any) -> tuple[list[Hypothesis], list[str]]:
    async with provider.stream(RecognitionOptions(**options), {}) as stream:
        for at in range(0, len(pcm), piece):
            await stream.push(AudioFrame(pcm[at : at + piece], 16_000 + at // 2))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream], list(stream.warnings)


async def _texts(provider: FunAsr, pcm: bytes) -> set[str]:
    """One utterance, cut in several ways."""
    return {(await _hear(provider, pcm, piece))[0][-1].text for piece in (498, 3200, 100_000)}


async def test_the_hub_hears_what_paraformer_hears_however_the_audio_is_cut() -> None:
    async with nothing_left():
        provider = _funasr(PARAFORMER)
        await provider.start()
        try:
            assert await _texts(provider, CLIP) == {direct.paraformer(CLIP)} == {SAID}
        finally:
            await provider.aclose()


async def test_streams_share_steps_and_hear_what_each_hears_alone() -> None:
    clips = [CLIP, CLIP[: len(CLIP) // 2], silence(1.0) + CLIP, silence(1.0)] * 3
    async with nothing_left():
        provider = _funasr(STREAMING, max_batch=8)
        await provider.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_hear(provider, clip)) for clip in clips]
            assert await _texts(provider, CLIP) == {direct.streaming(CLIP)}
        finally:
            await provider.aclose()
    assert [task.result()[0][-1].text for task in tasks] == [direct.streaming(clip) for clip in clips]
    partials = [[hypothesis.text for hypothesis in task.result()[0][:-1]] for task in tasks]
    assert all(partials[0]) and len(partials[0]) >= 2


async def test_sensevoice_tells_all_it_knows_and_hears_long_audio_in_pieces() -> None:
    async with nothing_left():
        provider = _funasr(SENSEVOICE, partial_s=0.5, max_clip_s=5.0)
        await provider.start()
        try:
            assert await provider.self_test() == SAID
            assert await _texts(provider, CLIP) == {direct.sensevoice(CLIP)} == {SAID}
            async with provider.stream(RecognitionOptions(hotwords=("ten",)), {}) as stream:
                await stream.push(AudioFrame(CLIP[:60_000], 16_000))
                partial = await anext(aiter(stream))
                await stream.push(AudioFrame(CLIP[60_000:], 46_000))
                await stream.end_utterance()
                *_, final = [hypothesis async for hypothesis in stream]
                warnings = stream.warnings
            (*_, long), _ = await _hear(provider, (CLIP + silence(0.8)) * 4)
        finally:
            await provider.aclose()
    assert (final.text, final.language, final.tags) == (SAID, "en", {"emotion": "neutral", "event": "speech"})
    assert provider.capabilities.confidence and final.confidence
    # Of which part of the audio it is, the pace of both processes decides.
    assert not partial.is_final and partial.text
    assert [word.start >= 1000 for word in final.words] == [True] * 4
    assert len(warnings) == 1 and "hotwords" in warnings[0]
    assert not provider.capabilities.gpu and "en" in provider.capabilities.languages
    assert "SenseVoiceSmall" in provider.version
    assert long.text == " ".join([SAID] * 4)
    starts = [word.start for word in long.words]
    assert starts == sorted(starts)


async def test_hotwords_reach_a_contextual_model_and_no_other(tmp_path: Path) -> None:
    folder = str(random_contextual(tmp_path / "seaco", "SeacoParaformer"))
    async with nothing_left():
        provider = _funasr(folder)
        assert provider.capabilities.hotwords
        await provider.start()
        try:
            (*_, plain), _ = await _hear(provider, CLIP)
            (*_, biased), warnings = await _hear(provider, CLIP, hotwords=("ten",))
        finally:
            await provider.aclose()
    assert plain.text == SAID
    # With a bias of random weights, anything else.
    assert biased.text != SAID
    assert warnings == []


async def test_what_its_folder_says_is_known_before_anything_is_loaded(tmp_path: Path) -> None:
    assert _funasr(STREAMING).capabilities.confidence is False
    assert _funasr(SENSEVOICE).capabilities.confidence is True
    telephone = Path(shutil.copytree(PARAFORMER, tmp_path / "telephone"))
    config = telephone / "config.yaml"
    config.write_text(config.read_text().replace("fs: 16000", "fs: 8000"))
    provider = _funasr(str(telephone))
    assert provider.capabilities.sample_rates == (8000,)
    with pytest.raises(UnsupportedAudio, match="8000 Hz"):
        provider.stream(RecognitionOptions(sample_rate=16_000), {})


async def test_a_model_that_is_not_here_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_HUB_MODELS", str(tmp_path))
    for model in ("paraformer-zh-streaming", "SenseVoiceSmall"):
        provider = _funasr(model)
        with pytest.raises(ProviderUnavailable, match=f"asr-hub models pull {model}"):
            await provider.start()
        await provider.aclose()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"streaming": True}, "is a Paraformer; leave `streaming` out"),
        ({"chunk_size": [0, 0, 5]}, "chunk_size"),
        ({"encoder_look_back": -1}, "encoder_look_back"),
        ({"quantize": "int4"}, "quantize"),
        ({"modle": "x"}, "'modle' is not known"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _funasr(PARAFORMER, **settings)


def test_another_kind_of_model_is_refused_before_the_start(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PARAFORMER, tmp_path / "other"))
    (folder / "config.yaml").write_text("model: Qwen3ASR\n")
    with pytest.raises(ConfigError, match="Qwen3ASR"):
        _funasr(str(folder))
