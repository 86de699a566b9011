from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from asr_hub.cli.use import use
from asr_hub.config.loader import load

pytestmark = pytest.mark.unit

app = typer.Typer()
app.command()(use)
runner = CliRunner()


def run(*arguments: object) -> Result:
    return runner.invoke(app, list(map(str, arguments)))


def said(result: Result) -> str:
    return " ".join(result.stderr.split())


def test_a_provider_is_added_and_chosen(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("# mine\nprovider: auto   # the best\nserver: {port: 0}\n")
    done = run("pocketsphinx", "-c", path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"OK {path}: provider pocketsphinx\nNext: asr-hub serve --config {path}\n"
    assert path.read_text() == (
        "# mine\nprovider: pocketsphinx   # the best\nserver: {port: 0}\n"
        "providers:\n  pocketsphinx:\n    kind: pocketsphinx\n"
    )
    assert run("auto", "-c", path).exit_code == 0
    assert load(path).provider == "auto"


def test_an_entry_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    text = "provider: a\nproviders:\n  a: {kind: scripted}\n  b:\n    kind: scripted\n"
    path.write_text(text)
    assert run("b", "-c", path).exit_code == 0
    assert path.read_text() == text.replace("provider: a", "provider: b")


@pytest.mark.parametrize("before", ["auto", "gone"])
def test_a_kind_means_its_only_entry(tmp_path: Path, before: str) -> None:
    path = tmp_path / "hub.yaml"
    text = f"provider: {before}\nproviders:\n  a: {{kind: scripted}}\n  b: {{kind: pocketsphinx}}\n"
    path.write_text(text)
    done = run("scripted", "-c", path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"OK {path}: provider a, the one of kind scripted"
    assert path.read_text() == text.replace(f"provider: {before}", "provider: a")


def test_the_model_goes_to_the_only_entry_of_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("providers: {small: {kind: vosk, settings: {model: one}}}\n")
    done = run("vosk", "-c", path, "-m", "two")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("missing ")
    assert done.stdout.splitlines()[2] == f"Next: asr-hub serve --config {path}"
    providers = load(path).providers
    assert list(providers) == ["small"]
    assert providers["small"].settings == {"model": "two"}


def test_a_kind_with_several_entries_gets_one_of_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("providers:\n  a: {kind: scripted}\n  b: {kind: scripted}\n")
    assert run("scripted", "-c", path).exit_code == 0
    assert list(load(path).providers) == ["a", "b", "scripted"]


def test_a_file_is_made_with_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("scripted").exit_code == 0
    text = (tmp_path / "hub.yaml").read_text()
    assert text.startswith("# A hub.")
    assert "asr-hub check hub.yaml" in text
    assert load(tmp_path / "hub.yaml").providers["scripted"].kind == "scripted"


def test_what_cannot_be_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    for text, arguments, problem in [
        ("provider: auto\n", ["sfinx"], "no kind of engine is called so; there are: auto, "),
        ("provider: auto\n", ["pocketsfinx"], "is called so; did you mean 'pocketsphinx'?"),
        ("providers: {mine: {kind: scripted}}\n", ["mein"], "is called so; did you mean 'mine'?"),
        (
            "provider: auto\n",
            ["vosk"],
            "error: vosk needs a model: asr-hub use vosk --model NAME; asr-hub models list shows them",
        ),
        ("provider: auto\n", ["auto", "-m", "x"], "--model needs a provider"),
        ("server: {prot: 1}\n", ["scripted"], "did you mean `port`?"),
        ("a: [\n", ["scripted"], "is not YAML"),
        ("providers: {scripted: {kind: scripted}}\n", ["scripted", "-m", "x"], "'model' is not known"),
        ("provider: *x\n", ["scripted"], "is not YAML"),
    ]:
        path.write_text(text)
        done = run(*arguments, "-c", path)
        assert done.exit_code == 2, text
        assert problem in said(done)
        assert path.read_text() == text
    done = run("sfinx", "-c", tmp_path / "none.yaml")
    assert done.exit_code == 2
    assert "there is no such file yet, and a new one would say nothing of 'sfinx'" in said(done)
    assert not (tmp_path / "none.yaml").exists()


def lacks(settings: Mapping[str, Any]) -> str:
    return f"no weights for {settings['max_streams']}"


def test_weights_that_are_not_here_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asr_hub.providers import registry

    scripted = msgspec.structs.replace(registry.BUILTIN["scripted"], weights=f"{__name__}:lacks")
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "scripted": scripted})
    path = tmp_path / "hub.yaml"
    path.write_text("providers: {scripted: {kind: scripted, settings: {max_streams: 7}}}\n")
    done = run("scripted", "-c", path)
    assert done.exit_code == 0
    assert "missing no weights for 7" in done.stdout
    assert load(path).provider == "scripted"


def test_an_engine_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asr_hub.providers import registry

    nobody = registry.Kind(target="nobody.here:At", sdk="nobody", install="pip install nobody")
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "nobody": nobody})
    path = tmp_path / "hub.yaml"
    done = run("nobody", "-c", path, "--model", "large one")
    assert done.exit_code == 0
    assert "missing nobody: the module 'nobody' is not installed; do: pip install nobody" in done.stdout
    assert load(path).providers["nobody"].settings == {"model": "large one"}
