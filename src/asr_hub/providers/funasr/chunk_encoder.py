"""The encoder of a streaming Paraformer, for a step of many utterances at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from asr_hub.providers.funasr.chunk_state import Chunk, ChunkState
from asr_hub.providers.funasr.grouped import grouped


class ChunkEncoder:
    """FunASR's own layers, each called once for all utterances whose tensors have the same shape."""

    def __init__(self, encoder: Any, chunk: tuple[int, int, int], look_back: int) -> None:
        self._encoder = encoder
        self._layers = [*encoder.encoders0, *encoder.encoders]
        self._chunk = list(chunk)
        self._look_back = look_back

    def run(self, states: Sequence[ChunkState], chunks: Sequence[Chunk]) -> tuple[list[ChunkState], list[torch.Tensor]]:
        """For each utterance its state, and what the encoder makes of its frames: [1, frames, width]."""
        after = list(states)
        encoded = [chunk.frames for chunk in chunks]
        shapes = [(chunk.frames.shape[1], _frames_of(state)) for state, chunk in zip(states, chunks, strict=True)]
        for places in grouped(shapes):
            kept = [states[place].encoder for place in places]
            caches = _joined(kept)
            x = torch.cat([chunks[place].frames for place in places])
            fresh = []
            for number, layer in enumerate(self._layers):
                cache = None if caches is None else {"k": caches[number, 0], "v": caches[number, 1]}
                x, cache = layer.forward_chunk(x, cache, self._chunk, self._look_back)[:2]
                fresh.append(cache)
            if self._encoder.normalize_before:
                x = self._encoder.after_norm(x)
            stacked = self._stacked(fresh)
            for row, place in enumerate(places):
                encoded[place] = x[row : row + 1]
                # A copy: a view would keep the whole batch in memory as long as one of its utterances.
                own = None if stacked is None else stacked[:, :, row : row + 1].clone()
                after[place] = replace(states[place], encoder=own)
        return after, encoded

    def _stacked(self, caches: Sequence[Any]) -> torch.Tensor | None:
        if self._look_back == 0:
            return None
        return torch.stack([torch.stack((cache["k"], cache["v"])) for cache in caches])


def _frames_of(state: ChunkState) -> int:
    return 0 if state.encoder is None else state.encoder.shape[4]


def _joined(kept: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    present = [cache for cache in kept if cache is not None]
    return torch.cat(present, dim=2) if present else None
