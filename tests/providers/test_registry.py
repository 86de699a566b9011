from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers import registry
from asr_hub.providers.registry import Entry, Kind, available, load, resolve_auto
from asr_hub.providers.scripted import Scripted

pytestmark = pytest.mark.unit

MISSING = Kind(
    target="asr_hub.providers.scripted:Scripted", sdk="no_such_engine", install="pip install no-such-engine", rank=99
)


def test_an_unknown_kind_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"'kaldi' is not known; there are: .*pocketsphinx.*scripted"):
        load("kaldi", "x", {})
    with pytest.raises(ConfigError, match=r"'sphinx' is not known; did you mean 'pocketsphinx'\?$"):
        load("sphinx", "x", {})


@pytest.mark.parametrize("kind", ["scripted", "pocketsphinx"])
def test_an_unknown_setting_is_refused_by_name(kind: str) -> None:
    with pytest.raises(
        ConfigError, match=r"providers\.mine\.settings: 'max_stream' is not known; did you mean 'max_streams'\?$"
    ):
        load(kind, "mine", {"max_stream": 3})


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("scripted", {"max_streams": "many"}, r"providers\.mine\.settings\.max_streams: expected int, got str$"),
        (
            "scripted",
            {"faults": {"cost": "much"}},
            r"providers\.mine\.settings\.faults\.cost: expected float, got str$",
        ),
        ("scripted", {"transcript": ["a", 1]}, r"providers\.mine\.settings\.transcript\[1\]: expected str, got int$"),
        ("vosk", {}, r"providers\.mine\.settings\.model: is missing; it has no default$"),
        ("scripted", {"colour": 1}, r"'colour' is not known; there are: block_ms, faults, "),
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
    kind, why = resolve_auto({name: Entry(name, {}) for name in ("missing", "pocketsphinx", "scripted")})
    assert kind == "pocketsphinx" and "installed" in why
    with pytest.raises(ProviderUnavailable, match="pip install no-such-engine"):
        resolve_auto({name: Entry(name, {}) for name in ("missing", "scripted")})
    with pytest.raises(ProviderUnavailable, match="do: vosk needs a model: asr-hub use vosk --model NAME"):
        resolve_auto({"vosk": Entry("vosk", {})})


def test_a_class_of_ones_own_that_is_not_found_is_told_where_to_put_it() -> None:
    said = "x: the module 'no_engine_of_that_name' cannot be found; put its folder on PYTHONPATH"
    with pytest.raises(ProviderUnavailable, match=f"^{said}$"):
        load("no_engine_of_that_name:Own", "x", {})
    with pytest.raises(ConfigError, match=r"'asr_hub\.providers\.scripted' has no 'Own'"):
        load("asr_hub.providers.scripted:Own", "x", {})


@pytest.mark.parametrize("kind", [":", ":X", "x:", "a..b:X", ".a:X", "a:b:c", "a/b:X", "a b:X"])
def test_what_can_be_no_class_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"write it as package\.module:Class"):
        load(kind, "x", {})


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
