"""A language model of word pairs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

BEGIN, END = "<s>", "</s>"

_UNIFORM = 0.1
"""So much of each probability is the same for all words: no pair is impossible."""


class Bigram:
    """How probable a word is after another."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._firsts: Counter[str] = Counter()
        vocabulary = {END}
        for text in texts:
            spoken = [BEGIN, *text.split(), END]
            vocabulary.update(spoken[1:])
            self._firsts.update(spoken[:-1])
            self._pairs.update(pairwise(spoken))
        self._size = len(vocabulary)

    def cost(self, first: str, second: str) -> float:
        """The negative natural logarithm of the probability of `second` after `first`."""
        seen = self._pairs[first, second] / max(1, self._firsts[first])
        return -math.log((1 - _UNIFORM) * seen + _UNIFORM / self._size)
