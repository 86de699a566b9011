"""The punctuation that ends sentences and clauses, in the writings that speech is written in."""

from __future__ import annotations

FULL_STOP = "."
"""Ends sentences, and abbreviations too."""
_ENDS = frozenset(
    "?!\u2026\u203c\u203d\u2047\u2048\u2049"  # and two of them as one character
    "\u3002\uff0e\uff61\uff1f\uff01"  # Chinese and Japanese
    "\u061f\u06d4"  # Arabic and Urdu
    "\u0964\u0965"  # the danda of the writings of India
    "\u0589\u037e"  # Armenian, Greek
    "\u1362\u1367\u1368"  # Ethiopic
    "\u104a\u104b\u17d4\u17d5\u0f0d\u0f0e"  # Burmese, Khmer, Tibetan
)
_CLAUSES = frozenset(",;:\u2013\u2014\uff0c\u3001\uff1b\uff1a\uff64\u060c\u061b\u1363\u1364\u1365")


def may_end_sentence(marks: str) -> bool:
    """Whether there is such a mark among those behind a word; a full stop may also be that of an abbreviation."""
    return not _ENDS.isdisjoint(marks) or FULL_STOP in marks


def is_only_full_stop(marks: str) -> bool:
    """Whether it is by a full stop alone that they end one."""
    return FULL_STOP in marks and _ENDS.isdisjoint(marks)


def ends_clause(marks: str) -> bool:
    return not _CLAUSES.isdisjoint(marks)
