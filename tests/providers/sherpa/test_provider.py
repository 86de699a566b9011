"""sherpa-onnx as a provider of the hub: the engine in its own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.providers.leftovers import nothing_left
from tests.speech import silence

pytest.importorskip("sherpa_onnx", reason="sherpa-onnx has no wheel for this Python")

from tests.providers.sherpa.direct import STREAMING, TRANSDUCER, WHOLE, decode, decode_streaming

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.sherpa.provider import SherpaOnnx

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm


@asynccontextmanager
async def _started(model: Path, **settings: Any) -> AsyncIterator[SherpaOnnx]:
    async with nothing_left():
        provider = SherpaOnnx(ProviderName("ears"), {"model": str(model), **settings})
        await provider.start()
        try:
            yield provider
        finally:
            await provider.aclose()


async def _hear(provider: SherpaOnnx, pcm: bytes, piece: int = 3200) -> list[Hypothesis]:
    async with provider.stream(RecognitionOptions(), {}) as stream:
        for at in range(0, len(pcm), piece):
            await stream.push(AudioFrame(pcm[at : at + piece], 16_000 + at // 2))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream]


async def test_a_streaming_model_hears_what_the_engine_hears_however_the_audio_is_cut() -> None:
    async with _started(STREAMING) as provider:
        assert await provider.self_test() == decode_streaming(CLIP)
        heard = [await _hear(provider, CLIP, piece) for piece in (498, 3200, 100_000)]
    assert {each[-1].text for each in heard} == {decode_streaming(CLIP)}
    assert all(len(each) > 1 for each in heard)
    assert not provider.capabilities.words and not provider.capabilities.hotwords


async def test_a_whole_utterance_model_hears_what_the_engine_hears() -> None:
    async with _started(WHOLE) as provider:
        assert await provider.self_test() == decode(CLIP) == "go forward ten meters"
        async with provider.stream(RecognitionOptions(), {}) as stream:
            await stream.push(AudioFrame(CLIP, 16_000))
            partial = await anext(aiter(stream))
            await stream.end_utterance()
            final = [hypothesis async for hypothesis in stream][-1]
    assert final.text == "go forward ten meters" and not partial.is_final and partial.text
    assert final.words[0].start == 1540 and provider.capabilities.words
    assert final.language == "en" and final.tags["emotion"] == "neutral"


@pytest.mark.parametrize("model", [WHOLE, STREAMING], ids=lambda model: model.name)
async def test_many_streams_are_heard_at_once(model: Path) -> None:
    async with _started(model, max_batch=8) as provider, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_hear(provider, CLIP if n % 3 else silence(1.0))) for n in range(12)]
    said = decode(CLIP) if model == WHOLE else decode_streaming(CLIP)
    assert [task.result()[-1].text for task in tasks] == ["", said, said] * 4


async def test_hotwords_are_claimed_by_transducers_that_search_wide() -> None:
    options = {"options": {"feature_dim": 40}, "hotwords_score": 3.0}
    async with _started(TRANSDUCER, decoding="modified_beam_search", self_test="answers", **options) as provider:
        assert provider.capabilities.hotwords and provider.capabilities.confidence
        stream = provider.stream(RecognitionOptions(hotwords=("d eh n",)), {})
        async with stream:
            await stream.push(AudioFrame(CLIP, 0))
            await stream.end_utterance()
            final = [hypothesis async for hypothesis in stream][-1]
        assert final.text == "G OW F AO R ER D EH N M IY ER Z" and not stream.warnings
    greedy = SherpaOnnx(ProviderName("ears"), {"model": str(TRANSDUCER)})
    assert not greedy.capabilities.hotwords


async def test_a_model_that_is_not_here_is_told_at_the_start(tmp_path: Path) -> None:
    provider = SherpaOnnx(ProviderName("ears"), {"model": str(tmp_path)})
    with pytest.raises(ProviderUnavailable, match=r"no \.onnx file"):
        await provider.start()
    await provider.aclose()


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="streaming-transducer"):
        SherpaOnnx(ProviderName("ears"), {"model": str(WHOLE), "type": "magic"})
    with pytest.raises(ConfigError, match="tail_s"):
        SherpaOnnx(ProviderName("ears"), {"model": str(WHOLE), "tail_s": 99})
