"""Hotwords as sherpa-onnx takes them: a line of phrases, each spelled with the characters of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SPACE = "▁"
"""How lists of tokens write the space before a word."""
_BETWEEN = "/"
_MARKED = re.compile(r"(?:^| )[:#@]")
"""What the SDK reads for a score, a threshold or a name."""


class Spelling:
    """
    The characters that a model knows.

    A hotword that the model cannot spell must not reach the SDK: it would take no hotword at all, or read a score or
    another phrase out of it.
    """

    def __init__(self, alphabet: frozenset[str], *, score: float = 1.5) -> None:
        """`score` is that of a hotword of weight 1."""
        self._alphabet = (alphabet - {_SPACE, _BETWEEN}) | {" "}
        self._score = score

    def line(self, hotwords: Iterable[str], weights: Mapping[str, float] | None = None) -> tuple[str, list[str]]:
        """
        The phrases for the SDK, empty where none is left, and those that cannot be spelled.

        A phrase whose weight is other than 1 has its score behind it.
        """
        known, unknown = [], []
        for hotword in hotwords:
            spelled = self._spelled(" ".join(hotword.split()))
            if spelled is None:
                unknown.append(hotword)
            elif spelled:
                weight = (weights or {}).get(hotword, 1.0)
                known.append(spelled if weight == 1 else f"{spelled} :{self._score * weight:.3f}")
        return _BETWEEN.join(known), unknown

    def _spelled(self, phrase: str) -> str | None:
        """As it is, or in the only case that the model writes."""
        forms = (phrase, phrase.upper(), phrase.lower())
        return next((form for form in forms if set(form) <= self._alphabet and not _MARKED.search(form)), None)
