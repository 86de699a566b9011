from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr_hub.cli import doctor
from asr_hub.cli.doctor import Verdict
from asr_hub.cli.main import app
from asr_hub.providers import registry

pytestmark = pytest.mark.unit

runner = CliRunner()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A configuration that can run on any machine where the hub is installed."""
    path = tmp_path / "hub.yaml"
    path.write_text("server: {port: 0}\n")
    return path


def test_a_machine_that_can_run_the_hub(here: Path) -> None:
    done = runner.invoke(app, ["doctor", "--config", str(here), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["ok"] is True
    findings = {finding["what"]: finding for finding in told["findings"]}
    assert {"Python", "configuration", "VAD", "audio files", "port 0", "event loop", "microphone", "machine"} <= set(
        findings
    )
    engines = ", ".join(what.removeprefix("engine ") for what in findings if what.startswith("engine ")).split(", ")
    assert sorted(engines) == sorted(registry.kinds().keys() - {"scripted"})
    assert findings["provider auto"]["verdict"] == "good"
    assert findings["VAD"]["detail"] == "silero is loaded"
    for finding in told["findings"]:
        assert finding["verdict"] == "good" or finding["remedy"]


def test_a_configuration_that_cannot_run_is_told_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("server: {prot: 0}\n")
    done = runner.invoke(app, ["doctor", "--config", str(path), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    (finding,) = [finding for finding in told["findings"] if finding["what"] == "configuration"]
    assert finding == {
        "what": "configuration",
        "verdict": "broken",
        "detail": f"{path}:1: server.prot: there is no such key",
        "remedy": "did you mean `port`?",
    }


def told_of(path: Path) -> list[tuple[str, str, str, str]]:
    done = runner.invoke(app, ["doctor", "--config", str(path), "--json"])
    return [(it["what"], it["verdict"], it["detail"], it["remedy"]) for it in json.loads(done.stdout)["findings"]]


def test_what_is_configured_comes_first_and_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = registry.Kind(target="no_such_module:X", sdk="no_such_module", install="pip install it")
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "absent": absent})
    monkeypatch.setenv("ASR_HUB_MODELS", str(tmp_path))
    path = tmp_path / "hub.yaml"
    path.write_text(
        "server: {port: 0}\nprovider: ours\nproviders:\n"
        "  ours: {kind: pocketsphinx}\n  big: {kind: vosk, settings: {model: none}}\n"
        "  gone: {kind: absent}\n  wrong: {kind: scripted, settings: {x: 1}}\n"
    )
    findings = told_of(path)
    rows = [row for row in findings if row[0].startswith("provider ")]
    assert [row[:2] for row in rows] == [
        ("provider ours", "good"),
        ("provider big", "missing"),
        ("provider gone", "broken"),
    ]
    assert rows[0][2] == "pocketsphinx is installed"
    assert rows[1][2] == "vosk is installed, its weights are not here"
    assert "put its files into" in rows[1][3]
    assert rows[2][2:] == ("the module 'no_such_module' is not installed", "pip install it")
    whats = [row[0] for row in findings]
    assert whats.index("provider gone") < min(whats.index(what) for what in whats if what.startswith("engine "))
    assert not {"engine pocketsphinx", "engine vosk", "engine absent", "engine scripted"} & set(whats)
    assert "engine openwakeword" in whats


def test_what_mends_two_findings_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("server: {port: 0}\nprovider: a\nproviders: {a: {kind: 'own_engine:Own'}}\n")
    done = runner.invoke(app, ["doctor", "-c", str(path)])
    assert done.exit_code == 1
    assert "\nbroken configuration, provider a:\n  put its folder on PYTHONPATH\n" in done.stdout
    assert done.stdout.count("PYTHONPATH") == 1


def test_weights_that_are_not_here_do_not_make_the_hub_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_HUB_MODELS", str(tmp_path))
    path = tmp_path / "hub.yaml"
    path.write_text("server: {port: 0}\nprovider: v\nproviders: {v: {kind: vosk, settings: {model: none}}}\n")
    assert runner.invoke(app, ["doctor", "-c", str(path)]).exit_code == 0


def test_engines_that_one_command_brings_are_one_row(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_is_installed", lambda module: module == "pocketsphinx")
    rows = {row[0]: row[1:] for row in told_of(here)}
    assert rows["engine openai, openai-realtime"] == ("optional", "not installed", "pip install 'asr-hub[openai]'")
    assert rows["engine openwakeword"] == ("optional", "not installed", "pip install onnxruntime")
    assert rows["engine pocketsphinx"] == ("good", "installed", "")


def test_an_engine_without_a_model_is_told_how_to_get_one(here: Path) -> None:
    rows = {row[0]: row[1:] for row in told_of(here)}
    assert rows["engine vosk"] == (
        "optional",
        "installed, without a model",
        "asr-hub models list --engine vosk shows its models; asr-hub use vosk --model NAME takes one",
    )


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(f"server: {{port: {port}}}\n")
        done = runner.invoke(app, ["doctor", "--config", str(path)])
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in " ".join(done.stdout.split())
    assert "  asr-hub serve --port 0" in done.stdout


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10), Verdict.BROKEN), ((3, 11), Verdict.GOOD), ((3, 13), Verdict.GOOD), ((3, 14), Verdict.BROKEN)],
)
def test_the_python_must_be_one_that_is_supported(version: tuple[int, int], verdict: Verdict) -> None:
    finding = doctor._python(version)
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is Verdict.BROKEN)


def test_memory_is_the_lesser_of_machine_and_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
    assert doctor._memory(tmp_path / "none", tmp_path) is None
    assert doctor._memory(meminfo, tmp_path) == 3000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("500000\n")
    assert doctor._memory(meminfo, tmp_path) == 3000 * 1024
    (tmp_path / "memory.max").write_text("2000000\n")
    assert doctor._memory(meminfo, tmp_path) == 1_500_000


def test_little_memory_points_to_the_tiny_shape() -> None:
    assert doctor._machine(1, 100 * 2**20).remedy.endswith("config/tiny.yaml")
    assert doctor._machine(2, 2**30).verdict is Verdict.GOOD
    assert doctor._machine(2, None).detail == "2 cores"


def test_as_a_program(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub", "doctor", "-c", str(here)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "silero is loaded" in done.stdout
