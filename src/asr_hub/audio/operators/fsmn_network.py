"""FunASR's FSMN-VAD network in numpy, over many sessions at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from asr_hub.audio.operators.fsmn_product import product

Floats = npt.NDArray[np.float32]


class Affine(msgspec.Struct, frozen=True):
    """A linear step: `weight` [in, out], and `bias` [out], or None."""

    weight: Floats
    bias: Floats | None = None

    def __call__(self, rows: Floats) -> Floats:
        result = product(rows, self.weight)
        if self.bias is not None:
            result += self.bias
        return result


class Block(msgspec.Struct, frozen=True):
    """One layer: down to a few numbers, their memory, and up again."""

    down: Affine
    taps: Floats
    """[order, width]: how much of each number counts, from the oldest frame to the present one."""
    up: Affine


class Network(msgspec.Struct, frozen=True):
    """
    A feed-forward sequential memory network (Zhang et al., Deep-FSMN, https://arxiv.org/abs/1803.05030).

    All that it remembers of a session is, for each layer, what the layer made of the last frames. So the frames of all
    sessions go through each layer as one matrix; only the memory is looked up session by session.
    """

    shift: Floats
    scale: Floats
    """What makes features of mean 0 and variance 1: (feature + shift) * scale."""
    entry: tuple[Affine, Affine]
    blocks: tuple[Block, ...]
    exit: tuple[Affine, Affine]
    silence: tuple[int, ...]
    """Which of the network's answers mean that nobody speaks."""

    def nothing(self) -> Floats:
        """What is remembered before the first frame: [layers, order - 1, width]."""
        order, width = self.blocks[0].taps.shape
        return np.zeros((len(self.blocks), order - 1, width), dtype=np.float32)

    def speech(self, features: Floats, counts: Sequence[int], memories: Floats) -> Floats:
        """
        The probability of speech, 0 to 1, for each row of `features` [rows, features].

        The rows of each session stand together, oldest first: `counts` says how many. Neighbours with equally many are
        looked up at once. `memories` [sessions, layers, order - 1, width] is brought up to date.
        """
        rows = (features + self.shift) * self.scale
        rows = _positive(self.entry[1](self.entry[0](rows)))
        for block, memory in zip(self.blocks, memories.swapaxes(0, 1), strict=True):
            rows = block.down(rows)
            for sessions, these, count in _alike(counts):
                rows[these] += _remember(block.taps, rows[these], count, memory[sessions])
            rows = _positive(block.up(rows))
        answers = self.exit[1](self.exit[0](rows))
        answers -= answers.max(axis=1, keepdims=True)
        np.exp(answers, out=answers)
        silent: Floats = answers[:, self.silence].sum(axis=1) / answers.sum(axis=1)
        return np.clip(1 - silent, 0, 1)


def _positive(rows: Floats) -> Floats:
    return np.maximum(rows, np.float32(0), out=rows)


def _alike(counts: Sequence[int]) -> Iterator[tuple[slice, slice, int]]:
    """Neighbouring sessions with equally many rows: which sessions, which rows, and how many rows each."""
    session = row = 0
    for count, group in itertools.groupby(counts):
        size = len(list(group))
        yield slice(session, session + size), slice(row, row + size * count), count
        session, row = session + size, row + size * count


def _remember(taps: Floats, rows: Floats, count: int, memory: Floats) -> Floats:
    """The weighted sum of each row and those before it, for sessions of `count` rows. Brings `memory` up to date."""
    order, width = taps.shape
    known = np.concatenate([memory, rows.reshape(-1, count, width)], axis=1)
    memory[:] = known[:, count:]
    windows = np.lib.stride_tricks.sliding_window_view(known, order, axis=1)
    # The order of the axes is that of the numbers in memory: einsum then runs many times faster.
    sums: Floats = np.einsum("stkw,kw->stw", windows.transpose(0, 1, 3, 2), taps)
    return sums.reshape(-1, width)
