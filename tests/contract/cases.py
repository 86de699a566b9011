"""Under which settings each kind of provider is tested, and what it must hear there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

MODELS = Path(__file__).parents[1] / "models"
KEY_VARIABLE = "ASR_HUB_TEST_KEY"

CLIP_TEXT = "go forward ten meters"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    settings: dict[str, Any] = {}
    text: str | None = CLIP_TEXT
    """What is heard in the packaged clip; None: anything but nothing."""
    wake_word: str | None = None
    knows_silence: bool = True
    """Hears nothing where nothing is. A tiny model may have learnt no silence."""
    server: str = ""
    """The cloud whose local server it speaks to."""
    is_variant: bool = False
    """Another model of a case that is there: heard, and not put through the whole suite once more."""


def _model(name: str, **more: Any) -> dict[str, Any]:
    return {"model": str(MODELS / name), **more}


CASES = {
    "scripted": Case(kind="scripted", text=None),
    "pocketsphinx": Case(kind="pocketsphinx", wake_word="go forward"),
    "pocketsphinx phrases": Case(
        kind="pocketsphinx", settings={"phrases": [CLIP_TEXT, "stop the music"]}, wake_word="ten meters"
    ),
    "pocketsphinx streaming": Case(
        kind="pocketsphinx", settings={"final": "streaming"}, text=None, wake_word="go forward"
    ),
    "faster-whisper": Case(kind="faster-whisper", settings=_model("tiny-whisper")),
    "funasr sense-voice": Case(kind="funasr", settings=_model("tiny-sensevoice")),
    "funasr paraformer": Case(kind="funasr", settings=_model("tiny-paraformer"), knows_silence=False, is_variant=True),
    "funasr streaming": Case(
        kind="funasr",
        settings=_model("tiny-paraformer-streaming"),
        text="go forward twenty ten steps",
        knows_silence=False,
    ),
    "vosk": Case(kind="vosk", settings=_model("tiny-vosk")),
    "sherpa-onnx": Case(kind="sherpa-onnx", settings=_model("tiny-sherpa-sensevoice")),
    "sherpa-onnx streaming": Case(
        kind="sherpa-onnx", settings=_model("tiny-sherpa-paraformer-streaming"), text="go forward ten ten six"
    ),
    "sherpa-onnx transducer": Case(
        kind="sherpa-onnx",
        settings=_model("tiny-sherpa-transducer", options={"feature_dim": 40}, self_test="answers"),
        text="G OW F AO R ER D T EH N M IY ER Z",
        is_variant=True,
    ),
    "transformers": Case(kind="transformers", settings={"self_test": "answers"}, text=None, knows_silence=False),
    "openai": Case(kind="openai", server="openai"),
    "openai whisper-1": Case(kind="openai", settings={"model": "whisper-1"}, server="openai", is_variant=True),
    "openai-realtime": Case(kind="openai-realtime", server="openai"),
    "google": Case(kind="google", settings={"project": "a-project"}, server="google"),
}


@asynccontextmanager
async def settings_of(case: Case) -> AsyncIterator[dict[str, Any]]:
    """The settings of a case, with two slots and, for a cloud, its server behind them."""
    settings = {"max_streams": 2, "wait_s": 0.0, **case.settings}
    if case.kind == "transformers":
        from tests.providers.transformers.checkpoints import whisper

        with TemporaryDirectory() as folder:
            yield {**settings, "model": str(whisper(Path(folder) / "whisper"))}
    elif case.server == "openai":
        # Only where it is used: the servers need the SDKs' own messages.
        from tests.providers.cloud import openai_server

        async with openai_server.running() as server:
            yield {**settings, "base_url": server.url, "api_key_env": KEY_VARIABLE}
            await server.idle.wait()
    elif case.server == "google":
        from tests.providers.cloud import google_server

        async with google_server.running() as google:
            yield {**settings, "api_endpoint": google.endpoint}
            await google.idle.wait()
    else:
        yield settings
