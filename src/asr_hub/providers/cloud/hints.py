"""Hotwords as a server takes them: cleaned, and no more than fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Hints(NamedTuple):
    """What may be sent, and what to tell the client about the rest."""

    words: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def fitting(hotwords: Iterable[str], *, most: int, longest: int, total: int) -> Hints:
    """The first of `hotwords`: at most `most`, none longer than `longest` characters, `total` characters in all."""
    wanted = dict.fromkeys(word for hotword in hotwords if (word := " ".join(hotword.split())))
    taken: list[str] = []
    for word in wanted:
        if len(word) > longest or len(taken) == most or len(word) > total:
            continue
        taken.append(word)
        total -= len(word)
    left = len(wanted) - len(taken)
    warning = f"{left} of {len(wanted)} hotwords are more or longer than the server takes and are left out"
    return Hints(tuple(taken), (warning,) if left else ())
