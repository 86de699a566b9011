"""faster-whisper driven directly, without the hub's code: what the provider's finals must equal, word for word."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment

TINY = Path(__file__).parents[2] / "models" / "tiny-whisper"

DEFAULTS: dict[str, Any] = {
    "language": "en",
    "beam_size": 5,
    # The first of the provider's temperatures: at others the engine draws by chance.
    "temperature": 0.0,
    "condition_on_previous_text": False,
}
"""What the provider's default settings mean in faster-whisper's own words."""


def decode(pcm: bytes, *, model: Path = TINY, hotwords: Sequence[str] = (), **options: Any) -> str:
    """
    The text of one utterance: signed 16 bit, mono, 16 kHz. `options` are those of `WhisperModel.transcribe`.

    As the provider by its defaults, timestamps are on for more than ten seconds.
    """
    chosen = {"hotwords": ", ".join(hotwords) or None, **options}
    return " ".join(" ".join(segment.text for segment in segments(pcm, model=model, **chosen)).split())


def segments(pcm: bytes, *, model: Path = TINY, **options: Any) -> list[Segment]:
    """The same as faster-whisper gives it, with its figures."""
    audio = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
    chosen = {"without_timestamps": len(audio) <= 10 * 16_000, **options}
    found, _ = _model(str(model)).transcribe(audio, **{**DEFAULTS, **chosen})
    return list(found)


@cache
def _model(path: str) -> WhisperModel:
    return WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
