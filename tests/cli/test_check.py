from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from typer.testing import CliRunner

from asr_hub.cli.main import app
from asr_hub.model import ProviderName
from asr_hub.providers.registry import BUILTIN, Kind
from asr_hub.providers.scripted import Scripted

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "config"
SHAPES = sorted(FOLDER.glob("*.yaml"))

runner = CliRunner()


def test_every_shape_that_comes_with_the_hub_would_start(tmp_path: Path) -> None:
    (tmp_path / "mdef").touch()
    env = {"ASR_HUB_SPHINX_8K": str(tmp_path), "GOOGLE_CLOUD_PROJECT": "x", "ASR_HUB_MODELS": str(tmp_path)}
    done = runner.invoke(app, ["check", *map(str, SHAPES)], env=env)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("missing ")] == [f"OK {path}" for path in SHAPES]
    assert f"missing {FOLDER / 'vosk.yaml'}: providers.vosk: " in done.stdout


def test_weights_that_are_not_here_are_told_and_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("providers: {a: {kind: scripted}, w: {kind: faster-whisper}}\nprovider: a\n")
    models = tmp_path / "models"
    env = {"ASR_HUB_MODELS": str(models), "HF_HUB_CACHE": str(tmp_path), "HF_HOME": str(tmp_path)}
    done = runner.invoke(app, ["check", str(path)], env=env)
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first == f"OK {path}"
    assert second.startswith(f"missing {path}: providers.w: faster-whisper: the model 'small' is not here; ")
    assert "asr-hub models pull faster-whisper-small" in second
    (models / "faster-whisper" / "faster-whisper-small").mkdir(parents=True)
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (models / "faster-whisper" / "faster-whisper-small" / name).write_text("{}")
    assert runner.invoke(app, ["check", str(path)], env=env).stdout == f"OK {path}\n"


def test_a_model_of_voices_that_is_not_here_is_an_error_because_the_hub_would_not_start(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("providers: {a: {kind: scripted}}\nprovider: a\nrecognition: {speakers: {model: nowhere}}\n")
    done = runner.invoke(app, ["check", str(path)], env={"ASR_HUB_MODELS": str(tmp_path)})
    assert done.exit_code == 1
    assert done.stdout.startswith(f"error {path}: recognition.speakers") and "nowhere" in done.stdout
    here = Path(__file__).parents[1] / "models" / "tiny-speaker"
    path.write_text(
        f"providers: {{a: {{kind: scripted}}}}\nprovider: a\nrecognition: {{speakers: {{model: {here}}}}}\n"
    )
    assert runner.invoke(app, ["check", str(path)]).stdout == f"OK {path}\n"


def test_settings_that_are_wrong_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("providers:\n  v: {kind: vosk}\n  w: {kind: faster-whisper, settings: {beam_size: much}}\n")
    done = runner.invoke(app, ["check", str(path)])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[:2] == [
        f"error {path}: providers.v.settings.model: is missing; it has no default",
        f"error {path}: providers.w.settings.beam_size: expected int, got str",
    ]
    assert "missing " not in done.stdout.replace("is missing", "")


@pytest.mark.parametrize(
    ("corrected", "said"),
    [
        ("base_url: nonsense", "`base_url` must be an http or https address"),
        ("base_url: 'https://example.org/v1'", "https://example.org/v1 is outside this machine"),
        (
            "base_url: 'http://127.0.0.1:1/v1', api_key_env: ASR_HUB_NO_KEY",
            "set the environment variable ASR_HUB_NO_KEY",
        ),
    ],
)
def test_a_language_model_that_the_hub_would_refuse_is_told(corrected: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text(
        "provider: a\npolicy: local\nproviders: {a: {kind: scripted}}\n"
        f"recognition: {{passes: {{corrected: {{model: m, {corrected}}}}}}}\n"
    )
    done = runner.invoke(app, ["check", str(path)])
    assert done.exit_code == 1
    assert done.stdout.startswith(f"error {path}: recognition.passes.corrected: ")
    assert said in done.stdout


def test_a_redaction_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("recorder: {mode: ask, redact: 'nowhere:hide'}\n")
    done = runner.invoke(app, ["check", str(path)])
    assert done.exit_code == 1
    assert done.stdout.startswith(f"error {path}: recorder.redact: 'nowhere:hide' cannot be had")


def test_help_says_what_gives_which_status() -> None:
    told = " ".join(runner.invoke(app, ["check", "--help"]).stdout.split())
    assert "missing: weights that are not here" in told and "the status stays 0" in told


def test_each_bad_file_is_told_of_and_the_good_ones_too(tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("providers: {a: {kind: scripted}}\nprovider: a\n")
    kind = tmp_path / "kind.yaml"
    kind.write_text("providers: {a: {kind: sfinx}}\n")
    setting = tmp_path / "setting.yaml"
    setting.write_text("providers: {a: {kind: scripted, settings: {speeed: 1}}}\n")
    typo = tmp_path / "typo.yaml"
    typo.write_text("server:\n  prot: 1\n  pport: 2\n")
    done = runner.invoke(app, ["check", *map(str, [kind, setting, typo, good, tmp_path / "none.yaml"])])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"error {kind}: providers.a: provider kind 'sfinx' is not known; there are: ")
    assert any(line.startswith(f"error {setting}: providers.a.settings: 'speeed' is not known") for line in lines)
    assert f"error {typo}:2: server.prot: there is no such key; did you mean `port`?" in lines
    assert f"error {typo}:3: server.pport: there is no such key; did you mean `port`?" in lines
    assert f"OK {good}" in lines
    assert lines[-1].startswith(f"error {tmp_path / 'none.yaml'}: there is no such file")


class NoSpotter(Scripted):
    """A provider as a package could bring it."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        super().__init__(name, settings)
        self.capabilities = msgspec.structs.replace(self.capabilities, wake_words=False)


def test_a_wake_word_needs_a_provider_that_spots_phrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast(dict[str, Kind], BUILTIN), "no-spotter", Kind(target=f"{__name__}:NoSpotter"))
    path = tmp_path / "wake.yaml"
    path.write_text("providers: {a: {kind: no-spotter}}\nwake_word: {provider: a, phrases: [hello]}\nprovider: a\n")
    done = runner.invoke(app, ["check", str(path)])
    assert done.exit_code == 1
    assert done.stdout == f"error {path}: wake_word.provider: 'a' cannot spot phrases; name one that can\n"


def test_nothing_to_check_is_a_wrong_call() -> None:
    assert runner.invoke(app, ["check"]).exit_code == 2


def test_as_a_program(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text("proviider: x\n")
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub", "check", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == f"error {path}:1: proviider: there is no such key; did you mean `provider`?\n"
    assert done.stderr == ""
