"""What the decoder is told before it begins: hotwords, and what was said before, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ROOM = 223
"""
Tokens before `<|startoftranscript|>`: half of the decoder's 448 positions, less `<|startofprev|>`, as in the training.
"""


class Told(NamedTuple):
    tokens: tuple[int, ...]
    hotwords: int
    """How many of the hotwords found room, counted from the first."""


def told(hotwords: Sequence[Sequence[int]], text: Sequence[int], *, room: int = ROOM) -> Told:
    """
    As much as has room: whole hotwords from the first, then the end of the text.

    Where both are long, each gets half. The text comes last, for it is what the model goes on from.
    """
    left = room - min(len(text), room // 2)
    chosen: list[int] = []
    count = 0
    for word in hotwords:
        if len(chosen) + len(word) > left:
            break
        chosen += word
        count += 1
    rest = room - len(chosen)
    return Told((*chosen, *text[max(0, len(text) - rest) :]), count)
