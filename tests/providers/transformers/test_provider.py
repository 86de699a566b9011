"""transformers as a provider of the hub: the library in its own process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.providers.leftovers import nothing_left

pytest.importorskip("torch", reason="torch has no wheel for this Python")
pytest.importorskip("transformers", reason="transformers is not installed")

from tests.providers.transformers import checkpoints, direct

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import AudioFrame, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.transformers.provider import Transformers

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm


async def test_the_hub_hears_what_the_library_hears(tmp_path: Path) -> None:
    folder = checkpoints.whisper(tmp_path / "whisper", languages=("de", "en"))
    settings = {"model": str(folder), "max_new_tokens": direct.TOKENS, "self_test": "answers"}
    async with nothing_left():
        provider = Transformers(ProviderName("ears"), settings)
        await provider.start()
        try:
            await provider.self_test()
            (final,) = await provider.transcribe(CLIP, RecognitionOptions(language="de"))
        finally:
            await provider.aclose()
    assert final.text == direct.whisper(folder, CLIP, language="de") and final.language == "de"
    assert provider.capabilities.languages == ("de", "en") and not provider.capabilities.words


async def test_ctc_words_count_from_the_sessions_start(tmp_path: Path) -> None:
    folder = checkpoints.wav2vec2(tmp_path / "ctc", masked=False)
    provider = Transformers(ProviderName("ears"), {"model": str(folder), "self_test": "off"})
    await provider.start()
    try:
        async with provider.stream(RecognitionOptions(partials=False), {}) as stream:
            await stream.push(AudioFrame(CLIP, 32_000))
            await stream.end_utterance()
            final = [hypothesis async for hypothesis in stream][-1]
    finally:
        await provider.aclose()
    assert provider.capabilities.words and provider.capabilities.confidence
    assert final.text == direct.wav2vec2(folder, CLIP) and final.words[0].start >= 2000


async def test_a_checkpoint_that_is_not_here_is_told_at_the_start(tmp_path: Path) -> None:
    provider = Transformers(ProviderName("ears"), {"model": str(tmp_path)})
    with pytest.raises(ProviderUnavailable, match=r"config\.json"):
        await provider.start()
    await provider.aclose()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_new_tokens"):
        Transformers(ProviderName("ears"), {"model": str(tmp_path), "max_new_tokens": 0})
