"""What is said, by whom, for what: the list of utterances, and the samples they became."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from tools.train_tiny.grammar import TEMPLATES, Template, draw
from tools.train_tiny.voices import Split, Voice, cast

Samples = npt.NDArray[np.int16]
"""Mono, 16 kHz."""

RATE = 16_000
TESTS: tuple[Split, ...] = ("phrases", "variants", "speakers")
PER_TEST: dict[Split, int] = {"phrases": 160, "variants": 120, "speakers": 120}


class Utterance(msgspec.Struct, frozen=True):
    """One thing to be said."""

    split: Split
    text: str
    template: str
    digits: bool
    voice: Voice


class Corpus(msgspec.Struct, frozen=True):
    """Utterances and their samples, in the same order."""

    utterances: tuple[Utterance, ...]
    samples: tuple[Samples, ...]

    def of(self, split: Split) -> list[int]:
        """The places of the utterances of a split."""
        return [at for at, utterance in enumerate(self.utterances) if utterance.split == split]


def plan(count: int, seed: int) -> tuple[Utterance, ...]:
    """
    `count` utterances for training and PER_TEST for each test.

    Every template gets the same share. Drawn without regard to templates, most phrases would be strings of digits,
    because most phrases that exist are, and a good total would hide bad commands.
    """
    utterances = _draw("train", count, seed)
    for split, number in PER_TEST.items():
        utterances += _draw(split, number, seed)
    return tuple(utterances)


def save(folder: Path, corpus: Corpus) -> None:
    """Writes corpus.npz, then corpus.json, whose presence says that both are whole."""
    lengths = np.array([len(samples) for samples in corpus.samples])
    np.savez(folder / "corpus.npz", samples=np.concatenate(corpus.samples), lengths=lengths)
    (folder / "corpus.json").write_bytes(msgspec.json.encode(corpus.utterances))


def load(folder: Path) -> Corpus:
    """Reads what `save` wrote."""
    utterances = msgspec.json.decode((folder / "corpus.json").read_bytes(), type=tuple[Utterance, ...])
    with np.load(folder / "corpus.npz") as stored:
        samples = np.split(stored["samples"], np.cumsum(stored["lengths"])[:-1])
    return Corpus(utterances, tuple(samples))


def _draw(split: Split, count: int, seed: int) -> list[Utterance]:
    chance = random.Random(f"{seed} {split}")
    turns = _turns(held_out=split != "train")
    drawn = []
    for template in islice(turns, count):
        text = draw(chance, template, held_out=split != "train")
        drawn.append(Utterance(split, text, template.name, template.digits, cast(chance, split)))
    return drawn


def _turns(*, held_out: bool) -> Iterator[Template]:
    if not held_out:
        yield from cycle(TEMPLATES)
    commands = cycle([t for t in TEMPLATES if not t.digits and not t.fixed])
    digits = cycle([t for t in TEMPLATES if t.digits])
    # One to one: a figure on a few dozen words of either class would say little.
    while True:
        yield next(commands)
        yield next(digits)
