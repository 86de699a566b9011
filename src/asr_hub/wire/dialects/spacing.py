"""Texts of one speech, one after the other: with a space between them where their script has spaces."""

from __future__ import annotations

import re
from collections.abc import Iterable


def spaced(text: str) -> str:
    """The text with a space behind it, for clients that write one behind the other; as it is where none belongs."""
    return f"{text} " if text and not text[-1].isspace() and not _UNSPACED.search(text[-1]) else text


def joined(texts: Iterable[str]) -> str:
    """All that is said, as one text."""
    return "".join(map(spaced, filter(None, texts))).rstrip()


_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffef"
"""Thai, Lao, Burmese and Khmer; Chinese and Japanese, with their punctuation and full-width forms. Not Korean."""

_UNSPACED = re.compile(f"[{_SCRIPTS}\U00020000-\U0003ffff]")
