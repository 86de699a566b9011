"""Endpointing by command only: for audio whose silences mean nothing, or whose engine finds them itself."""

from __future__ import annotations

from typing import ClassVar

from asr_hub.audio.operators.base import Output, SpeechEnd, SpeechStart
from asr_hub.model import AudioFrame, EndpointReason


class Continuous:
    """Puts every sample into an utterance; one ends by `finalize` or at its greatest length, and the next follows."""

    name: ClassVar[str] = "continuous"

    def __init__(self, max_utterance: float, rate: int) -> None:
        self._max = max(1, round(max_utterance * rate))
        self._is_open = False
        self._given = 0
        self._end = 0

    @property
    def is_open(self) -> bool:
        """An utterance has begun and is not over."""
        return self._is_open

    def process(self, frame: AudioFrame) -> list[Output]:
        """Take one frame, in order. It is split where an utterance reaches its greatest length."""
        samples = frame.samples
        if self._is_open and self._given + samples <= self._max:
            self._given += samples
            self._end = frame.start + samples
            return [frame] if samples else []
        outputs: list[Output] = []
        while frame.samples:
            if self._is_open and self._given == self._max:
                outputs += self.finalize(EndpointReason.MAX_LENGTH)
            if not self._is_open:
                outputs.append(SpeechStart(frame.start))
                self._is_open, self._given = True, 0
            room = self._max - self._given
            part = frame if frame.samples <= room else AudioFrame(frame.pcm[: 2 * room], frame.start, frame.rate)
            outputs.append(part)
            self._given += part.samples
            self._end = part.end
            frame = AudioFrame(frame.pcm[2 * part.samples :], part.end, frame.rate)
        return outputs

    def finalize(self, reason: EndpointReason) -> list[Output]:
        """End the utterance now, if there is one."""
        if not self._is_open:
            return []
        self._is_open = False
        return [SpeechEnd(self._end, reason)]

    def clear(self) -> list[Output]:
        """End the utterance, if there is one, with reason `clear`."""
        return self.finalize(EndpointReason.CLEAR)
