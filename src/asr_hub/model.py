"""The nouns of speech recognition. Imports nothing of the hub; everything may import it."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import msgspec

SessionId = NewType("SessionId", str)
ProviderName = NewType("ProviderName", str)

HUB_RATE = 16_000
"""Hertz. What operators and providers see unless an engine prefers the 8 kHz its audio came with."""


class Encoding(StrEnum):
    """How one sample of raw audio is written."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def width(self) -> int:
        """Bytes per sample."""
        return _WIDTHS[self]


_WIDTHS = {Encoding.PCM_S16LE: 2, Encoding.PCM_F32LE: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}


class AudioFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to read raw audio bytes."""

    sample_rate: int = HUB_RATE
    """Hertz"""

    channels: int = 1
    """Interleaved; they are mixed down to one."""

    encoding: Encoding = Encoding.PCM_S16LE

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample of every channel. Audio offsets count these."""
        return self.channels * self.encoding.width

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.bytes_per_frame


class AudioFrame(msgspec.Struct, frozen=True, gc=False):
    """A short piece of mono 16-bit audio at a known place in its session."""

    pcm: bytes
    """Signed 16 bit, little endian, one channel."""

    start: int
    """Samples, at `rate`, since the session began. Never wall-clock time."""

    rate: int = HUB_RATE
    """Hertz"""

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2

    @property
    def end(self) -> int:
        """Samples since the session began: where the next frame starts."""
        return self.start + len(self.pcm) // 2


class Role(StrEnum):
    """What a connection may do with the session it is attached to."""

    PUBLISHER = "publisher"
    """Sends audio and commands, and is told everything. One at a time."""

    VIEWER = "viewer"
    """Is told everything. Any number."""


class EndpointReason(StrEnum):
    """Why an utterance is over."""

    SILENCE = "silence"
    MAX_LENGTH = "max-length"
    FINALIZE = "finalize"
    CLEAR = "clear"
    CLOSE = "close"
    ENGINE = "engine"
    """The engine said so: the provider ends utterances by itself."""


class Pass(StrEnum):
    """Which look at the utterance a hypothesis comes from."""

    FAST = "fast"
    ACCURATE = "accurate"
    CORRECTED = "corrected"


class Word(msgspec.Struct, frozen=True):
    """One word of a hypothesis."""

    text: str
    start: int
    """Milliseconds of audio since the session began."""
    end: int
    confidence: float | None = None
    """0 to 1, or nothing where the engine has none."""


class Alternative(msgspec.Struct, frozen=True):
    """Another thing that may have been said."""

    text: str
    confidence: float | None = None


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"pass_": "pass"}):
    """What an engine thinks was said in one utterance, so far."""

    text: str
    start: int
    """Milliseconds of audio since the session began."""
    end: int
    is_final: bool = False
    """The words are frozen. A partial hypothesis is replaced whole."""
    stable: int = 0
    """Characters at the beginning of `text` that later partials of the same engine keep. A final may not."""
    revision: int = 0
    """Counts the hypotheses of one utterance, from 1."""
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None
    """BCP 47"""
    speaker: str | None = None
    tags: dict[str, str] = {}
    """What else the engine says of the utterance: `emotion`, `event` …"""
    alternatives: tuple[Alternative, ...] = ()
    """The best one first; `text` is not among them."""
    provider: ProviderName = ProviderName("")
    pass_: Pass = Pass.FAST
