"""Made-up speech, and what the scripted engine hears in it."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

RATE = 16_000
FAST = 24_000
"""The rate of OpenAI's Realtime API: both frameworks dither what they resample, so that silence becomes words, too."""

WORDS = ("one", "two", "three", "four", "five")
"""A word for each 200 ms since the session began, over and over."""


def tone(seconds: float, rate: int = RATE) -> bytes:
    """A sine, which the light VAD takes for speech."""
    step = 2 * math.pi * 220 / rate
    count = round(seconds * rate)
    return struct.pack(f"<{count}h", *(round(9830 * math.sin(step * n)) for n in range(count)))


def silence(seconds: float, rate: int = RATE) -> bytes:
    return bytes(2 * round(seconds * rate))


def pieces(pcm: bytes, rate: int = RATE) -> Iterator[bytes]:
    """20 ms each, as a microphone brings it."""
    size = 2 * rate // 50
    return (pcm[at : at + size] for at in range(0, len(pcm), size))


SPEECH = silence(0.6) + tone(1.0)
PAUSE = silence(1.2)
"""Long enough for the hub to end the utterance."""

FAST_SPEECH = silence(0.6, FAST) + tone(1.0, FAST)
FAST_PAUSE = silence(1.2, FAST)
"""Both at 24 kHz."""


def words(start: float, end: float) -> str:
    """Those from one second of a session to another, both whole blocks."""
    return " ".join(WORDS[block % len(WORDS)] for block in range(round(start * 5), round(end * 5)))


def said(at: float = 0.0) -> str:
    """
    What is heard of SPEECH that begins at this second of a session.

    The utterance begins with half a second from before the tone. So its blocks lie across those of the session, and the
    tone is in six of them.
    """
    return words(at + 0.4, at + 1.6)
