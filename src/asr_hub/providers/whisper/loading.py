"""Load a model with faster-whisper, or say what stands against it."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from asr_hub.errors import ConfigError, OutOfMemory, ProviderUnavailable
from asr_hub.providers.host.engine import Broken
from asr_hub.providers.host.gpu_memory import refuse_budget
from asr_hub.providers.whisper.failures import named
from asr_hub.providers.whisper.settings import WhisperSettings
from asr_hub.providers.whisper.vocabulary import Vocabulary
from asr_hub.providers.whisper.weights import weights

_ON_GPU = ("float16", "int8_float32", "float32")
"""The first that the GPU has."""


class Loaded:
    """A model in memory, with what belongs to it. Raises ConfigError or ProviderUnavailable with what to do."""

    def __init__(self, settings: WhisperSettings) -> None:
        folder = weights(settings.model)
        device, index = _device(settings.device)
        refuse_budget("faster-whisper", device, settings.memory_mb)
        self.compute_type = _compute_type(settings.compute_type, device, index)
        whole = _load(folder, device, index, self.compute_type, settings.threads)
        self.model: ctranslate2.models.Whisper = whole.model
        self.extract: FeatureExtractor = whole.feature_extractor
        if self.extract.mel_filters.shape[0] != self.model.n_mels:
            # A folder without preprocessor_config.json; the model itself knows how many bands it hears.
            self.extract = FeatureExtractor(**{**whole.feat_kwargs, "feature_size": self.model.n_mels})
        marks = Tokenizer(whole.hf_tokenizer, multilingual=False).non_speech_tokens
        self.vocabulary = Vocabulary(whole.hf_tokenizer, is_multilingual=self.model.is_multilingual, marks=marks)
        self.device = "cpu" if device == "cpu" else f"cuda:{index}"
        self.name = folder.name


def unusable(exc: Broken | OutOfMemory) -> ProviderUnavailable:
    """What to do about a device that fails before it has heard anything."""
    if isinstance(exc, OutOfMemory):
        return ProviderUnavailable(
            "faster-whisper: the device has no memory for this model; take a smaller one, or compute_type int8_float16 "
            "(on the CPU: int8)"
        )
    return ProviderUnavailable(
        f"faster-whisper: the GPU cannot be used: {exc}. CTranslate2 needs a driver for CUDA 12 and "
        "cuBLAS 12: install nvidia-cublas-cu12, with its folder in LD_LIBRARY_PATH; or set device: cpu"
    )


def _device(wanted: str) -> tuple[str, int]:
    kind, _, number = wanted.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and (kind != "cuda" or not number.isdecimal())):
        raise ConfigError(f"device: {wanted!r} is none; write auto, cpu, cuda or cuda:1")
    there = 0 if kind == "cpu" else ctranslate2.get_cuda_device_count()
    if kind == "auto":
        return ("cuda", 0) if there else ("cpu", 0)
    if kind == "cuda" and not there:
        raise ProviderUnavailable(
            "faster-whisper: no CUDA device is seen; install the NVIDIA driver, give the GPU to this process, "
            "or set device: cpu"
        )
    index = int(number or 0)
    if kind == "cuda" and index >= there:
        raise ConfigError(f"device: there is no {wanted}; there are cuda:0 to cuda:{there - 1}")
    return kind, index


def _compute_type(wanted: str, device: str, index: int) -> str:
    there: set[str] = ctranslate2.get_supported_compute_types(device, index)
    if wanted == "auto":
        return next((kind for kind in _ON_GPU if kind in there), "default") if device == "cuda" else "int8"
    if wanted not in there:
        raise ConfigError(f"compute_type: {wanted!r} is not for this {device}; it has auto, {', '.join(sorted(there))}")
    return wanted


def _load(folder: Path, device: str, index: int, compute_type: str, threads: int) -> WhisperModel:
    try:
        with named():
            return WhisperModel(
                str(folder),
                device=device,
                device_index=index,
                compute_type=compute_type,
                cpu_threads=threads,
                num_workers=1,
                local_files_only=True,
            )
    except (Broken, OutOfMemory) as exc:
        raise unusable(exc) from exc
    except Exception as exc:  # tokenizers raises plain Exception for a file that it cannot read
        raise ProviderUnavailable(f"faster-whisper: {folder} cannot be loaded: {exc}; copy the model again") from exc
