"""Voices by sherpa-onnx: one network from an utterance to the numbers that tell its speaker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import soxr

from asr_hub.errors import ConfigError, ProviderError, ProviderUnavailable, UnsupportedAudio
from asr_hub.models.folder import find
from asr_hub.providers.settings import suggestion
from asr_hub.providers.sherpa.onnx_metadata import read_metadata
from asr_hub.providers.sherpa.sdk import failure, samples_of
from asr_hub.providers.sherpa.settings import ENGINE
from asr_hub.providers.slots import Slots
from asr_hub.providers.speakers import SHORTEST_S

Given = ParamSpec("Given")
T = TypeVar("T")

_MODELS = "https://huggingface.co/csukuangfj/speaker-embedding-models"
"""Where the makers of sherpa-onnx keep them."""
_SUGGESTED = "3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx"

_NEEDS = ("output_dim", "sample_rate")
_NEEDS_OF: Mapping[str, tuple[str, ...]] = {
    "wespeaker": ("normalize_samples", "language"),
    "3d-speaker": ("normalize_samples", "language"),
    "nemo": ("feat_dim", "window_size_ms", "window_stride_ms", "language"),
}
"""By who trained it. The SDK ends the process where a model lacks one of these notes."""
_NUMBERS = ("output_dim", "sample_rate", "normalize_samples", "feat_dim", "window_size_ms", "window_stride_ms")

_PIECES = 4
"""Of a second of audio. The hub does something else between two of them."""


class SpeakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is chosen for the engine `sherpa-onnx` of speakers."""

    model: str
    """A file of a speaker embedding model, a folder with one, or the name of such a folder in the models folder."""
    threads: int = 1
    """Of one run of the network."""
    provider: Literal["cpu", "cuda"] = "cpu"
    """Where the network runs."""
    max_streams: int = 2
    """Utterances at the same time. One more waits for a slot."""
    wait_s: float = 5.0
    """Seconds to wait for a slot before `overloaded`."""
    longest_s: float = 15.0
    """Seconds of an utterance that are heard, from its beginning; a voice does not change after it."""

    def __post_init__(self) -> None:
        if self.threads < 1 or self.max_streams < 1:
            raise ValueError("threads and max_streams must be at least 1")
        if not 0 <= self.wait_s <= 600:
            raise ValueError("wait_s must be from 0 to 600")
        if not 1 <= self.longest_s <= 600:
            raise ValueError("longest_s must be from 1 to 600")


class SpeakerModel(msgspec.Struct, frozen=True):
    """A model that was looked at, and that the SDK can load."""

    path: Path
    rate: int
    """Hertz. What it was trained on."""
    size: int
    """Numbers of an embedding."""


