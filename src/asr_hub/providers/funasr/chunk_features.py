"""Features of one step of a streaming Paraformer: filter banks, positions, and the overlap with the step before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from funasr.utils.load_utils import extract_fbank

from asr_hub.errors import ConfigError
from asr_hub.providers.funasr.build import Built
from asr_hub.providers.funasr.chunk_state import Chunk, ChunkState
from asr_hub.providers.funasr.samples import Samples

_SHORTEST = 960
"""Samples. From what remains of an utterance, less than this makes no frame."""

_BASE = 10_000.0
"""Of the sinusoids: Vaswani and others, 2017, arXiv:1706.03762, section 3.5."""


class ChunkFeatures:
    """The front of a streaming Paraformer. One utterance at a time: FunASR's frontend takes no batch."""

    def __init__(self, built: Built, chunk: tuple[int, int, int]) -> None:
        if type(built.model.encoder.embed).__name__ != "StreamSinusoidalPositionEncoder":
            raise ConfigError("funasr: this streaming model has no sinusoidal positions (`input_layer: pe_online`)")
        self._frontend = built.frontend
        self._device = built.device
        self._width = built.model.encoder.output_size()
        self._overlap = chunk[0] + chunk[2]
        self._size = built.frontend.output_size()
        half = self._size // 2
        step = torch.log(torch.tensor(_BASE)) / (self._size / 2 - 1)
        self._timescales = torch.exp(torch.arange(half, dtype=torch.float32) * -step).to(self._device)

    def begin(self) -> ChunkState:
        """The state before the first sample."""
        return ChunkState(
            frontend={},
            position=0,
            overlap=torch.zeros(1, self._overlap, self._size, device=self._device),
            encoder=None,
            weight=0.0,
            carried=torch.zeros(self._width, device=self._device),
            memory=None,
            decoder=None,
        )

    def take(self, state: ChunkState, samples: Samples, *, is_final: bool) -> tuple[ChunkState, Chunk]:
        """The next step, and the state after it. `samples` are a whole step, or with `is_final` what remains."""
        first = state.position - self._overlap
        if is_final and len(samples) < _SHORTEST:
            return state, Chunk(state.overlap, first, is_final)
        cache = _copied(state.frontend)
        features, _ = extract_fbank(
            [torch.from_numpy(samples)], frontend=self._frontend, cache=cache, is_final=is_final
        )
        count = features.shape[1]
        placed = features.to(self._device) * self._width**0.5 + self._positions(state.position, count)
        frames = torch.cat((state.overlap, placed), dim=1)
        kept = frames[:, frames.shape[1] - self._overlap :]
        return replace(state, frontend=cache, position=state.position + count, overlap=kept), Chunk(
            frames, first, is_final
        )

    def _positions(self, before: int, count: int) -> torch.Tensor:
        """Only those of this step: FunASR makes those of the whole utterance again in each."""
        places = torch.arange(before + 1, before + count + 1, dtype=torch.float32, device=self._device)
        angles = places[:, None] * self._timescales
        return torch.cat((angles.sin(), angles.cos()), dim=1)[None]


def _copied(cache: dict[str, Any]) -> dict[str, Any]:
    """FunASR replaces the tensors in its cache and writes into the lists."""
    return {key: list(value) if isinstance(value, list) else value for key, value in cache.items()}
