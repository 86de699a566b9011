"""Audio as files."""

from __future__ import annotations

import io
import wave

from asr_hub.model import HUB_RATE


def wav(pcm: bytes, *, rate: int = HUB_RATE, channels: int = 1) -> bytes:
    """Signed 16 bit, interleaved where there are several channels."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()
