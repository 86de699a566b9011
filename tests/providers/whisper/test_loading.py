"""What stands against a model is named at the load, with what to do; and the network is never asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
from tests.providers.whisper.direct import TINY
from tests.providers.whisper.engines import engine, hear
from tests.providers.whisper.random_model import make
from tests.speech import tone

from asr_hub.errors import ConfigError, HubError, OutOfMemory, ProviderUnavailable
from asr_hub.providers.host.engine import Broken
from asr_hub.providers.whisper.engine import load
from asr_hub.providers.whisper.loading import unusable

pytestmark = pytest.mark.engine

WITHOUT_GPU = pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="this machine has a GPU")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": "no-such-size"}, ProviderUnavailable, "'no-such-size' is not here"),
        ({"model": "/no/such/folder"}, ProviderUnavailable, "there is no folder '/no/such/folder'"),
        pytest.param({"device": "cuda"}, ProviderUnavailable, "no CUDA device .* device: cpu", marks=WITHOUT_GPU),
        ({"device": "cuda:99"}, HubError, "there is no cuda:99|no CUDA device"),
        ({"device": "tpu"}, ConfigError, "device: 'tpu' is none"),
        ({"device": "cpu:1"}, ConfigError, "device: 'cpu:1' is none"),
        ({"device": "cuda:x"}, ConfigError, "device: 'cuda:x' is none"),
        ({"device": "cpu", "compute_type": "float16"}, ConfigError, "'float16' is not for this cpu; it has .*int8"),
        ({"device": "cpu", "compute_type": "bogus"}, ConfigError, "'bogus' is not for this cpu"),
        ({"task": "translate"}, ConfigError, "task: 'translate' needs a model of several languages"),
        ({"language": "de"}, ConfigError, "language: the model does not hear 'de'; it hears en"),
        ({"languages": ["en", "tlh"]}, ConfigError, "languages: the model does not hear 'tlh'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], error: type[HubError], message: str) -> None:
    with pytest.raises(error, match=message):
        load({"model": str(TINY), **settings})


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    (folder / name).unlink()
    with pytest.raises(ProviderUnavailable, match=f"has no {name}"):
        load({"model": str(folder)})


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01rubbish"])
def test_a_broken_file_is_said(name: str, content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    (folder / name).write_bytes(content)
    with pytest.raises(ProviderUnavailable, match=r"cannot be loaded: .*; copy the model again"):
        load({"model": str(folder)})


@pytest.mark.parametrize(
    ("exc", "message"),
    [(OutOfMemory("no memory"), "take a smaller one"), (Broken("Library libcublas.so.12 is not found"), "cublas-cu12")],
)
def test_a_device_that_cannot_bear_the_model_is_said_with_what_to_do(exc: Broken | OutOfMemory, message: str) -> None:
    assert message in str(unusable(exc))


def test_a_tokenizer_that_is_not_whispers_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] != "<|notimestamps|>"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ProviderUnavailable, match=r"no <\|notimestamps\|>"):
        load({"model": str(folder)})


@pytest.mark.parametrize("mels", [80, 128])
def test_the_model_says_itself_how_many_bands_it_hears(mels: int, tmp_path: Path) -> None:
    model = make(tmp_path / "model", languages=("en", "de"), mels=mels, preprocessor=False)
    assert hear(engine(model, compression_ratio_threshold=1e9), tone(1.0)).text


def test_who_is_loaded_is_told() -> None:
    loaded = engine()
    assert loaded.version.startswith("faster-whisper 1.") and loaded.version.endswith("tiny-whisper, int8")
    assert (loaded.device, loaded.languages, loaded.max_clip_s) == ("cpu", ("en",), 28.0)
