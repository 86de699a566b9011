"""A file's audio becomes segments, as it is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from asr_hub.audio.operators.base import Output, SpeechEnd, SpeechStart, Vad
from asr_hub.audio.operators.continuous import Continuous
from asr_hub.audio.operators.endpoint import Endpoint, EndpointSettings
from asr_hub.jobs.job import Segment
from asr_hub.model import AudioFrame, EndpointReason


class Segmenter:
    """
    Finds the segments of a file; without a VAD they are of one length.

    Within a channel they do not overlap, but for their `overlap`: one that is cut for its length, and goes on, is
    begun again a little earlier, so that the word at the cut is whole in one of them. None is longer than
    `max_utterance`. Plain and synchronous; the same samples give the same segments, however they are cut into frames.
    """

    def __init__(
        self, rate: int, channels: int, vad: Vad | None, endpoint: EndpointSettings, *, overlap_s: float = 1.0
    ) -> None:
        """`overlap_s` is shortened where the longest segment has no room for it beside an utterance."""
        least = 1 + endpoint.pre_roll + 2 * endpoint.min_speech
        shorter = replace(endpoint, max_utterance=max(least, endpoint.max_utterance - overlap_s))
        overlap_s = endpoint.max_utterance - shorter.max_utterance
        self._vad = vad
        self._states = [vad.open(rate) for _ in range(channels)] if vad is not None else []
        self._endpoints = [Endpoint(shorter, rate) for _ in range(channels)] if vad is not None else []
        self._continuous = [Continuous(shorter.max_utterance, rate) for _ in range(channels)] if vad is None else []
        self._channels = [_Channel(number, round(overlap_s * rate)) for number in range(channels)]

    def take(self, frames: Sequence[AudioFrame]) -> None:
        """The next frame of each channel."""
        if self._vad is None:
            for channel, continuous, frame in zip(self._channels, self._continuous, frames, strict=True):
                channel.take(continuous.process(frame))
            return
        heard = self._vad.score([(state, [frame]) for state, frame in zip(self._states, frames, strict=True)])
        for channel, endpoint, scored in zip(self._channels, self._endpoints, heard, strict=True):
            for one in scored:
                channel.take(endpoint.process(one))

    def finish(self) -> tuple[Segment, ...]:
        """The file is over: all its segments, in the order of their beginnings."""
        for channel, continuous in zip(self._channels, self._continuous, strict=False):
            channel.take(continuous.finalize(EndpointReason.CLOSE))
        for channel, endpoint, state in zip(self._channels, self._endpoints, self._states, strict=False):
            if self._vad is not None:
                for one in self._vad.flush(state):
                    channel.take(endpoint.process(one))
            channel.take(endpoint.finalize(EndpointReason.CLOSE))
        found = [segment for channel in self._channels for segment in channel.segments]
        found.sort(key=lambda segment: (segment.start, segment.channel))
        return tuple(replace(segment, number=number) for number, segment in enumerate(found))


class _Channel:
    """The segments of one channel."""

    def __init__(self, number: int, overlap: int) -> None:
        self._number = number
        self._overlap = overlap
        self._start: int | None = None
        self._end = 0
        self._cut: int | None = None
        """Where the last segment was cut for its length."""
        self.segments: list[Segment] = []

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case SpeechStart():
                    self._start = None
                case AudioFrame():
                    self._start = output.start if self._start is None else self._start
                    self._end = output.end
                case SpeechEnd():
                    self._add(output.reason)

    def _add(self, reason: EndpointReason) -> None:
        if self._start is None:
            return
        # Not only where the VAD hears speech to the very end: the silence of a stop is inside a word, too.
        overlap = min(self._overlap, self._start - self.segments[-1].start) if self._start == self._cut else 0
        self.segments.append(
            Segment(
                number=len(self.segments),
                channel=self._number,
                start=self._start - overlap,
                end=self._end,
                overlap=overlap,
            )
        )
        self._cut = self._end if reason is EndpointReason.MAX_LENGTH else None
        self._start = None
