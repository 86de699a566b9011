"""Phrases in the tiny models' vocabulary, spoken by free voices and kept out of the models' training."""

from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from functools import cache

from tests.speech import ROOT


@dataclass(frozen=True)
class Phrase:
    file: str
    text: str

    def pcm(self) -> bytes:
        """Mono, signed 16 bit, 16 kHz."""
        with wave.open(str(ROOT / "synthesised" / self.file), "rb") as file:
            return file.readframes(file.getnframes())


@cache
def phrases() -> tuple[Phrase, ...]:
    """All of them, in the catalogue's order; empty where the shared clips are not here."""
    catalogue = ROOT / "synthesised" / "catalogue.json"
    if not catalogue.is_file():
        return ()
    return tuple(Phrase(entry["file"], entry["text"]) for entry in json.loads(catalogue.read_text()))
