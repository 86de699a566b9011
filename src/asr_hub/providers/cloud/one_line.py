"""Pieces of one transcript as one line of text."""

from __future__ import annotations

from functools import reduce

from asr_hub.providers.host.agreement import joined


def one_line(*pieces: str) -> str:
    """
    The pieces after each other, with single spaces where words are written with spaces.

    Some servers begin a later piece with its space and some do not; it makes no difference here.
    """
    return reduce(joined, (" ".join(piece.split()) for piece in pieces), "")
