"""transformers in its engine process. The only file that imports the library and torch."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from asr_hub.errors import ConfigError, OutOfMemory, ProviderUnavailable
from asr_hub.model import HUB_RATE
from asr_hub.models.folder import find
from asr_hub.providers.host.engine import Broken, Clip
from asr_hub.providers.host.gpu_memory import hold_torch_to
from asr_hub.providers.transformers.checkpoint import Checkpoint, read_checkpoint
from asr_hub.providers.transformers.families import Connectionist, Family, Prompted, Samples, Spoken
from asr_hub.providers.transformers.settings import ENGINE, TransformersSettings
from asr_hub.providers.worker_messages import Heard

SHORTEST_S = 0.1
"""Seconds. Convolutions of some models take no less."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "could not create a primitive")
_BROKEN = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "unspecified launch failure")


def load(settings: dict[str, Any]) -> TransformersEngine:
    """
    Load a checkpoint from its folder. Opens no connection.

    Raises ProviderUnavailable where the library or the checkpoint is not here or cannot be loaded, ConfigError where
    it needs what the settings do not allow.
    """
    chosen = msgspec.convert(settings, TransformersSettings)
    folder = find(chosen.model, engine=ENGINE)
    checkpoint = read_checkpoint(folder)
    if checkpoint.auto_map and not chosen.trust_remote_code:
        raise ConfigError(
            f"model: {folder} brings Python files that would run with the rights of the hub; read them, and set "
            "`trust_remote_code: true` if you trust them"
        )
    # Read when the library is imported: whatever a checkpoint refers to, nothing is fetched.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import torch
        import transformers
    except ImportError as exc:
        raise ProviderUnavailable(f"{exc.name} is not installed; do: pip install 'asr-hub[transformers]'") from exc
    torch.set_num_threads(chosen.threads)
    device = _device(chosen, torch)
    hold_torch_to(device, chosen.memory_mb)
    try:
        family = _family(transformers, torch, chosen, checkpoint, folder, device)
    except Exception as exc:  # each part of the library raises its own
        raise ProviderUnavailable(f"transformers cannot load {folder}: {type(exc).__name__}: {exc}") from exc
    return TransformersEngine(chosen, family, device, f"{checkpoint.model_type} {folder.name}")


class TransformersEngine:
    """A WholeEngine."""

    def __init__(self, settings: TransformersSettings, family: Family, device: str, name: str) -> None:
        self.version = f"transformers {version('transformers')}, {name}"
        self.device = device
        self.languages = family.languages
        self.max_clip_s: float | None = min(settings.max_clip_s, family.longest_s or math.inf)
        self._family = family
        self._language = settings.language

    def bucket(self, clip: Clip) -> Hashable:
        """Same language and, where padding would change the text, same length; else, similar length."""
        length = round(math.log(max(clip.seconds, 1.0), 1.3)) if self._family.pads else len(clip.pcm)
        return self._asked(clip), length

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        import torch

        with torch.inference_mode(), _failures():
            heard = self._family.hear([_samples(clip) for clip in clips], self._asked(clips[0]))
        return [
            msgspec.structs.replace(one, end=int(clip.seconds * 1000)) for one, clip in zip(heard, clips, strict=True)
        ]

    def _asked(self, clip: Clip) -> str | None:
        """The language without its region, as the models name it."""
        language = clip.begin.language or self._language
        return language.partition("-")[0].lower() if language else None


@contextmanager
def _failures() -> Iterator[None]:
    """What exceptions of torch mean. They have no classes to tell a full device from a failed one."""
    try:
        yield
    except RuntimeError as exc:
        if any(word in str(exc) for word in _NO_MEMORY):
            raise OutOfMemory(f"transformers: {exc}") from exc
        if any(word in str(exc) for word in _BROKEN):
            raise Broken(f"the device failed: {exc}") from exc
        raise


def _samples(clip: Clip) -> Samples:
    samples = np.frombuffer(clip.pcm, np.int16).astype(np.float32) / np.float32(32768)
    lacking = int(SHORTEST_S * clip.begin.sample_rate) - len(samples)
    return np.pad(samples, (0, lacking)) if lacking > 0 else samples


# torch and transformers, and what they give, have no types of use here: Any.


def _device(settings: TransformersSettings, torch: Any) -> str:
    if settings.device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        raise ProviderUnavailable("device: torch finds no GPU here; set `device: cpu`, or install torch for CUDA")
    try:
        return str(torch.device(settings.device))
    except RuntimeError as exc:
        raise ConfigError(f"device: {settings.device!r} is not auto, cpu, cuda or cuda:N") from exc


def _family(
    transformers: Any, torch: Any, settings: TransformersSettings, checkpoint: Checkpoint, folder: Path, device: str
) -> Family:
    """The model, loaded, with what prepares its audio and reads its answers."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    where = {"local_files_only": True, "trust_remote_code": settings.trust_remote_code}
    named = "float32" if settings.dtype == "auto" and device == "cpu" else settings.dtype
    placed = {**where, "dtype": "auto" if named == "auto" else getattr(torch, named)}
    if any(name.endswith("ForCTC") for name in checkpoint.architectures):
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, **where)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **where)
        _check_rate(extractor, folder)
        model = transformers.AutoModelForCTC.from_pretrained(folder, **placed)
        return Connectionist(model.to(device).eval(), extractor, tokenizer)
    processor = transformers.AutoProcessor.from_pretrained(folder, **where)
    _check_rate(processor.feature_extractor, folder)
    if hasattr(processor, "apply_transcription_request"):
        listener = _listener(transformers, folder, placed)
        return Prompted(listener.to(device).eval(), processor, settings, folder)
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder, **placed)
    return Spoken(model.to(device).eval(), processor, settings)


def _listener(transformers: Any, folder: Path, placed: dict[str, Any]) -> Any:
    """Some of these are listed with speech models, some with those that take several kinds of input."""
    try:
        return transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder, **placed)
    except ValueError:
        return transformers.AutoModelForMultimodalLM.from_pretrained(folder, **placed)


def _check_rate(extractor: Any, folder: Path) -> None:
    if extractor.sampling_rate != HUB_RATE:
        raise ValueError(f"{folder} hears {extractor.sampling_rate} Hz, and the hub gives {HUB_RATE}")
