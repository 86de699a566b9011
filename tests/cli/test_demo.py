from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x00\x10" * 8_000)
    return path


def demo(folder: Path, clip: Path, config: str) -> subprocess.CompletedProcess[str]:
    path = folder / "hub.yaml"
    path.write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "asr_hub", "demo", str(clip), "-c", str(path), "--once"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_closing_words_are_about_the_provider_that_listened(tmp_path: Path, clip: Path) -> None:
    done = demo(tmp_path, clip, "provider: mine\nproviders: {mine: {kind: scripted}}\naudio: {vad: off}\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine (scripted) listened. asr-hub doctor lists" in done.stdout
    assert "embedded" not in done.stdout
    assert "\n1 utterance, " in done.stdout
    assert done.stderr == ""


@pytest.mark.engine
@pytest.mark.parametrize(
    "config",
    [
        "provider: auto\nproviders: {sphinx: {kind: pocketsphinx}}",
        "{provider: s, providers: {s: {kind: pocketsphinx}}}",
    ],
)
def test_the_embedded_engine_is_called_modest(tmp_path: Path, clip: Path, config: str) -> None:
    done = demo(tmp_path, clip, config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "modest: good at commands, poor at dictation" in done.stdout
    assert 'see "Any engine" in README.md' in done.stdout
    assert "\n0 utterances, 0 partials." in done.stdout


def test_a_provider_that_fails_is_told_once(tmp_path: Path, clip: Path) -> None:
    config = "provider: a\nproviders: {a: {kind: scripted, settings: {faults: {start: no power}}}}\n"
    done = demo(tmp_path, clip, config)
    assert done.returncode == 2
    assert done.stderr == "error: provider 'a' is not ready: a: no power\n"
    assert "no power" not in done.stdout
