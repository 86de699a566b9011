"""One session's way from raw audio to utterances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from asr_hub.audio.operators.base import Output, Scored, Vad, VadState
from asr_hub.audio.operators.continuous import Continuous
from asr_hub.audio.operators.decode import Decode
from asr_hub.audio.operators.endpoint import Endpoint, EndpointSettings
from asr_hub.audio.operators.levels import Levels, Reading
from asr_hub.audio.operators.resample import Resample
from asr_hub.model import AudioFormat, AudioFrame, EndpointReason


class Pipeline:
    """
    The chain of one session: decode, resample, and cut into utterances.

    The VAD is shared: the hub takes frames from many pipelines, scores them in one call with each one's `state`, and
    hands the scores back to `cut`. Without a VAD `state` is None and `pass_on` puts all frames into one utterance.
    Sample positions count at `rate` since the session began, and go on over `finalize` and `clear`. Plain and
    synchronous; one session's calls must not overlap.
    """

    def __init__(
        self,
        format: AudioFormat,
        rate: int,
        vad: Vad | None,
        endpoint: EndpointSettings = EndpointSettings(),
        *,
        levels: bool = False,
    ) -> None:
        self.format = format
        self.rate = rate
        self._decode = Decode(format)
        self._resample = Resample(format.sample_rate, rate) if format.sample_rate != rate else None
        self._vad = vad
        self._state = vad.open(rate) if vad is not None else None
        self._endpoint = Endpoint(endpoint, rate)
        self._continuous = Continuous(endpoint.max_utterance, rate)
        self._levels = Levels(rate) if levels else None
        self._reading: Reading | None = None
        self._position = 0
        self.tap: Callable[[AudioFrame], None] | None = None
        """Told of every frame as it is heard, in order: who records the session. Must not raise."""

    @property
    def state(self) -> VadState | None:
        """What the shared VAD remembers of this session; None where there is no VAD."""
        return self._state

    @property
    def position(self) -> int:
        """Samples since the session began that have left the resampler: after `finalize` and `clear`, all taken."""
        return self._position

    def measure(self, wanted: bool) -> None:
        """Whether loudness is measured from now on."""
        self._levels = (self._levels or Levels(self.rate)) if wanted else None

    @property
    def is_open(self) -> bool:
        """An utterance has begun and is not over."""
        return self._endpoint.is_open or self._continuous.is_open

    def take(self, raw: bytes) -> list[AudioFrame]:
        """
        Decode and resample whole sample frames of the session's format.

        May return nothing while the resampler fills a block. Raises UnsupportedAudio for a broken sample frame.
        """
        if not raw:
            return []
        frame = self._decode.process(raw)
        frames = [frame] if self._resample is None else list(self._resample.process(frame))
        self._note(frames)
        return frames

    def cut(self, scored: Iterable[Scored]) -> list[Output]:
        """Utterances in what the VAD made of the frames. Neighbouring frames of an utterance come as one."""
        return _join([output for one in scored for output in self._endpoint.process(one)])

    def pass_on(self, frames: Iterable[AudioFrame]) -> list[Output]:
        """The utterance that all frames belong to where there is no VAD."""
        return [output for frame in frames for output in self._continuous.process(frame)]

    def finalize(self, reason: EndpointReason) -> list[Output]:
        """
        End the utterance, if there is one, after every sample taken so far has gone through.

        Runs the VAD for what the resampler and the VAD itself still hold: call it where `Vad.score` is called.
        """
        frames = self._flush()
        if self._vad is None or self._state is None:
            return [*self.pass_on(frames), *self._continuous.finalize(reason)]
        return _join([*self.cut(self._score(self._vad, self._state, frames)), *self._endpoint.finalize(reason)])

    def clear(self) -> list[Output]:
        """
        Drop what is held, and end the utterance, if there is one, with reason `clear`.

        Positions go on behind the dropped audio. Runs the VAD: call it where `Vad.score` is called.
        """
        frames = self._flush()
        if self._vad is None or self._state is None:
            return self._continuous.clear()
        self._score(self._vad, self._state, frames)
        return self._endpoint.clear()

    def levels(self) -> Reading | None:
        """The newest loudness that was not read yet."""
        reading, self._reading = self._reading, None
        return reading

    def _flush(self) -> list[AudioFrame]:
        frames = [] if self._resample is None else list(self._resample.flush())
        self._note(frames)
        return frames

    @staticmethod
    def _score(vad: Vad, state: VadState, frames: Sequence[AudioFrame]) -> list[Scored]:
        (scored,) = vad.score([(state, frames)])
        return [*scored, *vad.flush(state)]

    def _note(self, frames: Iterable[AudioFrame]) -> None:
        for frame in frames:
            self._position = frame.end
            if self._levels is not None:
                self._reading = self._levels.process(frame) or self._reading
            if self.tap is not None:
                self.tap(frame)


def _join(outputs: list[Output]) -> list[Output]:
    """Make one frame of frames that follow each other: every frame costs a hand-over to an engine."""
    if len(outputs) < 2:
        return outputs
    joined: list[Output] = []
    run: list[AudioFrame] = []
    for output in outputs:
        if isinstance(output, AudioFrame):
            run.append(output)
            continue
        joined += _one(run)
        run = []
        joined.append(output)
    return joined + _one(run)


def _one(run: list[AudioFrame]) -> list[AudioFrame]:
    if len(run) < 2:
        return run
    return [AudioFrame(b"".join([frame.pcm for frame in run]), run[0].start, run[0].rate)]
