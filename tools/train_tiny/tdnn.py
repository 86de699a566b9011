"""
A time-delay neural network (V. Peddinti et al., A time delay neural network architecture for efficient modeling of long
temporal contexts, 2015) of a shape that Kaldi's nnet3 can compute.
"""

from __future__ import annotations

import msgspec
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn

BINS, WIDTH = 40, 128
STRIDE = 3
"""One output for three frames."""


class Layer(msgspec.Struct, frozen=True):
    """What one affine layer sees of the one below."""

    offsets: tuple[int, ...]
    """In steps of its input."""
    stride: int = 1
    """Of its output, in steps of its input."""


LAYERS = (
    Layer((-2, -1, 0, 1, 2)),
    Layer((-1, 0, 1), STRIDE),
    Layer((-1, 0, 1)),
    Layer((-1, 0, 1)),
    Layer((-1, 0, 1)),
    Layer((-2, 0, 1)),
)


def frame_offsets() -> tuple[tuple[int, ...], ...]:
    """The offsets of each layer in frames of 10 ms, as nnet3 counts them."""
    pace, offsets = 1, []
    for layer in LAYERS:
        offsets.append(tuple(offset * pace for offset in layer.offsets))
        pace *= layer.stride
    return tuple(offsets)


def context() -> tuple[int, int]:
    """How many frames before and after its own an output sees."""
    return -sum(min(offsets) for offsets in frame_offsets()), sum(max(offsets) for offsets in frame_offsets())


class TimeDelayNet(nn.Module):
    """(batch, frames, BINS) to (batch, ceil(frames / STRIDE), outputs), before the softmax."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        sizes = [BINS, *[WIDTH] * len(LAYERS)]
        self.hidden = nn.ModuleList(
            nn.Linear(size * len(layer.offsets), WIDTH) for size, layer in zip(sizes, LAYERS, strict=False)
        )
        self.output = nn.Linear(WIDTH, outputs)

    def forward(self, frames: Tensor) -> Tensor:
        before, after = context()
        # Kaldi repeats the first and the last frame where there are no more.
        first, last = frames[:, :1].expand(-1, before, -1), frames[:, -1:].expand(-1, after, -1)
        seen = torch.cat([first, frames, last], 1)
        for affine, layer in zip(self.hidden, LAYERS, strict=True):
            seen = F.dropout(F.relu(affine(_spliced(seen, layer))), 0.1, self.training)
        scores: Tensor = self.output(seen)
        return scores


def _spliced(seen: Tensor, layer: Layer) -> Tensor:
    low, high = min(layer.offsets), max(layer.offsets)
    end = seen.shape[1] - (high - low)
    return torch.cat([seen[:, offset - low : offset - low + end : layer.stride] for offset in layer.offsets], -1)
