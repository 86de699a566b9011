"""Every configuration in config/ starts a hub that hears."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.client import Client
from tests.speech import ROOT, clips, silence, tone

from asr_hub.app import serving
from asr_hub.config.loader import load

pytestmark = [pytest.mark.e2e, pytest.mark.engine]

FILES = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_hub_runs_on_it(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "8k" in file.stem:
        if not clips():
            pytest.skip("the 8 kHz acoustic model is with the shared clips, which are not here")
        monkeypatch.setenv("ASR_HUB_SPHINX_8K", str(ROOT / "models" / "pocketsphinx_en_hub4wsj_sc_8k"))
    monkeypatch.chdir(tmp_path)
    config = load(file)
    config = config.model_copy(update={"server": config.server.model_copy(update={"port": 0})})
    async with serving(config) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        ready = await http.get("/ready")
        assert ready.status_code == 200, (await http.get("/v1/providers")).text
        async with Client(hub.stream_url) as client:
            await client.send(silence(0.3) + tone(0.5) + silence(0.3))
            await client.send({"type": "finalize"})
            await client.wait_until(lambda m: m["type"] == "final" and m["reason"] == "finalize")
            await client.send({"type": "close"})
            await client.wait_for("closed")


def test_there_is_one_for_each_real_shape() -> None:
    assert {"default", "commands", "telephony-8k", "tiny", "many-sessions", "load-test"} <= {f.stem for f in FILES}
