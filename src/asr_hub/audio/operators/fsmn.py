"""FunASR's VAD: the FSMN network, run in numpy once for all sessions."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from asr_hub.audio.operators.base import Scored, VadState
from asr_hub.audio.operators.fsmn_features import LENGTH, MELS, SHIFT, SIDE, STACKED, log_mels, stacked
from asr_hub.audio.operators.fsmn_weights import read_model
from asr_hub.audio.operators.resample import Resample
from asr_hub.audio.operators.windows import Windows
from asr_hub.errors import ConfigError
from asr_hub.model import HUB_RATE, AudioFrame

MAX_BATCH = 64
"""Sessions per run of the network."""

MAX_FRAMES = 64
"""Frames of one session per run of the network. With `MAX_BATCH` it bounds the memory that a run takes: 30 MB."""

Floats = npt.NDArray[np.float32]


class FsmnVad:
    """
    FSMN-VAD (FunASR, https://github.com/modelscope/FunASR) from a folder in FunASR 1.x's layout.

    Windows are 10 ms. A window is scored when 35 ms after it are known: the network looks two frames of 25 ms ahead.
    Audio at other rates than 16 kHz is resampled for the network alone. Calls must not overlap.

    The network is unsure in quiet rooms, and FunASR takes a window for speech from a probability of 0.8 on
    (`speech_noise_thres` in the folder's config.yaml). Scores are a power of the probability that puts this level at
    0.5, where the endpointer has its own.
    """

    name: ClassVar[str] = "fsmn"
    rates: ClassVar[tuple[int, ...]] = (HUB_RATE,)

    def __init__(self, folder: Path) -> None:
        """Reads the model. Raises ConfigError for a folder that does not hold one."""
        model = read_model(folder)
        self._network = model.network
        self._power = math.log(0.5) / math.log(model.decision)

    def open(self, rate: int) -> VadState:
        """Raises ConfigError for a rate whose 10 ms are not whole samples."""
        if rate < 8_000 or rate % 100:
            raise ConfigError(f"the VAD cannot listen at {rate} Hz: choose a multiple of 100 from 8000 on, best 16000")
        return FsmnState(rate, self._network.nothing())

    def score(self, work: Sequence[tuple[VadState, Sequence[AudioFrame]]]) -> list[list[Scored]]:
        """One run of the network for the new windows of every session, or several where there are many."""
        states = [cast(FsmnState, state) for state, _ in work]
        for state, (_, frames) in zip(states, work, strict=True):
            state.take(frames)
        self._listen(states)
        return [state.give() for state in states]

    def flush(self, state: VadState) -> list[Scored]:
        """
        The held remainder. The session then begins afresh for the network.

        As in FunASR, the last frame stands for the two that would follow it. Windows at the end that are too short to
        be measured are scored like the one before.
        """
        fsmn = cast(FsmnState, state)
        fsmn.take_rest()
        self._listen([fsmn])
        if fsmn.mels.size:
            fsmn.mels = np.concatenate([fsmn.mels, fsmn.mels[-1:].repeat(SIDE, axis=0)])
            self._run([fsmn])
        return fsmn.finish(self._network.nothing())

    def _listen(self, states: Sequence[FsmnState]) -> None:
        ready = [state for state in states if state.has_frames]
        while ready:
            for first in range(0, len(ready), MAX_BATCH):
                self._hear(ready[first : first + MAX_BATCH])
            ready = [state for state in ready if state.has_frames]

    def _hear(self, states: Sequence[FsmnState]) -> None:
        frames = [state.frames() for state in states]
        mels = log_mels(np.concatenate(frames))
        at = 0
        for state, its in zip(states, frames, strict=True):
            state.hear(mels[at : at + len(its)])
            at += len(its)
        self._run([state for state in states if len(state.mels) >= STACKED])

    def _run(self, states: list[FsmnState]) -> None:
        if not states:
            return
        states.sort(key=lambda state: len(state.mels))
        counts = [len(state.mels) - 2 * SIDE for state in states]
        features = np.concatenate([stacked(state.mels) for state in states])
        memories = np.stack([state.memory for state in states])
        speech = (self._network.speech(features, counts, memories) ** self._power).tolist()
        at = 0
        for state, count, memory in zip(states, counts, memories, strict=True):
            # Copies: a view would keep the arrays of the whole batch alive for as long as one session sleeps.
            state.memory = memory.copy()
            state.mels = state.mels[-2 * SIDE :].copy()
            state.scores += speech[at : at + count]
            at += count


class FsmnState:
    """What the VAD remembers of one session."""

    __slots__ = ("_at", "_last", "_pcm", "_resample", "_waiting", "_windows", "mels", "memory", "scores")

    def __init__(self, rate: int, memory: Floats) -> None:
        self._windows = Windows(rate // 100, rate)
        self._resample = Resample(rate, HUB_RATE) if rate != HUB_RATE else None
        self._waiting: deque[AudioFrame] = deque()  # windows that have no score yet
        self._pcm = b""  # for the network, at 16 kHz
        self._at = 0  # sample of `_pcm` at which the next frame begins
        self._last = 0.0
        self.memory = memory
        """What the network remembers."""
        self.mels: Floats = np.empty((0, MELS), dtype=np.float32)
        """The frames that the network has not heard, behind the four that it needs before them."""
        self.scores: list[float] = []
        """For the windows that wait, oldest first."""

    @property
    def has_frames(self) -> bool:
        return len(self._pcm) // 2 - self._at >= LENGTH

    def take(self, frames: Sequence[AudioFrame]) -> None:
        """New audio at the session's rate."""
        self._waiting += self._windows.cut(frames)
        if self._resample is not None:
            frames = [made for frame in frames for made in self._resample.process(frame)]
        self._append(frames)

    def take_rest(self) -> None:
        """The audio that is held, though it fills no window."""
        rest = self._windows.rest()
        self._waiting += () if rest is None else (rest,)
        if self._resample is not None:
            self._append(self._resample.flush())

    def frames(self) -> npt.NDArray[np.int16]:
        """The next frames to be measured: [frames, samples], a view."""
        count = min(MAX_FRAMES, (len(self._pcm) // 2 - self._at - LENGTH) // SHIFT + 1)
        samples = np.frombuffer(self._pcm, "<i2", (count - 1) * SHIFT + LENGTH, 2 * self._at)
        self._at += count * SHIFT
        return np.lib.stride_tricks.sliding_window_view(samples, LENGTH)[::SHIFT]

    def hear(self, mels: Floats) -> None:
        """What these frames measure. The first frame stands for the two that would be before it."""
        before = self.mels if self.mels.size else mels[:1].repeat(SIDE, axis=0)
        self.mels = np.concatenate([before, mels])

    def give(self) -> list[Scored]:
        """The windows that have a score."""
        self._append(())
        given = [Scored(self._waiting.popleft(), score) for score in self.scores]
        if given:
            self._last = given[-1].speech
            self.scores = []
        return given

    def finish(self, memory: Floats) -> list[Scored]:
        """All windows. Nothing is remembered but `memory`."""
        given = self.give()
        given += [Scored(window, self._last) for window in self._waiting]
        self._waiting.clear()
        self._pcm, self._at, self._last = b"", 0, 0.0
        self.mels, self.memory = self.mels[:0].copy(), memory
        return given

    def _append(self, frames: Sequence[AudioFrame]) -> None:
        # What was measured already is dropped.
        self._pcm = b"".join([self._pcm[2 * self._at :], *[frame.pcm for frame in frames]])
        self._at = 0
