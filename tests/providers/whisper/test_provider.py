"""The provider through its engine process: partials, finals, the known clip, and refusals at the start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.providers.leftovers import nothing_left
from tests.providers.whisper.direct import TINY, decode

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.whisper.provider import FasterWhisper

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test")
DEMO = packaged_clip("demo")

Start = Callable[..., Awaitable[FasterWhisper]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[FasterWhisper] = []

    async def start(**settings: Any) -> FasterWhisper:
        provider = FasterWhisper(ProviderName("whisper"), {"model": str(TINY), "device": "cpu", **settings})
        started.append(provider)
        await provider.start()
        return provider

    async with nothing_left():
        yield start
        for provider in started:
            await provider.aclose()


async def _hear(provider: FasterWhisper, pcm: bytes, **options: Any) -> tuple[list[Hypothesis], str]:
    async with provider.stream(RecognitionOptions(**options), {}) as stream:
        for at in range(0, len(pcm), 3200):
            await stream.push(AudioFrame(pcm[at : at + 3200], at // 2))
        await stream.end_utterance()
        heard = [hypothesis async for hypothesis in stream]
        return heard, stream.suppressed.reason if stream.suppressed is not None else ""


async def test_the_known_clip_is_heard_with_words(start: Start) -> None:
    provider = await start()
    assert provider.capabilities.languages == ("en",) and provider.capabilities.words
    assert await provider.self_test() == "go forward ten meters"
    (*_, final), _ = await _hear(provider, CLIP.pcm)
    assert final.text == decode(CLIP.pcm) == " ".join(word.text for word in final.words)
    assert final.is_final and 0 < (final.confidence or 0) < 1


async def test_a_phantom_reaches_the_hub_as_a_reason(start: Start) -> None:
    provider = await start(phantoms=[CLIP.text])
    (*_, final), because = await _hear(provider, CLIP.pcm, partials=False)
    assert (final.text, because) == ("", "a known phantom")


async def test_utterances_longer_than_the_window_are_heard_to_their_end(start: Start) -> None:
    provider = await start()
    pcm = DEMO.pcm + CLIP.pcm + DEMO.pcm
    assert len(pcm) / 32_000 > 30
    (*_, final), _ = await _hear(provider, pcm, partials=False)
    assert final.text and final.words[-1].end > 28_000 and final.words[-1].end <= len(pcm) / 32


async def test_wrong_settings_are_named_before_anything_starts() -> None:
    for settings, message in (
        ({"beam_size": 0}, r"providers\.whisper\.settings\.beam_size"),
        ({"temperatures": [0.2]}, "temperatures begin with 0"),
        ({"temperatures": []}, "temperatures begin with 0"),
        ({"window": "tight"}, r"providers\.whisper\.settings\.window"),
        ({"beam": 5}, "'beam' is not known"),
    ):
        with pytest.raises(ConfigError, match=message):
            FasterWhisper(ProviderName("whisper"), settings)


async def test_what_the_engine_refuses_at_the_load_is_told(start: Start) -> None:
    with pytest.raises(ProviderUnavailable, match="'no-such-size' is not here"):
        await start(model="no-such-size")
    with pytest.raises(ConfigError, match="task: 'translate' needs"):
        await start(task="translate")
