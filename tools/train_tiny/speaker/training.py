"""Features of the talk, and a training that pulls each person's utterances together and strangers apart."""

from __future__ import annotations

import kaldi_native_fbank as knf
import msgspec
import numpy as np
import numpy.typing as npt
import torch
from tools.train_tiny.augment import Audio, rough
from tools.train_tiny.corpus import RATE
from tools.train_tiny.progress import Progress
from tools.train_tiny.schedule import Schedule
from tools.train_tiny.speaker.network import BINS, SIZE, Network
from tools.train_tiny.speaker.speaking import Talk
from torch import nn

_BATCH, _SHORTEST, _LONGEST = 64, 60, 220
"""Examples of a step, and the frames of 10 ms that they are cut to."""
_SCALE, _MARGIN = 24.0, 0.15
_PEAK = 2e-3


class Examples(msgspec.Struct, frozen=True):
    """The frames of every example, and who speaks."""

    frames: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]
    """Where each example begins in `frames`; one more, the end, closes it."""
    people: npt.NDArray[np.int64]


def fbank(audio: Audio) -> npt.NDArray[np.float32]:
    """80 bins, every 10 ms, as sherpa-onnx makes them for speakers. `audio` has full scale 1."""
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = BINS
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = -400
    computer = knf.OnlineFbank(options)
    computer.accept_waveform(RATE, (audio * 32768).astype(np.float32))
    computer.input_finished()
    return np.stack([computer.get_frame(at) for at in range(computer.num_frames_ready)])


def examples(talk: Talk, *, copies: int, seed: int) -> Examples:
    """`copies` rough examples of each turn for training."""
    frames, people = [], []
    for at in talk.of("train"):
        for copy in range(copies):
            example = rough(talk.samples[at], np.random.default_rng((seed, at, copy)), speeds=False)
            if example is not None:
                frames.append(fbank(example.audio).astype(np.float16))
                people.append(talk.turns[at].person)
    starts = np.concatenate([[0], np.cumsum([len(some) for some in frames])]).astype(np.int64)
    return Examples(np.concatenate(frames), starts, np.array(people, np.int64))


def train(given: Examples, schedule: Schedule, *, seed: int) -> Network:
    """A network for whom one person's embeddings point one way. Raises ValueError where there are too few examples."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    network = Network().train()
    towards = nn.Parameter(torch.randn(int(given.people.max()) + 1, SIZE))
    optimiser = torch.optim.AdamW([*network.parameters(), towards], lr=_PEAK, weight_decay=1e-3)
    progress = Progress("speaker")
    usable = np.flatnonzero(np.diff(given.starts) >= _LONGEST // 2)
    if len(usable) < _BATCH:
        raise ValueError(f"{len(usable)} examples are fewer than a batch of {_BATCH}: speak more turns")
    for _ in schedule:
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(_PEAK, warm_up=100)
        chosen = chance.choice(usable, _BATCH, replace=False)
        x, who = _batch(given, chosen, int(chance.integers(_SHORTEST, _LONGEST)), chance)
        cosines = nn.functional.normalize(network(x)) @ nn.functional.normalize(towards).T
        # Being the nearest is not enough: the right one must be nearer by a margin.
        cosines = cosines - _MARGIN * nn.functional.one_hot(who, cosines.shape[1])
        loss = nn.functional.cross_entropy(_SCALE * cosines, who)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress.step(schedule, loss=loss.item(), right=(cosines.argmax(1) == who).float().mean().item())
    return network.eval()


def _batch(
    given: Examples, chosen: npt.NDArray[np.int64], length: int, chance: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    cuts = []
    for at in chosen:
        begin, end = given.starts[at], given.starts[at + 1]
        first = begin + int(chance.integers(0, max(1, end - begin - length)))
        cut = given.frames[first : min(end, first + length)].astype(np.float32)
        # What is too short for the batch is said twice.
        cuts.append(np.resize(cut, (length, BINS)))
    return torch.from_numpy(np.stack(cuts)), torch.from_numpy(given.people[chosen])
