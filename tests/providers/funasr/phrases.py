"""Phrases of the tiny models' vocabulary that no model was trained with, and what a batch of them is worth."""

from __future__ import annotations

import json
import wave
from functools import cache
from typing import NamedTuple

import jiwer
from tests.speech import ROOT

KNOWN = {
    "175.wav": "set a timer for six seconds",
    "000.wav": "two seven one ten ten",
    "007.wav": "five eight five",
}
"""Of these every tiny model of FunASR hears each word."""


class Phrase(NamedTuple):
    text: str
    pcm: bytes


@cache
def phrases(count: int) -> tuple[Phrase, ...]:
    """The first `count` phrases."""
    entries = json.loads((ROOT / "synthesised" / "catalogue.json").read_text())[:count]
    return tuple(Phrase(entry["text"], pcm(entry["file"])) for entry in entries)


@cache
def pcm(file: str) -> bytes:
    with wave.open(str(ROOT / "synthesised" / file)) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getsampwidth()) == (16_000, 1, 2)
        return clip.readframes(clip.getnframes())


def word_error_rate(said: list[str], heard: list[str]) -> float:
    return float(jiwer.wer(said, [text or "-" for text in heard]))
