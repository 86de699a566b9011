"""Short recordings of which it is known what is said: for self-tests and the demo."""

from __future__ import annotations

import wave
from difflib import SequenceMatcher
from importlib import resources
from pathlib import Path

import msgspec

from asr_hub.errors import ConfigError

_ENOUGH = 0.5
"""Of the words. Other processors round differently; weights that do not hear get nothing right."""


class KnownClip(msgspec.Struct, frozen=True):
    """Mono 16-bit audio and what is said in it."""

    pcm: bytes
    rate: int
    """Hertz"""
    text: str
    sentences: tuple[str, ...] = ()
    """The same, cut where the speaker pauses."""
    is_packaged: bool = False
    """Ours: English."""

    def is_heard_in(self, text: str) -> bool:
        """Whether `text` has at least half of the words, in order."""
        return SequenceMatcher(None, self.text.lower().split(), text.lower().split()).ratio() >= _ENOUGH


def packaged_clip(name: str) -> KnownClip:
    """`self_test` (one short command) or `demo` (several sentences with pauses). Both are synthetic speech."""
    folder = resources.files("asr_hub.providers") / "clips"
    sentences = msgspec.json.decode((folder / "clips.json").read_bytes(), type=dict[str, tuple[str, ...]])[name]
    with resources.as_file(folder / f"{name}.wav") as path:
        pcm, rate = _read(path)
    return KnownClip(pcm=pcm, rate=rate, text=" ".join(sentences), sentences=sentences, is_packaged=True)


def own_clip(path: str, text: str | None) -> KnownClip:
    """A clip of the user's. Raises ConfigError where it cannot be read."""
    try:
        pcm, rate = _read(Path(path))
    except (OSError, EOFError, wave.Error) as exc:
        raise ConfigError(f"self_test_clip: {path} is not a WAV file: {exc}") from exc
    return KnownClip(pcm=pcm, rate=rate, text=text or "")


def _read(path: Path) -> tuple[bytes, int]:
    with wave.open(str(path), "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise ConfigError(f"{path.name} must be mono, 16 bit")
        return file.readframes(file.getnframes()), file.getframerate()
