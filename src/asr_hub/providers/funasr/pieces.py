"""Words from the pieces of a SentencePiece vocabulary: `▁` begins a word, Chinese and kana characters are their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asr_hub.providers.worker_messages import HeardWord

AFTER_MS = 300
"""Milliseconds that a word may last after its last piece was heard: CTC hears it in one frame, soon in its sound."""


class Piece(NamedTuple):
    """A piece of the vocabulary, and when it was heard."""

    text: str
    start: int
    """Milliseconds since the clip began."""
    end: int
    confidence: float


_WIDE_STOPS = "，。？！、；："  # noqa: RUF001 - full-width on purpose: no space follows them


def words_of(pieces: Sequence[Piece], *, end: int) -> tuple[HeardWord, ...]:
    """`pieces` in the order of their time; `end` bounds the last word, in milliseconds."""
    words: list[tuple[str, list[Piece]]] = []
    is_new = True
    for piece in pieces:
        text = piece.text.removeprefix("▁")
        is_new = is_new or piece.text.startswith("▁")
        if not text:
            continue
        if is_new or not words or _is_own_word(text, words[-1][0]):
            words.append((text, [piece]))
        else:
            words[-1] = (words[-1][0] + text, [*words[-1][1], piece])
        is_new = False
    followers = [parts[0].start for _, parts in words[1:]]
    return tuple(
        _word(text, parts, min(end, following))
        for (text, parts), following in zip(words, [*followers, end][: len(words)], strict=True)
    )


def _word(text: str, parts: Sequence[Piece], end: int) -> HeardWord:
    start = min(parts[0].start, end)
    confidence = sum(part.confidence for part in parts) / len(parts)
    return HeardWord(text, start, max(start, min(parts[-1].end + AFTER_MS, end)), confidence)


def _is_own_word(text: str, before: str) -> bool:
    """Punctuation belongs to the word before it; a character that is a word ends one and begins one."""
    return text[0].isalnum() and (_is_ideograph(text[0]) or _is_ideograph(before[-1]) or before[-1] in _WIDE_STOPS)


def _is_ideograph(char: str) -> bool:
    return "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff"
