"""Hotwords as a server takes them: cleaned, and no more than fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Hints(NamedTuple):
    """What may be sent, and what to tell the client about the rest."""

    words: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def fitting(hotwords: Iterable[str], *, most: int, longest: int, total: int, are_alike: bool = False) -> Hints:
    """
    The first of `hotwords`: at most `most`, none longer than `longest` characters, `total` characters in all.

    With `are_alike` they had weights, and the server takes none.
    """
    wanted = dict.fromkeys(word for hotword in hotwords if (word := " ".join(hotword.split())))
    taken: list[str] = []
    for word in wanted:
        if len(word) > longest or len(taken) == most or len(word) > total:
            continue
        taken.append(word)
        total -= len(word)
    left = len(wanted) - len(taken)
    warnings = []
    if left:
        warnings.append(f"{left} of {len(wanted)} hotwords are more or longer than the server takes and are left out")
    if are_alike and wanted:
        warnings.append("the server prefers all hotwords alike: of their weights only the order is used")
    return Hints(tuple(taken), tuple(warnings))
