"""A conversation of people whom the training does not know, for the tests: talk.flac, and who speaks when."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tools.train_tiny.corpus import RATE, Samples
from tools.train_tiny.speaker.people import Turn
from tools.train_tiny.speaker.speaking import speak
from tools.train_tiny.voices import Voice

_PAUSE_S = 1.2
_NOISE = 4.0
"""Standard deviation, of 32768: digital silence is nothing a microphone gives."""

_CAST = {
    "deep": (Voice("espeak-ng", "en-us+m7", 160, 32), 1.08),
    "high": (Voice("espeak-ng", "en-gb+f5", 160, 62), 0.92),
}
_LINES = (
    ("deep", "turn on the lights in the kitchen"),
    ("high", "what is the weather tomorrow"),
    ("deep", "call mother and father today"),
    ("high", "set a timer for twenty minutes"),
    ("high", "play some music on the radio"),
    ("deep", "close the window and open the door"),
)


def write_conversation(folder: Path, seed: int) -> None:
    """Raises VoicesMissing without espeak-ng."""
    turns = [Turn("people", 0, text, *_CAST[who]) for who, text in _LINES]
    pause = np.zeros(int(_PAUSE_S * RATE), np.int16)
    parts: list[Samples] = [pause]
    said = []
    for (who, text), samples in zip(_LINES, speak(turns).samples, strict=True):
        at = sum(map(len, parts))
        said.append({"speaker": who, "text": text, "start": at / RATE, "end": (at + len(samples)) / RATE})
        parts += [samples, pause]
    whole = np.concatenate(parts)
    noise = np.random.default_rng(seed).normal(0, _NOISE, len(whole))
    _write(folder / "talk.flac", np.clip(whole + noise, -32768, 32767).astype(np.int16))
    (folder / "talk.json").write_text(json.dumps(said, indent=2) + "\n")


def _write(path: Path, samples: Samples) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
