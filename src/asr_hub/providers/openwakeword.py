"""
Wake words by openWakeWord's models: spots phrases, hears nothing else.

Three ONNX models in a row, as https://github.com/dscripka/openWakeWord describes them: mel spectrum (32 bands, 10 ms),
embedding (76 spectra to 96 numbers, every 80 ms), and one small classifier per phrase over the last 16 embeddings.
The models are not part of this package; the settings name their files. Runs on onnxruntime, which the VAD needs anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from asr_hub.errors import ConfigError, ProviderError, ProviderUnavailable
from asr_hub.model import HUB_RATE, AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.mailbox import Mailbox
from asr_hub.providers.settings import read_settings
from asr_hub.providers.slots import Slots

STEP = 1280
"""Samples: 80 ms, the distance of two embeddings."""

OVERLAP = 480
"""Samples before a step that its first spectra reach back to."""

SPECTRA = 76
EMBEDDINGS = 16
PRIMING_S = 2.0
"""Seconds of silence before each utterance, so that the classifier sees a full window from its first word on."""

Floats = npt.NDArray[np.float32]


class OpenWakeWordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: openwakeword`."""

    mel_model: str
    """The file melspectrogram.onnx"""
    embedding_model: str
    """The file embedding_model.onnx"""
    phrases: dict[str, str]
    """Each phrase, and the file of its classifier: `{alexa: alexa_v0.1.onnx}`."""
    threshold: float = 0.5
    """Score from which on a phrase is heard, 0 to 1."""
    max_streams: int = 16
    """Utterances at the same time. One more waits for a slot."""
    wait_s: float = 30.0
    """Seconds to wait for a slot before `overloaded`."""


