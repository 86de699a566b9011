"""What a streaming Paraformer remembers of an utterance between two steps. It does not grow with the utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class ChunkState:
    """Never changed in place, so that a step that failed can be tried again."""

    frontend: dict[str, Any]
    """The cache of FunASR's frontend: audio and frames that the next features need."""
    position: int
    """Frames that were heard."""
    overlap: torch.Tensor
    """Frames before and after a step, of the last one: [1, before + after, features]."""
    encoder: torch.Tensor | None
    """Keys and values of the encoder: [layers, 2, 1, heads, frames, width]. None before the first step."""
    weight: float
    """What the predictor has integrated since it last fired."""
    carried: torch.Tensor
    """The mean of the frames that it has integrated: [width]."""
    memory: torch.Tensor | None
    """Of the decoder's convolutions: [layers, 1, width, kernel]. None before the first token."""
    decoder: torch.Tensor | None
    """Keys and values of the decoder: [layers, 2, 1, heads, frames, width]."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One step of one utterance."""

    frames: torch.Tensor
    """Features with the overlap before them: [1, frames, features]."""
    first_frame: int
    """Of the utterance, the number of `frames[0]`. Negative in the beginning."""
    is_final: bool
