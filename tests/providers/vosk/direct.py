"""Vosk driven directly, without the hub's code: what the provider's finals must equal, word for word."""

from __future__ import annotations

import json
from pathlib import Path

import vosk

MODEL = Path(__file__).parents[2] / "models" / "tiny-vosk"


def decode(pcm: bytes, *, model: Path = MODEL, rate: int = 16_000, grammar: list[str] | None = None) -> str:
    """
    The text of one utterance.

    The engine looks for pauses, at which it ends a part, after each piece it is given: so in pieces of 0.2 s, as the
    provider's steps are.
    """
    vosk.SetLogLevel(-1)
    loaded = vosk.Model(str(model))
    recognizer = vosk.KaldiRecognizer(loaded, rate, *([json.dumps(grammar)] if grammar else []))
    recognizer.SetWords(True)
    parts = []
    piece = int(0.2 * rate) * 2
    for at in range(0, len(pcm), piece):
        if recognizer.AcceptWaveform(pcm[at : at + piece]):
            parts.append(json.loads(recognizer.Result())["text"])
    parts.append(json.loads(recognizer.FinalResult())["text"])
    return " ".join(word for part in parts for word in part.split() if word != "[unk]")
