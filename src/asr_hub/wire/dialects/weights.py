"""The boost of a phrase, which every service counts in its own way, as the weight of a hotword."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

LARGEST = 10.0
"""Of all weights; 1 is usual."""


def weighted(phrases: Iterable[tuple[str, float]], *, strongest: float) -> dict[str, float]:
    """
    Phrases with their boost become hotwords with their weight: 1 without a boost, 10 with the strongest.

    What is to be avoided, with a boost below 0, is left out, and so are empty phrases and names of classes (`$MONTH`):
    engines here know none.
    """
    weights: dict[str, float] = {}
    for phrase, boost in phrases:
        word = " ".join(phrase.split())
        if not word or word.startswith("$") or boost < 0 or not isfinite(boost):
            continue
        weights[word] = round(min(1.0 + boost * (LARGEST - 1.0) / strongest, LARGEST), 3)
    return weights
