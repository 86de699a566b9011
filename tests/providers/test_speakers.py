"""Engines that hear whose voice it is are found by a word, and none is imported before it is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers import speakers

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def test_an_engine_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sherpa-onnx'"):
        speakers.load("sherpa-onx", {"model": "x"})
    with pytest.raises(ConfigError, match=r"package\.module:Class"):
        speakers.load("a b:c", {})


def test_a_class_of_ones_own_is_built_by_its_path() -> None:
    class_path = "asr_hub.providers.sherpa.speakers:SherpaSpeakers"
    assert type(speakers.load(class_path, {"model": "x"})).__name__ == "SherpaSpeakers"
    with pytest.raises(ProviderUnavailable, match="pip install not_here"):
        speakers.load("not_here:Ears", {})
    with pytest.raises(ConfigError, match="has no 'Ears'"):
        speakers.load("asr_hub.providers.speakers:Ears", {})


def test_a_missing_sdk_is_told_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "find_spec", lambda module: None)
    with pytest.raises(ProviderUnavailable, match=r"do: pip install 'asr-hub\[sherpa-onnx\]'"):
        speakers.load("sherpa-onnx", {"model": "x"})


def test_missing_weights_are_told_with_where_they_are_to_be_had(tmp_path: Path) -> None:
    for model in (str(tmp_path), str(tmp_path / "voice.onnx"), "no-such-model"):
        lacks = speakers.missing_weights("sherpa-onnx", {"model": model})
        assert lacks is not None and "speaker-embedding-models" in lacks and "recognition.speakers.model" in lacks
    assert speakers.missing_weights("some.module:Class", {}) is None


def test_building_an_engine_imports_no_sdk() -> None:
    code = """
from asr_hub.providers import speakers
speakers.load("sherpa-onnx", {"model": "x"}), speakers.missing_weights("sherpa-onnx", {"model": "x"})
import sys; print("sherpa_onnx" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert run.stdout.strip() == "False"
