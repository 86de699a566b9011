"""Weights are found where they are, and what is missing is named before any engine is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr_hub.errors import ProviderUnavailable
from asr_hub.providers.whisper.settings import missing
from asr_hub.providers.whisper.weights import weights

pytestmark = pytest.mark.unit

FILES = ("model.bin", "tokenizer.json", "vocabulary.json", "config.json")
REPOSITORY = "models--Systran--faster-whisper-small"


def put(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if name != without:
            (folder / name).write_text("")
    return folder


def env(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "ASR_HUB_MODELS": str(folder / "models")}


def test_a_path_is_itself(tmp_path: Path) -> None:
    assert weights(str(put(tmp_path / "mine")), env=env(tmp_path)) == tmp_path / "mine"


def test_the_models_folder_knows_names_and_aliases(tmp_path: Path) -> None:
    folder = put(tmp_path / "models" / "faster-whisper" / "faster-whisper-small")
    assert weights("small", env=env(tmp_path)) == weights("faster-whisper-small", env=env(tmp_path)) == folder


@pytest.mark.parametrize("name", ["small", "hf:Systran/faster-whisper-small", "Systran/faster-whisper-small"])
@pytest.mark.parametrize(
    ("variables", "cache"),
    [
        ({}, ".cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/huggingface/hub"),
        ({"HF_HOME": "{}/hf"}, "hf/hub"),
        ({"HF_HUB_CACHE": "{}/hub", "HF_HOME": "{}/hf"}, "hub"),
    ],
)
def test_hugging_faces_cache_is_read(name: str, variables: dict[str, str], cache: str, tmp_path: Path) -> None:
    kept = tmp_path / cache / REPOSITORY
    folder = put(kept / "snapshots" / "abc")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc\n")
    chosen = {key: value.format(tmp_path) for key, value in variables.items()}
    assert weights(name, env={**env(tmp_path), **chosen}) == folder


def test_a_revision_is_that_revision(tmp_path: Path) -> None:
    kept = tmp_path / ".cache" / "huggingface" / "hub" / REPOSITORY
    put(kept / "snapshots" / "abc")
    folder = put(kept / "snapshots" / "def")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    assert weights("hf:Systran/faster-whisper-small@def", env=env(tmp_path)) == folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small", "asr-hub models pull faster-whisper-small"),
        ("no-such-size", "'no-such-size' is not here"),
        ("/no/such/folder", "there is no folder"),
        ("owner/repository", "asr-hub models pull hf:owner/repository"),
    ],
)
def test_what_is_not_here_is_said_with_what_to_do(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match=message):
        weights(name, env=env(tmp_path))


def test_a_cache_without_the_snapshot_is_said(tmp_path: Path) -> None:
    (tmp_path / ".cache" / "huggingface" / "hub" / REPOSITORY / "refs").mkdir(parents=True)
    with pytest.raises(ProviderUnavailable, match="not whole in Hugging Face's cache"):
        weights("small", env=env(tmp_path))


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    folder = put(tmp_path / "mine", without=name)
    with pytest.raises(ProviderUnavailable, match=f"has no {name}"):
        weights(str(folder), env=env(tmp_path))
    assert f"has no {name}" in (missing({"model": str(folder)}) or "")


def test_nothing_is_missing_where_the_weights_are(tmp_path: Path) -> None:
    assert missing({"model": str(put(tmp_path / "mine"))}) is None


def test_by_default_the_small_model_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in env(tmp_path).items():
        monkeypatch.setenv(key, value)
    for key in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(key, raising=False)
    assert "faster-whisper-small" in (missing({}) or "")
    put(tmp_path / "models" / "faster-whisper" / "faster-whisper-small")
    assert missing({}) is None
