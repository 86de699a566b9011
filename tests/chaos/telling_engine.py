"""An engine of a hub in another process, which tells on stderr what it begins to hear and what it has heard."""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from typing import Any

import msgspec

from asr_hub.model import AudioFrame
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted, ScriptedStream

MARK = 320
"""Bytes at the beginning of a segment by which it is told: 10 ms at 16 kHz."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A line of stderr, beside those of the log."""

    event: str
    """`engine.begun`, `engine.ended`"""
    mark: str
    """The beginning of the segment, in hexadecimal digits."""
    at: float
    """Seconds, by a clock that all processes of this machine share."""


class Telling(Scripted):
    """A Provider, as Scripted is."""

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> ScriptedStream:
        return _Stream(self, options, memory)


class _Stream(ScriptedStream):
    def __init__(self, provider: Telling, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> None:
        super().__init__(provider, options, memory)
        self._mark = ""

    async def push(self, frame: AudioFrame) -> None:
        if not self._mark:
            self._mark = frame.pcm[:MARK].hex()
            self._say("engine.begun")
        await super().push(frame)

    async def end_utterance(self) -> None:
        await super().end_utterance()
        self._say("engine.ended")

    def _say(self, event: str) -> None:
        line = msgspec.json.encode(Told(event=event, mark=self._mark, at=time.monotonic()))
        # Not through the log: what is written here is there however the process ends in the next moment.
        os.write(2, line + b"\n")
