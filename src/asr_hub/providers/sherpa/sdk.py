"""
What is used of sherpa-onnx, whose functions have no types, and how a recogniser of it is made.

The SDK ends the process where a file is not as it expects: what can be looked at is looked at before.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr_hub.errors import ConfigError, HubError, OutOfMemory, ProviderError, ProviderUnavailable
from asr_hub.providers.sherpa.model_files import ModelFiles
from asr_hub.providers.sherpa.settings import SherpaSettings
from asr_hub.providers.sherpa.words import Token

_NO_MEMORY = ("allocate memory", "out of memory", "bad_alloc", "CUDA failure 2")


class Result(Protocol):
    """What was heard in a stream."""

    text: str
    tokens: Sequence[str]
    timestamps: Sequence[float]


class Stream(Protocol):
    """The audio of one utterance."""

    def accept_waveform(self, sample_rate: float, waveform: npt.NDArray[np.float32]) -> None: ...


def samples_of(pcm: bytes) -> npt.NDArray[np.float32]:
    """Full scale 1."""
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)


def device_of(settings: SherpaSettings) -> str:
    """`cpu` or `cuda:N`. Raises ProviderUnavailable where a GPU is asked for that the SDK cannot use."""
    if settings.device == "cpu":
        return "cpu"
    # The SDK falls back to the CPU without telling where it was built without CUDA.
    has_cuda = "cuda" in version("sherpa-onnx")
    if settings.device == "auto":
        return "cuda:0" if has_cuda and Path("/dev/nvidia0").exists() else "cpu"
    if not settings.device.startswith("cuda"):
        raise ConfigError(f"device: {settings.device!r} is not auto, cpu, cuda or cuda:N")
    if not has_cuda:
        raise ProviderUnavailable(
            "the installed sherpa-onnx is built for the CPU; install one whose version ends with +cuda, from "
            "https://k2-fsa.github.io/sherpa/onnx/cuda.html, or set `device: cpu`"
        )
    return settings.device if ":" in settings.device else f"{settings.device}:0"


def new_recognizer(settings: SherpaSettings, files: ModelFiles, device: str) -> Any:
    """
    A recogniser of the SDK, which has no types.

    Raises ProviderUnavailable where the SDK is not installed or refuses the files, ConfigError where an option is not
    one of its own.
    """
    try:
        import sherpa_onnx
    except ImportError as exc:
        raise ProviderUnavailable("sherpa-onnx is not installed; do: pip install 'asr-hub[sherpa-onnx]'") from exc
    family = sherpa_onnx.OnlineRecognizer if files.kind.is_streaming else sherpa_onnx.OfflineRecognizer
    try:
        return getattr(family, files.kind.factory)(**_arguments(settings, files, device))
    except TypeError as exc:
        raise ConfigError(f"options: {files.name} does not take one of {', '.join(settings.options)}: {exc}") from exc
    except (RuntimeError, ValueError, AssertionError, IndexError) as exc:
        raise ProviderUnavailable(f"sherpa-onnx cannot load the {files.name} model: {exc}") from exc


def tokens_of(result: Any) -> list[Token]:
    """The tokens with their times; none where the kind of model tells no times. `result` has no types."""
    if len(result.timestamps) != len(result.tokens):
        return []
    lengths = getattr(result, "durations", None) or [None] * len(result.tokens)
    logs = getattr(result, "ys_probs", None) or getattr(result, "ys_log_probs", None) or [None] * len(result.tokens)
    columns = (result.tokens, result.timestamps, lengths, logs)
    if len({len(column) for column in columns}) != 1:
        columns = (*columns[:2], [None] * len(result.tokens), [None] * len(result.tokens))
    return [Token(text, start, length, log) for text, start, length, log in zip(*columns, strict=True)]


def failure(exc: RuntimeError) -> HubError:
    """What an exception of the SDK means."""
    if any(word in str(exc) for word in _NO_MEMORY):
        return OutOfMemory(f"sherpa-onnx: {exc}")
    return ProviderError(f"sherpa-onnx failed: {exc}")


def _arguments(settings: SherpaSettings, files: ModelFiles, device: str) -> dict[str, object]:
    name, _, number = device.partition(":")
    chosen: dict[str, object] = {
        **{parameter: str(files.parts[part]) for part, parameter in files.kind.parts.items()},
        **files.kind.options,
        "tokens": str(files.tokens),
        "num_threads": settings.threads,
        "provider": name,
    }
    if files.name != "whisper":
        chosen["sample_rate"] = settings.sample_rate
    if files.kind.is_streaming and number:
        chosen["device"] = int(number)
    if files.kind.is_transducer:
        chosen |= _transducer(settings, files)
    if files.name == "sense-voice":
        chosen |= {"language": (settings.language or "auto").partition("-")[0], "use_itn": settings.itn}
    if files.name == "whisper":
        chosen |= {"language": (settings.language or "").partition("-")[0], "task": settings.task}
    return chosen | settings.options


def _transducer(settings: SherpaSettings, files: ModelFiles) -> dict[str, object]:
    unit = settings.modeling_unit or ("bpe" if files.vocabulary else "cjkchar")
    if settings.decoding == "greedy_search":
        return {"decoding_method": "greedy_search"}
    if "bpe" in unit and files.vocabulary is None:
        raise ConfigError(
            "modeling_unit: the folder has no bpe.vocab, which hotwords need; a script of sherpa-onnx makes it of the "
            "model's bpe.model: scripts/export_bpe_vocab.py"
        )
    return {
        "decoding_method": settings.decoding,
        "hotwords_score": settings.hotwords_score,
        "modeling_unit": unit,
        "bpe_vocab": str(files.vocabulary) if "bpe" in unit else "",
    }
