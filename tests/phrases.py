"""Phrases in the tiny models' vocabulary that they were not trained on: synthesised ones, and the real clips."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.speech import ROOT, clips

from asr_hub.audio.files import decode
from asr_hub.model import HUB_RATE

FOLDER = ROOT / "synthesised"


@dataclass(frozen=True)
class Phrase:
    path: Path
    text: str
    split: str
    """`test_phrase`: a new phrase by a known voice; `test_variant`: by another variant of it; `real`: a person."""

    def pcm(self) -> bytes:
        """Mono, signed 16 bit, 16 kHz."""
        if self.path.suffix == ".raw":
            return self.path.read_bytes()
        return b"".join(frame.pcm for frame in decode(self.path, HUB_RATE))


@cache
def phrases() -> tuple[Phrase, ...]:
    """All synthesised ones; empty where the shared clips are not here."""
    catalogue = FOLDER / "catalogue.json"
    if not catalogue.is_file():
        return ()
    return tuple(
        Phrase(FOLDER / entry["file"], entry["text"], entry["split"]) for entry in json.loads(catalogue.read_text())
    )


@cache
def real_phrases() -> tuple[Phrase, ...]:
    """The real clips all of whose words the tiny models know, each recording once."""
    words = {word for phrase in phrases() for word in phrase.text.split()}
    return tuple(
        Phrase(clip.path, clip.text, "real")
        for clip in clips()
        if clip.text and "sr_formats" not in clip.file and words.issuperset(clip.text.lower().split())
    )