class OpenWakeWord:
    """A Provider with the capability `wake_words` and no other: without `options.wake_words` its finals are empty."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.settings = chosen = read_settings(name, settings, OpenWakeWordSettings)
        if not chosen.phrases:
            raise ConfigError(f"providers.{name}.settings: `phrases` names no phrase; give each its model file")
        self.capabilities = Capabilities(
            streaming=True,
            wake_words=True,
            max_streams=chosen.max_streams,
            description="Spots trained phrases, in noise too; hears nothing else.",
        )
        self.slots = Slots(chosen.max_streams, chosen.wait_s, name=name)
        self._mel: Any = None
        self._embed: Any = None
        self._classify: dict[str, Any] = {}

    async def start(self) -> None:
        """Raises ProviderUnavailable where a model file is missing or is no model."""
        await asyncio.to_thread(self._load)

    async def aclose(self) -> None:
        self._mel = self._embed = None
        self._classify = {}

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> WakeStream:
        if self._mel is None:
            raise ProviderUnavailable(f"{self.name}: not started, or closed")
        unknown = [phrase for phrase in options.wake_words if phrase not in self._classify]
        if unknown:
            raise ConfigError(f"{self.name} has no model for {', '.join(unknown)}; it has {', '.join(self._classify)}")
        return WakeStream(self, options)

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> Sequence[Hypothesis]:
        async with self.stream(options, {}) as stream:
            await stream.push(AudioFrame(pcm, 0, options.sample_rate))
            await stream.end_utterance()
            return [hypothesis async for hypothesis in stream if hypothesis.is_final]

    async def self_test(self) -> str:
        """Silence is no phrase: raises ProviderUnavailable where a model says it is."""
        options = RecognitionOptions(wake_words=tuple(self._classify))
        async with self.stream(options, {}) as stream:
            await stream.push(AudioFrame(bytes(2 * HUB_RATE), 0, HUB_RATE))
            await stream.end_utterance()
            heard = [hypothesis.text async for hypothesis in stream if hypothesis.text]
        if heard:
            raise ProviderUnavailable(f"{self.name}: heard {heard[0]!r} in silence; its models do not belong together")
        return "silence"

    def scores(self, spectra: Floats, embeddings: Floats, step: Floats) -> tuple[Floats, Floats, dict[str, float]]:
        """Take one step of samples with its overlap: the new windows, and the score of each phrase at its end."""
        new = self._mel.run(None, {self._mel.get_inputs()[0].name: step[None, :]})[0].reshape(-1, 32) / 10 + 2
        spectra = np.concatenate([spectra, new])[-SPECTRA:]
        window = spectra[None, :, :, None].astype(np.float32)
        one = self._embed.run(None, {self._embed.get_inputs()[0].name: window})[0].reshape(1, -1)
        embeddings = np.concatenate([embeddings, one])[-EMBEDDINGS:]
        found = {
            phrase: float(model.run(None, {model.get_inputs()[0].name: embeddings[None]})[0].ravel()[0])
            for phrase, model in self._classify.items()
        }
        return spectra, embeddings, found

    def _load(self) -> None:
        self._mel = _session(self.name, self.settings.mel_model)
        self._embed = _session(self.name, self.settings.embedding_model)
        self._classify = {phrase: _session(self.name, file) for phrase, file in self.settings.phrases.items()}


class WakeStream:
    """One utterance: a hypothesis for each phrase heard, and an empty final."""

    warnings: Sequence[str] = ()
    suppressed: None = None

    def __init__(self, provider: OpenWakeWord, options: RecognitionOptions) -> None:
        self._provider = provider
        self._options = options
        self._box = Mailbox()
        self._pending = np.zeros(OVERLAP + int(PRIMING_S * HUB_RATE), np.float32)
        self._spectra: Floats = np.ones((SPECTRA, 32), np.float32)
        self._embeddings: Floats = np.zeros((EMBEDDINGS, 96), np.float32)
        self._heard = -int(PRIMING_S * HUB_RATE)
        self._start: int | None = None
        self._above: set[str] = set()
        self._is_entered = False

    async def __aenter__(self) -> WakeStream:
        await self._provider.slots.__aenter__()
        self._is_entered = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._is_entered:
            self._is_entered = False
            await self._provider.slots.__aexit__(*exc)

    async def push(self, frame: AudioFrame) -> None:
        """Waits for the models, which run in a thread."""
        if not self._is_entered:
            raise ProviderError(f"{self._provider.name}: a stream must be entered with `async with` before it is used")
        if self._start is None:
            self._start = frame.start * 1000 // frame.rate
        self._pending = np.concatenate([self._pending, np.frombuffer(frame.pcm, "<i2").astype(np.float32)])
        for phrase, at in await asyncio.to_thread(self._spot):
            self._box.put(self._hypothesis(phrase, at, is_final=False))

    async def end_utterance(self) -> None:
        self._box.put(self._hypothesis("", self._heard, is_final=True))

    def __aiter__(self) -> AsyncIterator[Hypothesis]:
        return self._box.__aiter__()

    def _spot(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        while self._pending.size >= OVERLAP + STEP:
            step, self._pending = self._pending[: OVERLAP + STEP], self._pending[STEP:]
            self._spectra, self._embeddings, scores = self._provider.scores(self._spectra, self._embeddings, step)
            self._heard += STEP
            above = {phrase for phrase, score in scores.items() if score >= self._provider.settings.threshold}
            found += [(phrase, self._heard) for phrase in above - self._above if phrase in self._options.wake_words]
            self._above = above
        return found

    def _hypothesis(self, text: str, samples: int, *, is_final: bool) -> Hypothesis:
        at = self._start or 0
        end = at + max(0, samples) * 1000 // HUB_RATE
        return Hypothesis(text=text, start=at, end=end, is_final=is_final, provider=self._provider.name)


def _session(name: ProviderName, file: str) -> Any:
    import onnxruntime

    if not Path(file).is_file():
        raise ProviderUnavailable(
            f"{name}: no model file {file}; get it from openWakeWord's releases and name it in the settings"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # noqa: BLE001 - the edge of a foreign library, whose errors have no common class
        raise ProviderUnavailable(f"{name}: {file} is no ONNX model: {exc}") from None
