"""The conversation beside the tiny model of voices, cut into its utterances."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asr_hub.audio.files import decode
from asr_hub.model import HUB_RATE

FOLDER = Path(__file__).parents[2] / "models" / "tiny-speaker"
MODEL = FOLDER / "model.onnx"
THRESHOLD = 0.4
"""Of the tiny model, between one voice and two."""
AROUND_S = 0.3
"""Seconds of the pauses that a VAD leaves at both ends."""


@dataclass(frozen=True)
class Said:
    speaker: str
    """`deep` or `high`."""
    text: str
    seconds: float
    pcm: bytes
    """Mono, signed 16 bit, 16 kHz."""


@cache
def talk() -> tuple[Said, ...]:
    whole = b"".join(frame.pcm for frame in decode(FOLDER / "talk.flac", HUB_RATE))
    return tuple(
        Said(
            each["speaker"],
            each["text"],
            each["end"] - each["start"],
            whole[2 * int((each["start"] - AROUND_S) * HUB_RATE) : 2 * int((each["end"] + AROUND_S) * HUB_RATE)],
        )
        for each in json.loads((FOLDER / "talk.json").read_text())
    )
