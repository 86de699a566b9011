"""The decoder of a streaming Paraformer, for a step of many utterances at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from asr_hub.providers.funasr.chunk_predictor import Fired
from asr_hub.providers.funasr.chunk_state import ChunkState
from asr_hub.providers.funasr.grouped import grouped


class ChunkDecoder:
    """FunASR's own layers, each called once for all utterances whose tensors have the same shape."""

    def __init__(self, decoder: Any, chunk: tuple[int, int, int], look_back: int) -> None:
        self._decoder = decoder
        self._attending = list(decoder.decoders)[: decoder.att_layer_num]
        # FunASR leaves a single layer without attention out when it streams.
        self._plain = list(decoder.decoders2) if decoder.num_blocks - decoder.att_layer_num > 1 else []
        self._kernel = self._attending[0].self_attn.kernel_size
        self._chunk = list(chunk)
        self._look_back = look_back

    def run(
        self, states: Sequence[ChunkState], encoded: Sequence[torch.Tensor], fired: Sequence[Fired]
    ) -> tuple[list[ChunkState], list[list[int]]]:
        """For each utterance its state, and the numbers of its tokens. Nothing changes where none has fired."""
        after = list(states)
        tokens: list[list[int]] = [[] for _ in states]
        speaking = [place for place, each in enumerate(fired) if each.frames]
        shapes = [(len(fired[place].frames), encoded[place].shape[1], _frames_of(states[place])) for place in speaking]
        for group in grouped(shapes):
            places = [speaking[number] for number in group]
            scores, memory, caches = self._batch(
                torch.stack([fired[place].embeds for place in places]),
                torch.cat([encoded[place] for place in places]),
                [states[place] for place in places],
            )
            for row, (place, ids) in enumerate(zip(places, scores.argmax(-1).tolist(), strict=True)):
                tokens[place] = ids
                own = None if caches is None else caches[:, :, row : row + 1].clone()
                after[place] = replace(states[place], memory=memory[:, row : row + 1].clone(), decoder=own)
        return after, tokens

    def _batch(
        self, x: torch.Tensor, encoded: torch.Tensor, states: Sequence[ChunkState]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        before = torch.cat([self._memory(state, x) for state in states], dim=1)
        present = [state.decoder for state in states if state.decoder is not None]
        caches = torch.cat(present, dim=2) if present else None
        memory = []
        fresh = []
        for number, layer in enumerate(self._attending):
            cache = None if caches is None else {"k": caches[number, 0], "v": caches[number, 1]}
            x, encoded, kept, cache = layer.forward_chunk(
                x, encoded, before[number], cache, chunk_size=self._chunk, look_back=self._look_back
            )
            memory.append(self._trimmed(kept))
            fresh.append(cache)
        for number, layer in enumerate(self._plain, start=len(self._attending)):
            x, encoded, kept, _ = layer.forward_chunk(x, encoded, before[number])
            memory.append(self._trimmed(kept))
        for layer in self._decoder.decoders3:
            x = layer.forward_chunk(x, encoded)[0]
        if self._decoder.normalize_before:
            x = self._decoder.after_norm(x)
        stacked = torch.stack([torch.stack((c["k"], c["v"])) for c in fresh]) if self._look_back else None
        return self._decoder.output_layer(x), torch.stack(memory), stacked

    def _memory(self, state: ChunkState, like: torch.Tensor) -> torch.Tensor:
        if state.memory is not None:
            return state.memory
        layers = len(self._attending) + len(self._plain)
        return torch.zeros(layers, 1, like.shape[-1], self._kernel, device=like.device, dtype=like.dtype)

    def _trimmed(self, kept: torch.Tensor) -> torch.Tensor:
        """One size for all, whatever the number of tokens: the next step reads the last `kernel - 1` columns only."""
        return torch.nn.functional.pad(kept[:, :, -(self._kernel - 1) :], (1, 0))


def _frames_of(state: ChunkState) -> int:
    return 0 if state.decoder is None else state.decoder.shape[4]
