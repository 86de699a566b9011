"""
The predictor of a streaming Paraformer, for a step of many utterances at once: where tokens are, and their embeddings.

Continuous integrate-and-fire (Dong and Xu, 2020, arXiv:1905.11235): the weights of the frames are added up, and each
time the sum reaches the threshold a token is there, made of the frames since the last one. Given the weights, that is
one matrix for each utterance; so only they are looked at one by one, on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from asr_hub.providers.funasr.chunk_state import Chunk, ChunkState
from asr_hub.providers.funasr.grouped import grouped

Array = np.ndarray[Any, np.dtype[np.float32]]


class Fired(NamedTuple):
    """The tokens of one step of one utterance."""

    embeds: torch.Tensor
    """[tokens, width]"""
    frames: tuple[int, ...]
    """Of the utterance, the frame in which each token fired."""


class ChunkPredictor:
    """A CifPredictorV2, without its loop over frames and utterances."""

    def __init__(self, predictor: Any, chunk: tuple[int, int, int]) -> None:
        self._predictor = predictor
        self._before = chunk[0]
        self._inside = chunk[0] + chunk[1]

    def run(
        self, states: Sequence[ChunkState], chunks: Sequence[Chunk], encoded: Sequence[torch.Tensor]
    ) -> tuple[list[ChunkState], list[Fired]]:
        """For each utterance its state, and the tokens that were completed in this step."""
        after = list(states)
        fired = [Fired(each[0, :0], ()) for each in encoded]
        for places in grouped([each.shape[1] for each in encoded]):
            hidden = torch.cat([encoded[place] for place in places])
            weights = self._weights(hidden, [chunks[place].is_final for place in places])
            carried = np.array([[states[place].weight] for place in places], np.float32)
            weights = np.concatenate((carried, weights), axis=1)
            shares, fires, rest = integrate(weights, self._predictor.threshold)
            first = torch.stack([states[place].carried for place in places])[:, None]
            nothing = torch.zeros_like(first)
            # [utterances, tokens + 1, width]: the last row of each is what is left for the next step.
            sums = torch.from_numpy(shares).to(hidden.device) @ torch.cat((first, hidden, nothing), dim=1)
            for row, place in enumerate(places):
                count = len(fires[row])
                # The first column is the step before, not a frame of this one.
                frames = tuple(chunks[place].first_frame + frame - 1 for frame in fires[row])
                fired[place] = Fired(sums[row, :count].clone(), frames)
                left = float(rest[row])
                carried_now = sums[row, count] / left if left > 0 else sums[row, count]
                after[place] = replace(states[place], weight=left, carried=carried_now.clone())
        return after, fired

    def _weights(self, hidden: torch.Tensor, is_final: Sequence[bool]) -> Array:
        """The weight of each frame, and behind them that of the utterance's end: [utterances, frames + 1]."""
        predictor = self._predictor
        context = torch.relu(predictor.cif_conv1d(predictor.pad(hidden.transpose(1, 2)))).transpose(1, 2)
        alphas = torch.sigmoid(predictor.cif_output(context)).squeeze(-1)
        weights: Array = torch.relu(alphas * predictor.smooth_factor - predictor.noise_threshold).cpu().numpy()
        final = np.array(is_final, np.float32)[:, None]
        weights[:, : self._before] = 0
        # Frames after the step come again in the next one, if there is one.
        weights[:, self._inside :] *= final
        return np.concatenate((weights, final * np.float32(predictor.tail_threshold)), axis=1)


def integrate(weights: Array, threshold: float) -> tuple[Array, list[list[int]], Array]:
    """
    Add up `weights`, [utterances, frames], and fire at each `threshold`; no weight may be greater than it.

    Gives each token's share of each frame, [utterances, tokens + 1, frames], the last row of an utterance being what
    has not fired yet; the frames that fired; and the sum of what has not.
    """
    rows, columns = weights.shape
    limit = np.float32(threshold)
    total = np.zeros(rows, np.float32)
    fires: list[list[int]] = [[] for _ in range(rows)]
    most = int(weights.sum(axis=1, dtype=np.float64).max(initial=0) / threshold) + 2
    shares = np.zeros((rows, most + 1, columns), np.float32)
    every = np.arange(rows)
    counts = np.zeros(rows, np.intp)
    for column in range(columns):
        weight = weights[:, column]
        has_fired = weight + total >= limit
        shares[every, counts, column] += np.where(has_fired, limit - total, weight)
        total = total + weight - np.where(has_fired, limit, np.float32(0))
        for row in np.flatnonzero(has_fired):
            fires[row].append(column)
        counts += has_fired
        shares[every, counts, column] += np.where(has_fired, total, np.float32(0))
    return shares[:, : int(counts.max(initial=0)) + 1], fires, total
