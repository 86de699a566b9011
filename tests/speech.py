"""The shared clips of real speech, where they are; and audio made on the spot."""

from __future__ import annotations

import json
import math
import os
import random
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from asr_hub.audio.files import decode
from asr_hub.model import HUB_RATE

ROOT = Path(os.environ.get("ASR_HUB_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Clip:
    """One entry of the catalogue."""

    file: str
    kind: str
    seconds: float
    language: str | None
    text: str | None
    """What a person heard, or None."""
    rate: int
    check: str | None

    @property
    def path(self) -> Path:
        return ROOT / self.file

    def pcm(self, rate: int = HUB_RATE) -> bytes:
        """Mono, signed 16 bit."""
        if self.path.suffix == ".raw":
            assert self.rate == rate
            return self.path.read_bytes()
        return b"".join(frame.pcm for frame in decode(self.path, rate))


@cache
def clips() -> tuple[Clip, ...]:
    """The whole catalogue; empty where the clips are not here."""
    catalogue = ROOT / "catalogue.json"
    if not catalogue.is_file():
        return ()
    return tuple(
        Clip(
            file=entry["file"],
            kind=entry["kind"],
            seconds=entry["seconds"] or 0.0,
            language=entry["language"],
            text=entry.get("reference_text"),
            rate=entry["rate"] or 0,
            check=entry.get("check_pocketsphinx"),
        )
        for entry in json.loads(catalogue.read_text())
    )


needs_clips = pytest.mark.skipif(
    not clips(), reason=f"the shared clips are not at {ROOT}; set ASR_HUB_DATA to where they are"
)


def clip(file: str) -> Clip:
    return next(c for c in clips() if c.file.endswith(file))


def tone(seconds: float, *, rate: int = HUB_RATE, hertz: float = 220.0, level: float = 0.3) -> bytes:
    """A sine."""
    step = 2 * math.pi * hertz / rate
    return struct.pack(
        f"<{int(seconds * rate)}h", *(int(32767 * level * math.sin(step * n)) for n in range(int(seconds * rate)))
    )


def silence(seconds: float, *, rate: int = HUB_RATE) -> bytes:
    return bytes(2 * int(seconds * rate))


def noise(seconds: float, *, rate: int = HUB_RATE, level: float = 0.1, seed: int = 1) -> bytes:
    """White noise."""
    chance = random.Random(seed)
    peak = int(32767 * level)
    return struct.pack(f"<{int(seconds * rate)}h", *(chance.randint(-peak, peak) for _ in range(int(seconds * rate))))
