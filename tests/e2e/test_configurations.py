"""Every configuration in config/ starts a hub that hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.client import Client
from tests.contract.cases import MODELS
from tests.speech import ROOT, clips, silence

from asr_hub.access.keys import new_key
from asr_hub.app import serving
from asr_hub.config.loader import load
from asr_hub.config.schema import Config
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.registry import available

pytestmark = [pytest.mark.e2e, pytest.mark.engine]

FILES = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))
CLIP = packaged_clip("self_test")

ENVIRONMENT = {
    "telephony-8k": {"ASR_HUB_SPHINX_8K": str(ROOT / "models" / "pocketsphinx_en_hub4wsj_sc_8k")},
    "whisper": {"ASR_HUB_WHISPER": str(MODELS / "tiny-whisper")},
    "whisper-gpu": {"ASR_HUB_WHISPER": str(MODELS / "tiny-whisper"), "ASR_HUB_DEVICE": "cpu"},
    "funasr": {"ASR_HUB_FUNASR": str(MODELS / "tiny-sensevoice")},
    "funasr-streaming": {"ASR_HUB_FUNASR_STREAMING": str(MODELS / "tiny-paraformer-streaming")},
    "vosk": {"ASR_HUB_VOSK": str(MODELS / "tiny-vosk")},
    "sherpa-onnx": {"ASR_HUB_SHERPA": str(MODELS / "tiny-sherpa-paraformer-streaming")},
    "existing-clients": {f"ASR_HUB_{name}_PORT": "0" for name in ("FUNASR", "VOSK", "WYOMING", "RIVA", "GOOGLE")},
}
"""Small models in place of published ones, and free ports in place of usual ones."""


@asynccontextmanager
async def surroundings(name: str, folder: Path) -> AsyncIterator[dict[str, str]]:
    """What the configuration finds in its environment: models, or a server that speaks the cloud's protocol."""
    if name.startswith("openai"):
        from tests.providers.cloud import openai_server

        async with openai_server.running(None) as server:
            yield {"ASR_HUB_OPENAI_URL": server.url}
            await server.idle.wait()
    elif name == "google":
        from tests.providers.cloud import google_server

        async with google_server.running() as google:
            yield {"ASR_HUB_GOOGLE_ENDPOINT": google.endpoint, "GOOGLE_CLOUD_PROJECT": "a-project"}
            await google.idle.wait()
    elif name == "transformers":
        from tests.providers.transformers.checkpoints import whisper

        yield {"ASR_HUB_TRANSFORMERS": str(whisper(folder / "whisper"))}
    else:
        yield ENVIRONMENT.get(name, {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_hub_runs_on_it(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if file.stem == "telephony-8k" and not clips():
        pytest.skip("the 8 kHz acoustic model is with the shared clips, which are not here")
    async with surroundings(file.stem, tmp_path) as variables:
        for key, value in variables.items():
            monkeypatch.setenv(key, value)
        monkeypatch.chdir(tmp_path)
        config = load(file)
        if file.stem == "transformers":
            # The model that is made on the spot was never trained: what it says is garbage.
            entry = config.providers["transformers"]
            settings = {**entry.settings, "self_test": "answers"}
            config = config.model_copy(
                update={
                    "providers": {"transformers": entry.model_copy(update={"settings": settings})},
                    "recognition": config.recognition.model_copy(update={"refuse_garbage": False}),
                }
            )
        kinds = {entry.kind for entry in config.providers.values()}
        if missing := [kind for kind in kinds if not available(kind).ok]:
            pytest.skip(f"{', '.join(missing)} cannot be installed here")
        config = config.model_copy(update={"server": config.server.model_copy(update={"port": 0})})
        config, secret = with_known_key(config)
        async with serving(config) as hub, httpx.AsyncClient(base_url=hub.url) as http:
            ready = await http.get("/ready")
            assert ready.status_code == 200, (await http.get("/v1/providers")).text
            async with Client(f"{hub.stream_url}?token={secret}") as client:
                await client.send(silence(0.3) + CLIP.pcm + silence(0.3))
                await client.send({"type": "finalize"})
                await client.wait_until(lambda m: m["type"] == "final" and m["reason"] == "finalize")
                await client.send({"type": "close"})
                await client.wait_for("closed")
                assert not client.of("error")


def with_known_key(config: Config) -> tuple[Config, str]:
    """Nobody has the keys of a file; its first one is replaced by one that the test has."""
    made, keys = new_key(), dict(config.access.keys)
    for name, key in tuple(keys.items())[:1]:
        keys[name] = key.model_copy(update={"id": made.id, "hash": made.sha256})
    return config.model_copy(update={"access": config.access.model_copy(update={"keys": keys})}), made.secret


def test_there_is_one_for_each_real_shape() -> None:
    shapes = {
        "default",
        "commands",
        "telephony-8k",
        "tiny",
        "many-sessions",
        "load-test",
        "with-keys",
        "lose-no-word",
        "files",
        "existing-clients",
    }
    engines = {"whisper", "whisper-gpu", "funasr", "funasr-streaming", "vosk", "sherpa-onnx", "transformers"}
    clouds = {"openai", "openai-realtime", "openai-compatible", "google"}
    assert shapes | engines | clouds <= {f.stem for f in FILES}
