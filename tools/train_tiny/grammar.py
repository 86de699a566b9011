"""The phrases that the tiny models know: a dozen templates over eighty words."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import msgspec

DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = (*DIGITS, "fifteen", "twenty", "thirty")
ROOMS = ("kitchen", "bedroom", "garage", "office")
DEVICES = ("lights", "fan", "music", "heater", "radio")

_HELD_OUT_SHARE = 6
"""One phrase in so many is for tests alone."""


class Template(msgspec.Struct, frozen=True):
    """A form of phrase: one word or group of words for each place, chosen independently."""

    name: str
    places: tuple[tuple[str, ...], ...]
    digits: bool = False
    """Strings of digits are told apart from commands in every figure: they are many, and would hide the commands."""
    at_least: int = 0
    """How many of the places are filled; 0 stands for all."""
    fixed: bool = False
    """Too few phrases to keep any of them from the training."""

    def draw(self, chance: random.Random) -> str:
        """A phrase, every choice equally likely."""
        count = chance.randint(self.at_least or len(self.places), len(self.places))
        return " ".join(chance.choice(place) for place in self.places[:count])

    def phrases(self) -> Iterator[str]:
        """Every phrase, the shortest first."""
        for count in range(self.at_least or len(self.places), len(self.places) + 1):
            yield from map(" ".join, product(*self.places[:count]))


TEMPLATES = (
    Template("switch", (("turn",), ("on", "off"), ("the",), DEVICES)),
    Template("switch-room", (("turn",), ("on", "off"), ("the",), ROOMS, DEVICES)),
    Template("timer", (("set a timer for",), NUMBERS, ("minutes", "seconds", "hours"))),
    Template("move", (("go",), ("forward", "backward", "left", "right"), NUMBERS, ("meters", "steps"))),
    Template("door", (("open", "close"), ("the",), ("door", "window", "garage", "curtain"))),
    Template("player", (("play", "pause", "stop"), ("the",), ("music", "radio"))),
    Template("call", (("call",), ("mother", "father", "john", "mary"), ("now", "today", "tomorrow"))),
    Template(
        "question",
        (("what time is it", "what is the weather today", "what is the weather tomorrow", "volume up", "volume down"),),
        fixed=True,
    ),
    Template(
        "greeting",
        (("hello computer", "good morning", "good night", "thank you computer", "repeat that please"),),
        fixed=True,
    ),
    Template(
        "word",
        (("yes", "no", "stop", "cancel", "help", "next song", "turn left", "turn right", "go home"),),
        fixed=True,
    ),
    Template("digits-short", (DIGITS,) * 3, digits=True, at_least=2),
    Template("digits-long", (DIGITS,) * 6, digits=True, at_least=4),
)


@cache
def words() -> tuple[str, ...]:
    """Every word of the grammar, sorted."""
    return tuple(sorted({word for t in TEMPLATES for place in t.places for some in place for word in some.split()}))


def is_held_out(phrase: str) -> bool:
    """Whether a phrase is for tests alone. It does not depend on the seed, so each model can be tested on each set."""
    return phrase in _kept_out() or zlib.crc32(phrase.encode()) % _HELD_OUT_SHARE == 0


def draw(chance: random.Random, template: Template, *, held_out: bool) -> str:
    """
    A phrase of one template that is for training, or for tests.

    Raises ValueError where a template has no phrases of the kind.
    """
    if template.digits:
        # Far too many to list; of each kind there are enough that one soon comes.
        while is_held_out(phrase := template.draw(chance)) != held_out:
            pass
        return phrase
    phrases = listed(template, held_out=held_out)
    if not phrases:
        raise ValueError(f"{template.name} has no phrases for {'tests' if held_out else 'training'}: draw from another")
    return chance.choice(phrases)


@cache
def listed(template: Template, *, held_out: bool) -> tuple[str, ...]:
    """Every phrase of a template that is for training, or for tests. Not for strings of digits: they are a million."""
    return tuple(p for p in template.phrases() if (not template.fixed and is_held_out(p)) == held_out)


def template_of(phrase: str) -> Template | None:
    """The template that a phrase is of; None for a phrase that the grammar does not know."""
    spoken = phrase.split()
    for template in TEMPLATES:
        if template.digits:
            if template.at_least <= len(spoken) <= len(template.places) and set(spoken) <= set(DIGITS):
                return template
        elif phrase in listed(template, held_out=False) + listed(template, held_out=True):
            return template
    return None


@cache
def _kept_out() -> frozenset[str]:
    # Test clips say these; a model that was trained on them would make the tests say nothing.
    return frozenset(Path(__file__).with_name("kept_out.txt").read_text().splitlines())
