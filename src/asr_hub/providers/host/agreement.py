"""Which beginning of a growing text can be trusted, when every reading of the audio starts from its beginning again."""

from __future__ import annotations

import re

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and Han: written without spaces, so that each character stands for itself."""
_TOKEN = re.compile(rf"\s*(?:[{_IDEOGRAPHS}]|[^\s{_IDEOGRAPHS}]+)")
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_AROUND = ".,!?;:\"'()…。，！？、；："  # noqa: RUF001 - the marks of Chinese are meant


class Agreement:
    """
    Local agreement of two readings: what two in a row begin with is stable, and stays.

    Where a later reading begins otherwise, the stable words are kept and the rest is taken from the reading. Source:
    Macháček, Dabre, Bojar, "Turning Whisper into Real-Time Transcription System", 2023.
    """

    def __init__(self) -> None:
        self._stable: list[str] = []
        self._last: list[str] = []

    def read(self, text: str) -> tuple[str, int]:
        """The text to show for the newest reading, and how many characters at its beginning are stable."""
        tokens = _TOKEN.findall(text.strip())
        kept = len(self._stable)
        shown = [*self._stable, *tokens[kept:]]
        while kept < min(len(shown), len(self._last)) and _same(shown[kept], self._last[kept]):
            kept += 1
        self._stable = shown[:kept]
        self._last = shown
        return "".join(shown), sum(map(len, self._stable))

    def clear(self) -> None:
        """Begin another text."""
        self._stable = []
        self._last = []


def joined(first: str, second: str) -> str:
    """Two texts after each other: with a space between, unless both sides are written without."""
    first, second = first.rstrip(), second.lstrip()
    if not first or not second:
        return first + second
    if _IDEOGRAPH.match(second[0]) and (_IDEOGRAPH.match(first[-1]) or first[-1] in _AROUND):
        return first + second
    return f"{first} {second}"


def _same(one: str, other: str) -> bool:
    """A word is the same with another case or punctuation: these come with what follows."""
    return one.strip().strip(_AROUND).casefold() == other.strip().strip(_AROUND).casefold()
