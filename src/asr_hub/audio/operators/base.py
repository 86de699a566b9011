"""What an audio operator is. One file per operator lives next to this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import msgspec

from asr_hub.model import AudioFrame, EndpointReason


class Scored(msgspec.Struct, frozen=True, gc=False):
    """An audio frame and how likely it is speech. What a VAD makes, and an endpointer reads."""

    frame: AudioFrame
    speech: float
    """Probability, 0 to 1"""


class SpeechStart(msgspec.Struct, frozen=True):
    """Speech begins. The frames of the utterance follow, pre-roll first."""

    at: int
    """Samples since the session began; lies before the frame that proved it, and before the pre-roll ends."""


class SpeechEnd(msgspec.Struct, frozen=True):
    """The utterance is over: no frame of it follows."""

    at: int
    """Samples since the session began: where speech was last heard."""
    reason: EndpointReason = EndpointReason.SILENCE
    voiced: int | None = None
    """Samples of the utterance that the VAD took for speech; none where there is no VAD."""


Mark = SpeechStart | SpeechEnd
Output = AudioFrame | Mark


class FrameOperator(Protocol):
    """
    A step that turns audio frames into audio frames: decode, resample, gain.

    Plain and synchronous: it owns no thread, task, socket or clock; time is counted in samples. What comes out does
    not depend on how the audio was cut into frames.
    """

    name: ClassVar[str]
    """The word that selects it in YAML."""

    def process(self, frame: AudioFrame) -> Sequence[AudioFrame]:
        """Take one frame, in order. May return nothing while it fills a window."""
        ...

    def flush(self) -> Sequence[AudioFrame]:
        """The stream ended well. Give out what is still held."""
        ...

    def reset(self) -> None:
        """The stream was abandoned. Forget what is held."""
        ...


class Vad(Protocol):
    """
    A voice activity detector shared by all sessions of the hub.

    `score` takes what many sessions heard since the last call and runs the model once over all of them. Each session
    brings its own `VadState`, made by `open`; the result for a session does not depend on who shares the call.
    """

    name: ClassVar[str]
    rates: ClassVar[tuple[int, ...]]
    """Hertz that it takes without resampling."""

    def open(self, rate: int) -> VadState:
        """State for one session whose frames come at `rate` Hz."""
        ...

    def score(self, work: Sequence[tuple[VadState, Sequence[AudioFrame]]]) -> list[list[Scored]]:
        """
        Speech probabilities for the frames of many sessions, one list per session, in order.

        Frames are re-cut to the VAD's own window, aligned to the first sample of the session; what does not fill a
        window stays in the state until more comes. Called from a worker thread, never concurrently.
        """
        ...

    def flush(self, state: VadState) -> list[Scored]:
        """The held remainder, padded to a window for the model and given out at its own length."""
        ...


class VadState(Protocol):
    """What a VAD remembers of one session. Opaque to everyone else."""
