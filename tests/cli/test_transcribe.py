from __future__ import annotations

import json
import random
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from asr_hub.cli.main import app
from asr_hub.model import ProviderName
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.scripted import BLOCK_MS, Scripted

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test")

CONFIG = f"""
provider: commands
providers:
  commands:
    kind: pocketsphinx
    settings: {{phrases: ["{CLIP.text}", "stop the music"], max_streams: 2}}
  never:
    kind: pocketsphinx
    settings: {{acoustic_model: /nowhere}}
wake_word: {{provider: commands, phrases: [hello computer]}}
journal: {{path: never.journal}}
"""

runner = CliRunner()


def write_wav(path: Path, pcm: bytes, rate: int = CLIP.rate) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


def write_flac(path: Path, pcm: bytes) -> Path:
    with av.open(path, "w") as file:
        stream = file.add_stream("flac", rate=CLIP.rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = CLIP.rate
        file.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hub.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "clip.wav", CLIP.pcm)


def transcribe(*arguments: object) -> Result:
    return runner.invoke(app, ["transcribe", *map(str, arguments)])


def test_each_format_of_each_file_and_bad_files_do_not_stop_the_others(
    tmp_path: Path, config: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    cut = write_flac(tmp_path / "cut.flac", CLIP.pcm)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    same_stem = write_wav(tmp_path / "other" / "clip.wave", CLIP.pcm)
    no_audio = tmp_path / "text.wav"
    no_audio.write_text("hello")
    empty = tmp_path / "empty.wav"
    empty.touch()
    files = [no_audio, clip, tmp_path / "none.wav", cut, empty, same_stem]
    formats = [word for name in ("txt", "json", "srt", "vtt") for word in ("-f", name)]
    done = transcribe(*files, *formats, "-o", tmp_path / "out", "-c", config, "--language", "en-GB")
    assert done.exit_code == 1
    names = {
        f"{stem}.{format}" for stem in ("clip.wav", "clip.wave", "cut") for format in ("txt", "json", "srt", "vtt")
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == names

    assert (tmp_path / "out" / "clip.wav.txt").read_text() == f"{CLIP.text}\n"
    document = json.loads((tmp_path / "out" / "clip.wave.json").read_text())
    assert document["source"] == "clip.wave"
    assert document["provider"] == "commands"
    assert document["language"] == "en-GB"
    assert document["duration_ms"] == len(CLIP.pcm) // 2 * 1000 // CLIP.rate
    assert document["text"] == CLIP.text
    assert [word["text"] for word in document["utterances"][0]["words"]] == CLIP.text.split()
    assert CLIP.text in " ".join((tmp_path / "out" / "clip.wav.srt").read_text().split())
    assert (tmp_path / "out" / "clip.wav.vtt").read_text().startswith("WEBVTT\n\n00:00:0")

    told = done.stderr
    for path, code in [
        (no_audio, "malformed-audio"),
        (tmp_path / "none.wav", "not-found"),
        (cut, "truncated-audio"),
        (empty, "empty-file"),
    ]:
        assert f"{path}: {code}: " in told
    assert told.count(f"{same_stem}: ") == told.count(f"{clip}: ") == 0
    assert not (tmp_path / "never.journal").exists()


def test_telephone_audio_on_stdout_as_a_program(tmp_path: Path, config: Path) -> None:
    from asr_hub.audio.operators.resample import Resample
    from asr_hub.model import AudioFrame

    resample = Resample(CLIP.rate, 8000)
    frames = [*resample.process(AudioFrame(CLIP.pcm, 0, CLIP.rate)), *resample.flush()]
    path = write_wav(tmp_path / "[bold].wav", b"".join(frame.pcm for frame in frames), 8000)
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub", "transcribe", str(path), "-c", str(config), "-f", "json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "[bold].wav"
    assert set(json.loads(done.stdout)["text"].split()) & set(CLIP.text.split())


def test_an_engine_that_fails_on_the_way_leaves_a_transcript_and_is_told(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "scripted.yaml"
    path.write_text(
        "provider: a\nproviders: {a: {kind: scripted, settings: {faults: {fail_after_ms: 400}}}}\naudio: {vad: off}\n"
    )
    done = transcribe(clip, clip, "-c", path, "-f", "json")
    assert done.exit_code == 1
    assert f"{clip}: provider: " in done.stderr
    assert [json.loads(text)["provider"] for text in done.stdout.replace("}\n{", "}\0{").split("\0")] == ["a", "a"]


def test_a_folder_is_told(tmp_path: Path) -> None:
    done = transcribe(tmp_path, "--provider", "scripted")
    assert done.exit_code == 1
    assert f"{tmp_path}: not-found: " in done.stderr


def test_a_long_file_is_heard_whole_and_in_order_though_its_segments_are_heard_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "scripted.yaml"
    path.write_text(
        "provider: a\nproviders: {a: {kind: scripted}}\n"
        "audio: {vad: off, endpointing: {max_utterance_s: 7}}\nsessions: {audio_buffer_s: 0.2}\n"
    )
    noise = random.Random(1).randbytes(2 * 16_000 * 120)
    block = 2 * 16_000 * BLOCK_MS // 1000
    engine = Scripted(ProviderName("a"), {})
    words = [engine.word(noise[at : at + block], 0) for at in range(0, len(noise), block)]
    done = transcribe(write_wav(tmp_path / "long.wav", noise), "-c", path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == words


def test_an_engine_that_cannot_start_is_told_for_the_file(config: Path, clip: Path) -> None:
    done = transcribe(clip, "-c", config, "--provider", "never")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"{clip}: provider-unavailable: " in done.stderr


def test_an_engine_that_cannot_start_is_told_once(config: Path, clip: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub", "transcribe", str(clip), "-c", str(config), "--provider", "never"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{clip}: provider-unavailable: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--provider", "sfinx"],
            "error: --provider sfinx: there is no such provider; there are: commands, faster-whisper",
        ),
        (["--provider", "comands"], "there is no such provider; did you mean 'commands'?"),
        (["-f", "srt", "-f", "vtt"], "several formats need a folder"),
        (["-f", "doc"], "'doc' is not one of"),
        (["-o", "hub.yaml"], "error: --output hub.yaml: cannot be made"),
        (["-c", "none.yaml"], "error: none.yaml: there is no such file"),
    ],
)
def test_a_wrong_call_is_told_before_any_work(
    config: Path, clip: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    done = transcribe(clip, "-c", config, *arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
