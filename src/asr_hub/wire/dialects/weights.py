"""The boost of a phrase, which every service counts in its own way, as the weight of a hotword."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from asr_hub.wire.conversation import Limits

LARGEST = 10.0
"""Of all weights; 1 is usual."""


def weighted(phrases: Iterable[tuple[str, float]], *, strongest: float, limits: Limits = Limits()) -> dict[str, float]:
    """
    Phrases with their boost become hotwords with their weight: 1 without a boost, 10 with the strongest.

    What is to be avoided, with a boost below 0, is left out, and so are empty phrases and names of classes (`$MONTH`):
    engines here know none. So is what the hub does not take: too many phrases are no reason to hear nothing.
    """
    weights: dict[str, float] = {}
    for phrase, boost in phrases:
        word = " ".join(phrase.split())
        if not 0 < len(word) <= limits.max_hotword_chars or not word.isprintable() or word.startswith("$"):
            continue
        if boost < 0 or not isfinite(boost):
            continue
        if len(weights) >= limits.max_hotwords:
            break
        weights[word] = round(min(1.0 + boost * (LARGEST - 1.0) / strongest, LARGEST), 3)
    return weights
