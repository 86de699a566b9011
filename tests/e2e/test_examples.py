"""The examples run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.client import Client
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
