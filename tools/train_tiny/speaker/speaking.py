"""Has espeak-ng speak the planned turns, and keeps them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import soxr
from tools.train_tiny.corpus import RATE, Samples
from tools.train_tiny.speak import VoicesMissing, command, trimmed
from tools.train_tiny.speaker.people import Split, Turn


class Talk(msgspec.Struct, frozen=True):
    """Turns and their samples, in the same order."""

    turns: tuple[Turn, ...]
    samples: tuple[Samples, ...]

    def of(self, split: Split) -> list[int]:
        """The places of the turns of a split."""
        return [at for at, turn in enumerate(self.turns) if turn.split == split]


def speak(turns: Sequence[Turn], *, threads: int = 2) -> Talk:
    """Raises VoicesMissing where espeak-ng is not installed, or lacks a voice."""
    if shutil.which("espeak-ng") is None:
        raise VoicesMissing("not installed: espeak-ng. On Debian: apt-get install espeak-ng")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(threads) as pool:
        jobs = [(turn, Path(folder) / f"{at}.wav") for at, turn in enumerate(turns)]
        return Talk(tuple(turns), tuple(pool.map(lambda job: _spoken(*job), jobs)))


def save(folder: Path, talk: Talk) -> None:
    """Writes talk.npz, then talk.json, whose presence says that both are whole."""
    lengths = np.array([len(samples) for samples in talk.samples])
    np.savez(folder / "talk.npz", samples=np.concatenate(talk.samples), lengths=lengths)
    (folder / "talk.json").write_bytes(msgspec.json.encode(talk.turns))


def load(folder: Path) -> Talk:
    """Reads what `save` wrote."""
    turns = msgspec.json.decode((folder / "talk.json").read_bytes(), type=tuple[Turn, ...])
    with np.load(folder / "talk.npz") as stored:
        samples = np.split(stored["samples"], np.cumsum(stored["lengths"])[:-1])
    return Talk(turns, tuple(samples))


def _spoken(turn: Turn, wav: Path) -> Samples:
    try:
        subprocess.run(command(turn.voice, turn.text, wav), check=True, capture_output=True)
    except subprocess.CalledProcessError as exc:
        raise VoicesMissing(f"espeak-ng does not speak as {turn.voice.name}: install its voices") from exc
    with wave.open(str(wav), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    stretched = soxr.resample(samples, rate, RATE * turn.size)
    speech = trimmed(np.clip(stretched, -32768, 32767).astype(np.int16))
    if not len(speech):
        raise VoicesMissing(f"espeak-ng gave silence for {turn.voice.name}: reinstall it")
    return speech
