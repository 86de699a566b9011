"""The audio of one utterance, between the pipeline that cuts it and the engine that hears it."""

from __future__ import annotations

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.bell import Bell
from asr_hub.model import AudioFrame

BLOCK_S = 0.1
"""Seconds of audio that are gathered before an engine is woken for them."""


class Utterance:
    """
    Filled by the pipeline, read by one engine at a time, and kept whole until its final is known: so it can be heard
    again from its first sample if the engine fails. Bounded by the endpointer, which cuts at `max_utterance_s`.
    """

    def __init__(self, start: int, rate: int) -> None:
        self.start = start
        """Samples since the session began."""
        self.rate = rate
        self.number: int | None = None
        """Counts the utterances that clients are told of, from 1; none while a wake word is awaited."""
        self.ended: SpeechEnd | None = None
        self.ended_at = 0.0
        """Monotonic seconds"""
        self.unread = 0
        """Samples that no engine has been given."""
        self._frames: list[AudioFrame] = []
        self._read = 0
        self._enough = round(BLOCK_S * rate)
        self._held = 0
        self._bell = Bell()

    def add(self, frame: AudioFrame) -> None:
        self._frames.append(frame)
        samples = frame.samples
        self.unread += samples
        self._held += samples
        if self._held >= self._enough:
            self._bell.ring()

    def end(self, mark: SpeechEnd, *, now: float) -> None:
        self.ended = mark
        self.ended_at = now
        self._bell.ring()

    def rewind(self) -> None:
        """Read from the first sample again."""
        self._read = 0
        self._held = self.unread = sum(frame.samples for frame in self._frames)

    def skip_to(self, sample: int) -> None:
        """Forget what lies before `sample`, and read from there."""
        kept: list[AudioFrame] = []
        for frame in self._frames:
            if frame.end <= sample:
                continue
            cut = max(0, sample - frame.start)
            kept.append(AudioFrame(frame.pcm[2 * cut :], frame.start + cut, frame.rate))
        self._frames = kept
        self.rewind()
        self.start = max(self.start, sample)

    @property
    def end_sample(self) -> int:
        """Samples since the session began: the end of what has been added."""
        return self._frames[-1].end if self._frames else self.start

    async def read(self) -> AudioFrame | None:
        """
        All audio not read yet, as one frame, or `None` after the end.

        Waits for `BLOCK_S` of audio, or the end. One reader at a time.
        """
        while self._held < self._enough and self.ended is None:
            await self._bell.wait()
        frames = self._frames[self._read :]
        if not frames:
            return None
        self._read = len(self._frames)
        self._held = 0
        self.unread = 0
        if len(frames) == 1:
            return frames[0]
        return AudioFrame(b"".join(f.pcm for f in frames), frames[0].start, self.rate)
