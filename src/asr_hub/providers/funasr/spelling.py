"""A Paraformer's tokens as text and words, spelled as FunASR spells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from funasr.utils.postprocess_utils import sentence_postprocess

from asr_hub.providers.worker_messages import HeardWord

_NO_TEXT = frozenset({"<blank>", "<s>", "</s>", "<unk>", "<OOV>"})


class Token(NamedTuple):
    """A token of the vocabulary: a Chinese character, a word, or a part of one that ends in `@@`."""

    text: str
    start: int
    """Milliseconds since the clip began."""
    end: int


def spelled(tokens: Sequence[Token]) -> tuple[str, tuple[HeardWord, ...]]:
    """
    The text, and its words where each of them has a time.

    Between Latin words is a space, between Chinese characters none; parts of a word are put together, and letters that
    are said one by one become an abbreviation.
    """
    said = [token for token in tokens if token.text not in _NO_TEXT]
    if not said:
        return "", ()
    names = [token.text for token in said]
    text = str(sentence_postprocess(names)[0])
    _, times, words = sentence_postprocess(names, [[token.start, token.end] for token in said])
    if len(times) != len(words):
        # Of a token that is neither Latin nor Chinese, FunASR keeps the text and loses the time.
        return text, ()
    return text, tuple(HeardWord(word, *map(int, time)) for word, time in zip(words, times, strict=True))
