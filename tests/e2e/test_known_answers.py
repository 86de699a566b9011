"""Published weights that are at hand, by configuration alone: what they are known to hear is heard through the hub."""

from __future__ import annotations

from typing import Any

import pytest
from tests.client import Client
from tests.speech import ROOT, clip, clips, needs_clips, silence

from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub.providers.base import RecognitionOptions

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.data, needs_clips]

MODELS = ROOT / "models"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TELEPHONE = {"sample_rate": 8000}

COMMANDS = {
    "living_room_light_zh.wav": "打开 客厅 的 灯",
    "zh_funasr/asr_example.wav": "欢迎 大家 来 体验 达 摩 院 推出 的 语音识别 模型",
}
"""What is said, in the words of the dictionary."""


def sphinx(**settings: Any) -> Config:
    return Config.model_validate(
        {
            "provider": "sphinx",
            "providers": {"sphinx": {"kind": "pocketsphinx", "settings": {"sample_rate": 8000, **settings}}},
            "server": {"port": 0},
        }
    )


async def test_mandarin_commands_are_heard_by_the_mandarin_model() -> None:
    shape = sphinx(
        acoustic_model=str(MODELS / "pocketsphinx_zh_tdt_sc_8k"),
        dictionary=str(MODELS / "pocketsphinx_zh_lm" / "mandarin_notone.dic"),
        language="zh-CN",
        phrases=[*COMMANDS.values(), "广州市 房地产 中介 协会 分析"],
    )
    async with serving(shape) as hub:
        for file, said in COMMANDS.items():
            async with Client(hub.stream_url, format=TELEPHONE, language="zh") as client:
                await client.send(clip(file).pcm(8000) + silence(0.5, rate=8000))
                await client.send({"type": "close"})
                await client.wait_for("closed")
                assert [text for text in client.finals if text] == [said]


async def test_telephone_digits_are_heard_by_the_telephone_model() -> None:
    spoken = [one for one in clips() if "fsdd_8k" in one.file and one.text in DIGITS]
    shape = sphinx(acoustic_model=str(MODELS / "pocketsphinx_en_hub4wsj_sc_8k"), phrases=list(DIGITS))
    right = 0
    async with serving(shape) as hub:
        provider = hub.hub.engines.get(hub.hub.default)
        for one in spoken:
            # Whole, past the VAD: a digit lasts a quarter of a second.
            pcm = silence(0.5, rate=8000) + one.pcm(8000) + silence(0.5, rate=8000)
            (final,) = await provider.transcribe(pcm, RecognitionOptions(sample_rate=8000, partials=False))
            right += final.text == one.text
    # 48 of 60 with pocketsphinx 5.1.1; another version may round otherwise.
    assert len(spoken) == 60 and right >= 45
