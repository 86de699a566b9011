from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers import registry
from asr_hub.providers.registry import Kind, available, load, resolve_auto
from asr_hub.providers.scripted import Scripted

pytestmark = pytest.mark.unit

MISSING = Kind(
    target="asr_hub.providers.scripted:Scripted", sdk="no_such_engine", install="pip install no-such-engine", rank=99
)


def test_an_unknown_kind_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"'sphinx' is not known; there are: .*pocketsphinx.*scripted"):
        load("sphinx", "x", {})


@pytest.mark.parametrize("kind", ["scripted", "pocketsphinx"])
def test_an_unknown_setting_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"providers\.mine\.settings: 'max_stream' is not known.*max_streams"):
        load(kind, "mine", {"max_stream": 3})


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("scripted", {"max_streams": "many"}, "max_streams"),
        ("scripted", {"max_streams": 0}, "at least 1"),
        ("scripted", {"faults": {"explode": True}}, "explode"),
        ("pocketsphinx", {"final": "never"}, "final"),
        ("pocketsphinx", {"grammar": "x", "phrases": ["y"]}, "not both"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(kind: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(kind, "mine", settings)


def test_a_missing_engine_is_told_with_the_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "missing": MISSING})
    assert not available("missing").ok
    with pytest.raises(ProviderUnavailable, match="'no_such_engine' is not installed; do: pip install no-such-engine"):
        load("missing", "x", {})


def test_auto_takes_the_best_that_is_installed_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "missing": MISSING})
    kind, why = resolve_auto()
    assert kind == "pocketsphinx" and "installed" in why
    with pytest.raises(ProviderUnavailable, match="pip install no-such-engine"):
        resolve_auto(["missing", "scripted"])


def test_a_package_from_outside_adds_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("theirs", "asr_hub.providers.scripted:Scripted", registry.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: (point,) if group == registry.GROUP else ())
    assert isinstance(load("theirs", "x", {}), Scripted)


def test_looking_imports_no_engine() -> None:
    code = (
        "import sys; from asr_hub.providers.registry import available, load, resolve_auto;"
        "resolve_auto(); available('pocketsphinx'); load('pocketsphinx', 'x', {});"
        "sys.exit('pocketsphinx' in sys.modules or '_pocketsphinx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
