"""The examples run."""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

import pytest
from tests.client import Client
from tests.hubs import scripted
from tests.speech import silence, tone

from asr_hub.app import serving
from asr_hub.config.schema import Config

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_an_engine_of_ones_own_by_its_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    config = Config.model_validate(
        {
            "provider": "mine",
            "providers": {"mine": {"kind": "own_engine:Stopwatch"}},
            "server": {"port": 0},
            "audio": {"vad": "off"},
        }
    )
    async with serving(config) as hub, Client(hub.stream_url) as client:
        await client.send(silence(0.5) + tone(1.5))
        await client.send({"type": "finalize"})
        assert (await client.wait_for("final"))["hypothesis"]["text"] == "2.0 seconds"


async def test_a_file_over_plain_http(tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(silence(0.5) + tone(1.0) + silence(1.0) + tone(0.6, hertz=330) + silence(0.2))
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    async with serving(scripted({"transcript": words})) as hub:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, EXAMPLES / "http_live.py", file, hub.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode, err.decode()) == (0, "")
        assert len(out.decode().splitlines()) == 2
        assert set(out.decode().split()) <= set(words)
