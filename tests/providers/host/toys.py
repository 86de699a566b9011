"""
Engines for the host's tests: what they say can be worked out from the audio, so a lost byte is seen.

The text of audio is one word for each `WORD` bytes: the number at its beginning.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable, Sequence
from typing import Any

import msgspec

from asr_hub.errors import ConfigError, OutOfMemory
from asr_hub.providers.host.engine import Broken, Clip
from asr_hub.providers.hosted import HostSettings
from asr_hub.providers.worker_messages import Begin, Heard, HeardWord

WORD = 3200
"""Bytes: 0.1 s at 16 kHz."""


def speech(*numbers: int) -> bytes:
    """Audio that says these numbers, 1 to 255; a zero is silence."""
    return b"".join(bytes([number, number]) * (WORD // 2) for number in numbers)


def words(pcm: bytes) -> str:
    return " ".join(str(pcm[at]) for at in range(0, len(pcm), WORD) if pcm[at])


class ToySettings(HostSettings, frozen=True, kw_only=True):
    fault: str = ""
    longest_s: float | None = None
    step_s: float = 0.2
    room: int | None = None
    """Utterances for which there is memory."""
    deadly: int | None = None
    """Utterances in one batch of which the process dies."""


class ToyWhole:
    version = "toy 1"
    device = "cpu"
    languages = ("en",)

    def __init__(self, settings: ToySettings) -> None:
        self.max_clip_s = settings.longest_s
        self.room = settings.room
        self.deadly = settings.deadly
        self.batches: list[list[Clip]] = []

    def bucket(self, clip: Clip) -> Hashable:
        return (clip.is_final, clip.begin.language)

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        self.batches.append(list(clips))
        if self.room is not None and len(clips) > self.room:
            raise OutOfMemory("the toy device is full")
        if self.deadly is not None and len(clips) >= self.deadly:
            os._exit(9)
        for clip in clips:
            misbehave(clip.pcm)
        return [self._heard(clip) for clip in clips]

    def _heard(self, clip: Clip) -> Heard:
        text = words(clip.pcm)
        said = [HeardWord(word, 100 * i, 100 * i + 100) for i, word in enumerate(text.split())]
        return Heard(text=text, words=tuple(said), confidence=0.5)


class ToyStreaming:
    version = "toy 2"
    device = "cpu"
    languages = ("en", "de")

    def __init__(self, settings: ToySettings) -> None:
        self.step_s = settings.step_s
        self.room = settings.room
        self.calls: list[tuple[str, int]] = []
        self.open: set[int] = set()
        self._next = 0
        self._said: dict[int, bytes] = {}

    def begin(self, begin: Begin) -> int:
        self._next += 1
        self.open.add(self._next)
        self._said[self._next] = b""
        return self._next

    def step(self, streams: Sequence[int], pcm: Sequence[bytes]) -> Sequence[Heard | None]:
        self._check("step", streams)
        return [self._hear(stream, piece) for stream, piece in zip(streams, pcm, strict=True)]

    def end(self, streams: Sequence[int], pcm: Sequence[bytes]) -> Sequence[Heard]:
        self._check("end", streams)
        return [self._hear(stream, piece) for stream, piece in zip(streams, pcm, strict=True)]

    def drop(self, stream: int) -> None:
        self.open.remove(stream)
        del self._said[stream]

    def _check(self, call: str, streams: Sequence[int]) -> None:
        assert len(set(streams)) == len(streams)
        self.calls.append((call, len(streams)))
        if self.room is not None and len(streams) > self.room:
            raise OutOfMemory("the toy device is full")

    def _hear(self, stream: int, piece: bytes) -> Heard:
        misbehave(piece)
        self._said[stream] += piece
        text = words(self._said[stream])
        return Heard(text=text, stable=len(text))


def misbehave(pcm: bytes) -> None:
    """255 raises, 254 breaks the engine, 253 ends its process, 252 needs more memory than there is."""
    if pcm[:1] == b"\xff":
        raise ValueError("told to raise")
    if pcm[:1] == b"\xfe":
        raise Broken("told to break")
    if pcm[:1] == b"\xfd":
        os._exit(7)
    if pcm[:1] == b"\xfc":
        _ = bytearray(2**40)


def load(settings: dict[str, Any]) -> ToyWhole | ToyStreaming:
    chosen = msgspec.convert(settings, ToySettings)
    if chosen.fault == "config":
        raise ConfigError("a setting is wrong")
    if chosen.fault == "raise":
        raise OSError("no weights")
    if chosen.fault == "exit":
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(3)
    return ToyStreaming(chosen) if chosen.self_test_text == "streaming" else ToyWhole(chosen)
