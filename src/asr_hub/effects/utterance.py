"""The audio of one utterance, between the pipeline that cuts it and the engines that hear it."""

from __future__ import annotations

import asyncio
import weakref

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.bell import Bell
from asr_hub.model import AudioFrame

BLOCK_S = 0.1
"""Seconds of audio that are gathered before an engine is woken for them."""


class Utterance:
    """
    Filled by the pipeline, and kept whole until nobody needs it: so it can be heard again from its first sample if an
    engine fails, and by several engines at once, each with a reader of its own. Bounded by the endpointer, which cuts
    at `max_utterance_s`.
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
        self.over = asyncio.Event()
        """Set when it has ended."""
        self.frames: list[AudioFrame] = []
        self._readers: list[Reader] = []
        self._main = self.reader()

    def add(self, frame: AudioFrame) -> None:
        self.frames.append(frame)
        samples = frame.samples
        for reader in self._readers:
            reader.added(samples)

    def end(self, mark: SpeechEnd, *, now: float) -> None:
        self.ended = mark
        self.ended_at = now
        self.over.set()
        for reader in self._readers:
            reader.ring()

    @property
    def end_sample(self) -> int:
        """Samples since the session began: the end of what has been added."""
        return self.frames[-1].end if self.frames else self.start

    @property
    def seconds(self) -> float:
        """Of audio, so far."""
        return (self.end_sample - self.start) / self.rate

    def pcm(self) -> bytes:
        """All of its audio so far, as in `AudioFrame`."""
        return b"".join(frame.pcm for frame in self.frames)

    def skip_to(self, sample: int) -> None:
        """Forget what lies before `sample`, and let every reader read from there."""
        kept: list[AudioFrame] = []
        for frame in self.frames:
            if frame.end <= sample:
                continue
            cut = max(0, sample - frame.start)
            kept.append(AudioFrame(frame.pcm[2 * cut :], frame.start + cut, frame.rate))
        self.frames = kept
        self.start = max(self.start, sample)
        for reader in self._readers:
            reader.rewind()

    def reader(self) -> Reader:
        """One more who reads it from its first sample."""
        reader = Reader(self)
        self._readers.append(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """This one reads no more."""
        self._readers.remove(reader)

    # The reader whose progress is that of the session.

    @property
    def main(self) -> Reader:
        return self._main

    @property
    def unread(self) -> int:
        """Samples that no engine has been given."""
        return self._main.unread

    def rewind(self) -> None:
        """Read from the first sample again."""
        self._main.rewind()

    async def read(self) -> AudioFrame | None:
        """See `Reader.read`."""
        return await self._main.read()


class Reader:
    """A place in the audio of an utterance, which whoever reads holds."""

    __slots__ = ("_bell", "_enough", "_held", "_of", "_read", "unread")

    def __init__(self, utterance: Utterance) -> None:
        self.unread = 0
        """Samples that this reader has not been given."""
        # Weak: a circle would keep the audio until the next full collection, which is minutes away.
        self._of = weakref.ref(utterance)
        self._read = 0
        self._held = 0
        self._enough = round(BLOCK_S * utterance.rate)
        self._bell = Bell()
        self.rewind()

    def added(self, samples: int) -> None:
        self.unread += samples
        self._held += samples
        if self._held >= self._enough:
            self._bell.ring()

    def ring(self) -> None:
        self._bell.ring()

    def rewind(self) -> None:
        """Read from the first sample again."""
        self._read = 0
        self._held = self.unread = sum(frame.samples for frame in self._utterance().frames)

    async def read(self) -> AudioFrame | None:
        """
        All audio not read yet, as one frame, or `None` after the end.

        Waits for `BLOCK_S` of audio, or the end. One task at a time.
        """
        utterance = self._utterance()
        while self._held < self._enough and utterance.ended is None:
            await self._bell.wait()
        frames = utterance.frames[self._read :]
        if not frames:
            return None
        self._read = len(utterance.frames)
        self._held = 0
        self.unread = 0
        if len(frames) == 1:
            return frames[0]
        return AudioFrame(b"".join(f.pcm for f in frames), frames[0].start, utterance.rate)

    def _utterance(self) -> Utterance:
        utterance = self._of()
        assert utterance is not None, "whoever reads an utterance holds it"
        return utterance
