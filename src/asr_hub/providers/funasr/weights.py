"""Whether weights in a file are those of the model. FunASR loads what fits and leaves the rest random, in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from asr_hub.errors import ProviderUnavailable

_SHOWN = 3


def check_weights(model: torch.nn.Module, file: Path) -> None:
    """Raises ProviderUnavailable where a parameter of `model` is not in `file`, or has another shape there."""
    stored = _unwrapped(_read(file))
    wanted = model.state_dict()
    lacking = [name for name, tensor in wanted.items() if not _fits(stored, name, tensor)]
    if lacking:
        some = ", ".join(lacking[:_SHOWN]) + (" …" if len(lacking) > _SHOWN else "")
        raise ProviderUnavailable(
            f"funasr: {file} fits {len(wanted) - len(lacking)} of the model's {len(wanted)} parameters; the others "
            f"would be random: {some}. Fetch config.yaml and weights of the same version, or set `strict_weights: "
            "false` where you know that these are not used"
        )


def _read(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:
        # Files of torch before 1.6 cannot be mapped.
        return torch.load(file, map_location="cpu", weights_only=True)


def _unwrapped(stored: Any) -> Mapping[str, Any]:
    """The layers of wrapping that FunASR takes off, in its order."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(stored, Mapping) and key in stored:
            stored = stored[key]
    return stored if isinstance(stored, Mapping) else {}


def _fits(stored: Mapping[str, Any], name: str, tensor: torch.Tensor) -> bool:
    # Weights of a training on several devices have the prefix, and FunASR takes it off.
    other = stored.get(name, stored.get(f"module.{name}"))
    return isinstance(other, torch.Tensor) and other.shape == tensor.shape
