"""Vosk as a provider of the hub: the engine in its own process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.providers.leftovers import nothing_left
from tests.providers.vosk.direct import MODEL, decode
from tests.speech import silence

pytest.importorskip("vosk", reason="Vosk has no wheel for this Python")

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.vosk.provider import Vosk

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm
SAID = "go forward ten meters"


def _vosk(**settings: Any) -> Vosk:
    return Vosk(ProviderName("ears"), {"model": str(MODEL), **settings})


async def _hear(provider: Vosk, pcm: bytes, piece: int = 3200, **options: Any) -> tuple[list[Hypothesis], list[str]]:
    async with provider.stream(RecognitionOptions(**options), {}) as stream:
        for at in range(0, len(pcm), piece):
            await stream.push(AudioFrame(pcm[at : at + piece], 16_000 + at // 2))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream], list(stream.warnings)


async def test_the_hub_hears_what_the_engine_hears_however_the_audio_is_cut() -> None:
    pcm = CLIP + silence(2.0) + CLIP
    async with nothing_left():
        provider = _vosk()
        await provider.start()
        try:
            assert await provider.self_test() == SAID
            texts = {(await _hear(provider, pcm, piece))[0][-1].text for piece in (498, 3200, 100_000)}
        finally:
            await provider.aclose()
    assert texts == {decode(pcm)} == {f"{SAID} {SAID}"}


async def test_many_streams_are_heard_at_once() -> None:
    async with nothing_left():
        provider = _vosk(threads=2, max_batch=4)
        await provider.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_hear(provider, CLIP if n % 3 else silence(1.0))) for n in range(12)]
        finally:
            await provider.aclose()
    assert [task.result()[0][-1].text for task in tasks] == ["", SAID, SAID] * 4


async def test_times_count_from_the_sessions_start_and_partials_come_first() -> None:
    provider = _vosk()
    await provider.start()
    try:
        (*partials, final), warnings = await _hear(provider, CLIP)
    finally:
        await provider.aclose()
    assert [(word.text, word.start) for word in final.words][:2] == [("go", 1000), ("forward", 1750)]
    assert partials and partials[-1].text == SAID and warnings == []
    assert provider.capabilities.words and provider.capabilities.confidence and final.confidence


async def test_what_cannot_be_done_is_told() -> None:
    provider = _vosk(grammar=["turn left"])
    await provider.start()
    try:
        (*_, final), warnings = await _hear(provider, CLIP, hotwords=("turn left",))
    finally:
        await provider.aclose()
    assert final.text == SAID
    assert len(warnings) == 2 and any("hotwords" in told for told in warnings)


async def test_a_model_that_is_not_here_is_told_at_the_start(tmp_path: Path) -> None:
    provider = _vosk(model=str(tmp_path))
    with pytest.raises(ProviderUnavailable, match=r"am/final\.mdl"):
        await provider.start()
    await provider.aclose()


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="max_alternatives"):
        _vosk(max_alternatives=-1)
    with pytest.raises(ConfigError, match="model"):
        Vosk(ProviderName("ears"), {})


def test_the_rate_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mfcc.conf").write_text("--sample-frequency=8000\n")
    assert _vosk(model=str(tmp_path)).capabilities.sample_rates == (8000,)
    assert _vosk(model="a-model-that-is-nowhere").capabilities.sample_rates == (16_000,)
    assert _vosk(model="a-model-that-is-nowhere", sample_rate=8000).capabilities.sample_rates == (8000,)
