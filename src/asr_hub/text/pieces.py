"""A text as what a correction may not touch lightly: its words, numerals and units, one after another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from asr_hub.text.words import Token, tokens

UNITS = "%$€£¥°"
"""Marks that stand for a word."""

_PART = re.compile(r"(?P<numeral>\d{1,3}(?:[.,']\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)?)|(?P<word>[^\d.,:'][^\d]*)")
_MINUS = ("-", "\u2212")
_SENTENCE_ENDS = frozenset(".!?…。！？:：")  # noqa: RUF001 - the marks of Chinese are meant


class Kind(StrEnum):
    """What a piece is."""

    NUMERAL = "numeral"
    """Digits, with their separators and sign."""
    CHARACTER = "character"
    """Of a writing without spaces between words."""
    UNIT = "unit"
    WORD = "word"


class Piece(msgspec.Struct, frozen=True):
    """A word, or a part of one where digits begin or end."""

    text: str
    """To be compared: see `words`."""
    kind: Kind
    raw: str = ""
    """As written; empty where it is a part of a word."""
    is_initial: bool = False
    """The first of the text, or behind a mark that may end a sentence: its capital means nothing."""
    is_apart: bool = True
    """Something stands between it and the piece before."""


def pieces(text: str) -> list[Piece]:
    """All pieces in order. Punctuation is in none."""
    found: list[Piece] = []
    behind = ""
    is_first = True
    for token in tokens(text):
        between = behind + token.gap + token.lead
        found += _units(token.lead)
        is_initial = is_first or not _SENTENCE_ENDS.isdisjoint(between)
        found += _of(token, is_initial=is_initial, is_apart=bool(between))
        found += _units(token.trail)
        behind = token.trail
        is_first = False
    return found


def _of(token: Token, *, is_initial: bool, is_apart: bool) -> Iterator[Piece]:
    if token.is_unspaced:
        yield Piece(token.key, Kind.CHARACTER, token.text, is_initial, is_apart)
        return
    for match in _PART.finditer(token.key):
        text = match[0]
        if match.lastgroup == "numeral" and not match.start() and token.lead.endswith(_MINUS):
            text = f"-{text}"
        raw = token.text if match[0] == token.key else ""
        yield Piece(text, Kind(match.lastgroup or ""), raw, is_initial, is_apart or bool(match.start()))
        is_initial = False


def _units(marks: str) -> Iterator[Piece]:
    return (Piece(mark, Kind.UNIT) for mark in marks if mark in UNITS)
