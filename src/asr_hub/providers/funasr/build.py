"""A model of FunASR, made from its folder: nothing is fetched or installed, and no code from there is run."""

from __future__ import annotations

import contextlib
import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from funasr import AutoModel

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.funasr.failures import told
from asr_hub.providers.funasr.layout import Layout
from asr_hub.providers.funasr.settings import FunAsrSettings
from asr_hub.providers.funasr.weights import check_weights

_UNREADABLE = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, AssertionError, EOFError,
    pickle.UnpicklingError,
)  # fmt: skip
"""What FunASR and torch raise for a folder whose files are damaged or do not belong together."""


class Built(NamedTuple):
    """A model on its device, with what comes before and after it."""

    model: Any
    tokenizer: Any
    frontend: Any
    config: dict[str, Any]
    device: torch.device


def build(found: Layout, chosen: FunAsrSettings) -> Built:
    """
    Load what `found` holds. Takes seconds, and the memory of the weights.

    Raises ProviderUnavailable where it cannot be loaded or its weights are not those of the model; OutOfMemory.
    """
    device = chosen_device(chosen.device)
    try:
        with told(), _quiet():
            # The constructor of AutoModel would ask a registry for news and set up logging; this part of it does not.
            model, config = AutoModel.build_model(
                model=str(found.path), device=str(device), ncpu=chosen.threads, trust_remote_code=False, hub="ms"
            )
            if chosen.strict_weights:
                check_weights(model, found.weights)
    except _UNREADABLE as exc:
        raise _unreadable(found, exc) from exc
    frontend = config.get("frontend")
    if hasattr(frontend, "dither"):
        # Noise from a random generator: without it the same audio gives the same text.
        frontend.dither = 0.0
    if chosen.quantize == "int8":
        model = _quantized(model, device)
    return Built(model, config.get("tokenizer"), frontend, config, device)


def chosen_device(wish: str) -> torch.device:
    """Raises ConfigError for a device that there cannot be, ProviderUnavailable for one that is not there."""
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wish)
    except RuntimeError as exc:
        raise ConfigError(f"funasr: device {wish!r} is not one of auto, cpu, cuda, cuda:1 …") from exc
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ConfigError(f"funasr: device {wish!r} is not one of auto, cpu, cuda, cuda:1 …")
    index = device.index or 0
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise ProviderUnavailable(
            f"funasr: torch {torch.__version__} finds {count} CUDA devices, and {wish!r} is asked for; install a torch "
            "for CUDA and the driver, or set `device: auto`"
        )
    return torch.device("cuda", index)


def _quantized(model: Any, device: torch.device) -> Any:
    if device.type != "cpu":
        raise ConfigError("funasr: `quantize: int8` is for the CPU; leave it out on a GPU")
    quantization = getattr(torch.ao, "quantization", None)
    if quantization is None:
        raise ConfigError(f"funasr: torch {torch.__version__} has no dynamic quantisation; set `quantize: none`")
    with warnings.catch_warnings():
        # Announced to move to a package of its own, which does not know these models yet.
        warnings.filterwarnings("ignore", "torch.ao.quantization is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
        return quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def _unreadable(found: Layout, exc: Exception) -> ProviderUnavailable:
    why = str(exc).partition("\n")[0][:300]
    return ProviderUnavailable(
        f"funasr: {found.path} cannot be loaded as a {found.type}: {type(exc).__name__}: {why}. Fetch the whole model "
        "again, in a version for FunASR 1.x"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What FunASR prints and logs about its files is no news of the hub's."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        logging.disable(before)
