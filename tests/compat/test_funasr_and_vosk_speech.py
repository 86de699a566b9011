"""Real speech and a real engine: a client of FunASR and the one of the package `vosk` hear it at one hub."""

from __future__ import annotations

import asyncio

import pytest
from tests.compat.funasr_clients import new_client
from tests.compat.vosk_transcriber import transcriber
from tests.speech import clip, needs_clips, silence

from asr_hub.app import serving
from asr_hub.config.schema import Config

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.data, needs_clips]

PHRASES = ["go forward ten meters", "go forward ten years", "go back", "turn left", "stop"]
"""Few, so that hearing takes a second."""


async def test_both_hear_the_same_words() -> None:
    config = Config.model_validate(
        {
            "provider": "sphinx",
            "providers": {"sphinx": {"kind": "pocketsphinx", "settings": {"phrases": PHRASES}}},
            "server": {"port": 0},
            "dialects": {"funasr": {"port": 0}, "vosk": {"port": 0}},
        }
    )
    speech = clip("goforward.raw").pcm() + silence(0.5)
    async with serving(config) as hub:
        funasr, vosk = (f"ws://127.0.0.1:{hub.dialects[name]}/" for name in ("funasr", "vosk"))
        ((last, _),), written = await asyncio.gather(new_client(funasr, "offline", [speech]), transcriber(vosk, speech))
    # What it takes the last word for depends on how the audio was cut.
    assert last["text"].startswith("go forward ten")
    assert written.startswith("go forward ten")
