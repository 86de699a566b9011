"""The network: convolutions over frames, statistics that attend to some of them, an embedding."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

BINS, WIDTH, WIDE, SIZE = 80, 96, 128, 64
OPSET = 14


class Network(nn.Module):
    """(N, frames, BINS) log energies to (N, SIZE), centred, so that the cosine of two strangers is near 0."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = nn.Sequential(
            *_layer(BINS, WIDTH, 5, 1), *_layer(WIDTH, WIDTH, 3, 2), *_layer(WIDTH, WIDTH, 3, 3), *_layer(WIDTH, WIDE)
        )
        self.attention = nn.Sequential(nn.Conv1d(WIDE, 32, 1), nn.Tanh(), nn.Conv1d(32, WIDE, 1))
        self.embedding = nn.Sequential(
            nn.BatchNorm1d(2 * WIDE), nn.Linear(2 * WIDE, SIZE), nn.BatchNorm1d(SIZE, affine=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        # How loud somebody speaks says nothing of who it is.
        loudest = x.mean(2, keepdim=True).amax(1, keepdim=True)
        h = self.frames(((x - loudest).clamp(min=-12.0) / 4).transpose(1, 2))
        share = self.attention(h).softmax(2)
        mean = (share * h).sum(2)
        spread = ((share * h * h).sum(2) - mean * mean).clamp(min=1e-5).sqrt()
        embedding: Tensor = self.embedding(torch.cat([mean, spread], 1))
        return embedding


def export(network: Network, path: Path) -> None:
    """Writes the network as ONNX, with the notes that sherpa-onnx reads."""
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, 100, BINS),),
        path,
        input_names=["x"],
        output_names=["embedding"],
        dynamic_axes={"x": {0: "N", 1: "T"}, "embedding": {0: "N"}},
        opset_version=OPSET,
        dynamo=False,
    )
    notes = {
        "framework": "wespeaker",
        "language": "English",
        "url": "tools/train_tiny/speaker",
        "comment": "synthesised voices",
        "sample_rate": "16000",
        "output_dim": str(SIZE),
        "normalize_samples": "0",
    }
    model = onnx.load(path)
    onnx.helper.set_model_props(model, notes)
    onnx.save(model, path)


def _layer(before: int, after: int, width: int = 1, step: int = 1) -> tuple[nn.Module, ...]:
    around = (width - 1) // 2 * step
    return nn.Conv1d(before, after, width, dilation=step, padding=around), nn.ReLU(), nn.BatchNorm1d(after)
