"""The people whose voices are told apart: made of the variants of espeak-ng, each at several pitches and sizes."""

from __future__ import annotations

import random
from itertools import product
from typing import Literal

import msgspec
from tools.train_tiny.grammar import TEMPLATES, draw
from tools.train_tiny.speaker.sentences import SENTENCES
from tools.train_tiny.voices import ACCENTS, VARIANTS, VARIANTS_FOR_TESTS, Voice

Split = Literal["train", "phrases", "people"]
"""`phrases` are new phrases of people in the training, `people` are those whom it does not know."""

_PITCHES, _SIZES = (25, 40, 55, 70), (0.88, 1.0, 1.12)
_PITCHES_FOR_TESTS, _SIZES_FOR_TESTS = (32, 62), (0.92, 1.08)

_SENTENCE_SHARE = 0.6
"""Of the utterances for training; the phrases of the grammar have few sounds."""


class Person(msgspec.Struct, frozen=True):
    """One voice."""

    accent: str
    variant: str
    pitch: int
    size: float
    """By how much the audio is stretched: a longer throat is lower in everything."""
    speed: int
    """Words a minute, before it is stretched."""


class Turn(msgspec.Struct, frozen=True):
    """One thing to be said, by one person."""

    split: Split
    person: int
    """Of `everybody()`."""
    text: str
    voice: Voice
    size: float


def everybody(seed: int) -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """The people of the training, and those who are for tests alone."""
    chance = random.Random(f"{seed} people")
    return (
        tuple(_person(chance, *way) for way in product(VARIANTS, _PITCHES, _SIZES)),
        tuple(_person(chance, *way) for way in product(VARIANTS_FOR_TESTS, _PITCHES_FOR_TESTS, _SIZES_FOR_TESTS)),
    )


def plan(turns: int, seed: int) -> tuple[Turn, ...]:
    """`turns` of each person for training; two for tests of every other one, eight of those for tests alone."""
    known, unknown = everybody(seed)
    chance = random.Random(f"{seed} turns")
    planned = [_turn(chance, "train", at, person) for at, person in enumerate(known) for _ in range(turns)]
    planned += [_turn(chance, "phrases", at, person) for at, person in enumerate(known) if at % 2 for _ in range(2)]
    planned += [_turn(chance, "people", len(known) + at, who) for at, who in enumerate(unknown) for _ in range(8)]
    return tuple(planned)


def _person(chance: random.Random, variant: str, pitch: int, size: float) -> Person:
    return Person(chance.choice(ACCENTS), variant, pitch, size, chance.randint(140, 180))


def _turn(chance: random.Random, split: Split, number: int, person: Person) -> Turn:
    # Nobody says everything alike.
    voice = Voice(
        "espeak-ng",
        person.accent + (f"+{person.variant}" if person.variant else ""),
        person.speed + chance.randint(-12, 12),
        person.pitch + chance.randint(-3, 3),
    )
    return Turn(split, number, _text(chance, held_out=split != "train"), voice, person.size)


def _text(chance: random.Random, *, held_out: bool) -> str:
    if not held_out and chance.random() < _SENTENCE_SHARE:
        return chance.choice(SENTENCES)
    templates = [template for template in TEMPLATES if not template.fixed]
    return " ".join(draw(chance, chance.choice(templates), held_out=held_out) for _ in range(2))
