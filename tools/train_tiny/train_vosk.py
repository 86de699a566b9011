"""Trains the acoustic model of the tiny Vosk: phones by CTC (A. Graves et al., 2006)."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from tools.train_tiny.corpus import Corpus
from tools.train_tiny.features import Examples
from tools.train_tiny.progress import Progress
from tools.train_tiny.pronunciation import phones, pronunciations
from tools.train_tiny.schedule import Schedule, batches
from tools.train_tiny.tdnn import BINS, TimeDelayNet
from torch import Tensor, nn

_BATCH = 32


class Trained(msgspec.Struct, frozen=True):
    """The network, and what its input is to be normalised with."""

    net: TimeDelayNet
    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]


def spelled(text: str) -> list[int]:
    """The places of the phones of a text."""
    places = {phone: at for at, phone in enumerate(phones())}
    return [places[phone] for word in text.split() for phone in pronunciations()[word]]


def train(corpus: Corpus, examples: Examples, schedule: Schedule, *, seed: int, into: Path) -> None:
    """Writes the weights, and mean and deviation of the input, to `into`."""
    torch.manual_seed(seed)
    chance = random.Random(seed)
    mean, deviation = (torch.from_numpy(moment) for moment in examples.moments())
    net = TimeDelayNet(len(phones()))
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    rounds = batches([examples.length(at) for at in range(len(examples))], _BATCH, spread=20, seed=seed)
    told = Progress("vosk")
    for _, batch in zip(schedule, rounds, strict=False):
        inputs = nn.utils.rnn.pad_sequence(
            [_blotted((torch.from_numpy(examples.of(at)) - mean) / deviation, chance) for at in batch], batch_first=True
        )
        texts = [spelled(corpus.utterances[examples.utterance[at]].text) for at in batch]
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(3e-3, warm_up=150)
        loss = _loss(net, inputs, [-(-examples.length(at) // 3) for at in batch], texts)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        told.step(schedule, ctc=loss.item())
    torch.save({"net": net.state_dict(), "mean": mean, "deviation": deviation}, into)


def load(path: Path) -> Trained:
    """Reads what `train` wrote."""
    stored = torch.load(path, weights_only=True)
    net = TimeDelayNet(len(phones()))
    net.load_state_dict(stored["net"])
    return Trained(net.eval(), stored["mean"].numpy(), stored["deviation"].numpy())


def _loss(net: TimeDelayNet, inputs: Tensor, lengths: list[int], texts: list[list[int]]) -> Tensor:
    return F.ctc_loss(
        F.log_softmax(net(inputs), -1).transpose(0, 1),
        torch.tensor([phone for text in texts for phone in text]),
        torch.tensor(lengths),
        torch.tensor([len(text) for text in texts]),
        blank=0,
        zero_infinity=True,
    )


def _blotted(frames: Tensor, chance: random.Random) -> Tensor:
    """With a few bins and a tenth of a second wiped out, and at another level."""
    low, first = chance.randint(0, BINS - 1), chance.randint(0, len(frames) - 1)
    frames[:, low : low + chance.randint(0, 5)] = 0
    frames[first : first + chance.randint(0, 10)] = 0
    return frames + chance.uniform(-0.3, 0.3)
