"""How the words are pronounced: the CMU Pronouncing Dictionary that comes with PocketSphinx."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pocketsphinx
from tools.train_tiny.grammar import words

BLANK = "SIL"
"""The CTC blank: between phones it stands for nothing, around words it is what silence gives."""

Pronunciations = dict[str, tuple[str, ...]]


@cache
def pronunciations() -> Pronunciations:
    """Every word of the grammar, as the phones of its first pronunciation."""
    lines = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines()
    return parse(lines, words())


@cache
def phones() -> tuple[str, ...]:
    """The blank, and every phone of the grammar. Their places are the outputs of the network."""
    return (BLANK, *sorted({phone for spoken in pronunciations().values() for phone in spoken}))


def parse(lines: Iterable[str], wanted: Iterable[str]) -> Pronunciations:
    """
    The wanted words out of the lines of a dictionary: `word phone phone …`, further pronunciations as `word(2)`.

    Raises ValueError for wanted words that are not in it.
    """
    found = {}
    names = set(wanted)
    for line in lines:
        word, *spoken = line.split()
        if word in names:
            found[word] = tuple(spoken)
    if missing := names - found.keys():
        raise ValueError(f"the dictionary has no {', '.join(sorted(missing))}: take words that it has")
    return found