class SherpaSpeakers:
    """
    A SpeakerEmbedder. The SDK is imported into the hub's own process, when it is started.

    It lets go of the GIL while its network computes: `max_streams` threads of its own do not hold up the hub.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Raises ConfigError that names a wrong setting."""
        self.settings = chosen = _read(settings)
        self.version = ""
        self._slots = Slots(chosen.max_streams, chosen.wait_s, name="the speaker engine")
        self._model: SpeakerModel | None = None
        self._extractor: Any = None
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Raises ProviderUnavailable where the SDK or the model is not here, or not as it must be."""
        if self._threads is not None:
            return
        self._threads = ThreadPoolExecutor(self.settings.max_streams, "speakers")
        try:
            await self._run(self._load)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        self._extractor = self._model = None

    async def embed(self, pcm: bytes, rate: int) -> tuple[float, ...]:
        """The voice of one utterance."""
        if len(pcm) % 2:
            raise UnsupportedAudio(f"{len(pcm)} bytes are not whole samples of 16 bit", code="odd-byte-count")
        seconds = len(pcm) / 2 / rate
        if seconds < SHORTEST_S:
            raise UnsupportedAudio(f"{seconds:.2f} s of audio tell no voice: give at least {SHORTEST_S:g} s")
        if self._extractor is None:
            raise ProviderUnavailable("the speaker engine is not started, or closed")
        heard = pcm[: 2 * int(self.settings.longest_s * rate)]
        async with self._slots:
            return await self._run(self._embed, heard, rate)

    async def _run(self, work: Callable[Given, T], *arguments: Given.args, **named: Given.kwargs) -> T:
        if self._threads is None:
            raise ProviderUnavailable("the speaker engine is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))

    def _load(self) -> None:
        try:
            self.version = f"sherpa-onnx {version('sherpa-onnx')}"
            import sherpa_onnx
        except (PackageNotFoundError, ImportError) as exc:
            raise ProviderUnavailable("sherpa-onnx is not installed; do: pip install 'asr-hub[sherpa-onnx]'") from exc
        # The SDK falls back to the CPU without telling where it was built without CUDA.
        if self.settings.provider == "cuda" and "cuda" not in self.version:
            raise ProviderUnavailable(
                "the installed sherpa-onnx is built for the CPU; install one whose version ends with +cuda, from "
                "https://k2-fsa.github.io/sherpa/onnx/cuda.html, or set `provider: cpu`"
            )
        self._model = look(self.settings.model)
        config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(
            model=str(self._model.path), num_threads=self.settings.threads, provider=self.settings.provider
        )
        try:
            self._extractor = sherpa_onnx.SpeakerEmbeddingExtractor(config)
            self._embed(np.random.default_rng(1).integers(-99, 99, 16_000, np.int16).tobytes(), 16_000)
        except (RuntimeError, ValueError, ProviderError) as exc:
            self._extractor = None
            raise ProviderUnavailable(f"sherpa-onnx cannot hear voices with {self._model.path}: {exc}") from exc

    def _embed(self, pcm: bytes, rate: int) -> tuple[float, ...]:
        model, extractor = self._model, self._extractor
        if model is None or extractor is None:
            raise ProviderUnavailable("the speaker engine is closed")
        samples: npt.NDArray[np.float32] = samples_of(pcm)
        if rate != model.rate:
            samples = soxr.resample(samples, rate, model.rate)
        try:
            stream = extractor.create_stream()
            # The SDK holds the GIL while it takes samples.
            for at in range(0, len(samples), model.rate // _PIECES):
                stream.accept_waveform(model.rate, samples[at : at + model.rate // _PIECES])
            stream.input_finished()
            embedding = tuple(map(float, extractor.compute(stream)))
        except RuntimeError as exc:
            raise failure(exc) from exc
        if len(embedding) != model.size or not any(embedding) or not all(map(math.isfinite, embedding)):
            raise ProviderError(f"sherpa-onnx gave no voice with {model.path.name}, but {embedding[:3]} …")
        return embedding


def look(name: str) -> SpeakerModel:
    """
    Find the model that `name` means, and read what its notes say.

    Raises ProviderUnavailable where there is none, or it is no model of voices for the SDK.
    """
    path = _file(name)
    notes = read_metadata(path)
    framework = notes.get("framework", "")
    if framework not in _NEEDS_OF:
        raise ProviderUnavailable(
            f"sherpa-onnx: {path} is no model of voices: its note `framework` is {framework or 'missing'}, not one of "
            f"{', '.join(_NEEDS_OF)}; {_remedy()}"
        )
    needs = (*_NEEDS, *_NEEDS_OF[framework])
    lacking = [key for key in needs if not (notes.get(key, "").isdecimal() if key in _NUMBERS else notes.get(key))]
    if framework != "nemo" and notes.get("feature_normalize_type", "") not in ("", "global-mean"):
        lacking.append("feature_normalize_type: global-mean")
    if lacking or not int(notes["sample_rate"]) or not int(notes["output_dim"]):
        raise ProviderUnavailable(
            f"sherpa-onnx: {path} was not exported for it: its notes lack {', '.join(lacking or _NEEDS)}; {_remedy()}"
        )
    return SpeakerModel(path, int(notes["sample_rate"]), int(notes["output_dim"]))


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the weights are not here, and what to do about it; None where they are."""
    try:
        look(_read(settings).model)
    except (ProviderUnavailable, ConfigError) as exc:
        return str(exc)
    return None


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.suffix == ".onnx":
        raise ProviderUnavailable(f"sherpa-onnx: there is no file {path}; {_remedy()}")
    try:
        folder = find(name, engine=ENGINE)
    except ProviderUnavailable as exc:
        raise ProviderUnavailable(f"sherpa-onnx: the model of voices {name!r} is not here; {_remedy()}") from exc
    found = sorted(folder.glob("*.onnx"))
    if not found:
        raise ProviderUnavailable(f"sherpa-onnx: {folder} has no .onnx file; {_remedy()}")
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ProviderUnavailable(f"sherpa-onnx: {folder} has several models: {names}; let `model` name one file")
    return found[0]


def _remedy() -> str:
    return f"fetch {_SUGGESTED} or another model from {_MODELS}, and let `recognition.speakers.model` name the file"


def _read(settings: Mapping[str, Any]) -> SpeakerSettings:
    known = SpeakerSettings.__struct_fields__
    for key in settings:
        if key not in known:
            raise ConfigError(f"recognition.speakers: {key!r} is not known; {suggestion(key, known)}")
    try:
        return msgspec.convert(dict(settings), SpeakerSettings)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"recognition.speakers: {exc}") from exc
