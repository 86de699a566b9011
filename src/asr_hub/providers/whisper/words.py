"""Words with their times, from the tokens of a text and their alignment with the audio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from asr_hub.providers.whisper.segments import TICK_S
from asr_hub.providers.worker_messages import HeardWord

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that are written without spaces between words: each character with its marks stands for itself."""

_BROKEN = "\ufffd"
"""What a tokenizer decodes to where a character's bytes are not whole."""


class Written(NamedTuple):
    """A word as it is written."""

    text: str
    tokens: int


def written(tokens: Sequence[int], decode: Callable[[Sequence[int]], str], *, is_spaced: bool) -> list[Written]:
    """
    The words of a text. Every token belongs to one; the texts have no space around them and none is empty.

    Punctuation belongs to the word it is written to.
    """
    words: list[Written] = []
    for text, count in _characters(tokens, decode):
        if not words or _begins_word(words[-1].text, text, is_spaced=is_spaced):
            words.append(Written(text, count))
        else:
            words[-1] = Written(words[-1].text + text, words[-1].tokens + count)
    return _without_empty([Written(" ".join(word.text.split()), word.tokens) for word in words])


def with_times(
    words: Sequence[Written],
    alignment: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
    *,
    offset_s: float,
    limit_s: float,
) -> tuple[HeardWord, ...]:
    """
    `alignment` is a path of (token, tick of the window); `probabilities` are those of the tokens.

    A word lasts until the next one begins. Times never go back, and lie between `offset_s`, where the window begins,
    and `limit_s`, where the audio ends.
    """
    begins: dict[int, int] = {}
    for token, tick in alignment:
        begins.setdefault(token, tick)
    heard: list[HeardWord] = []
    place, now = 0, offset_s
    for word in words:
        after = place + word.tokens
        start = _within(begins.get(place), now, offset_s, limit_s)
        now = _within(begins.get(after), start, offset_s, limit_s)
        heard.append(HeardWord(word.text, round(start * 1000), round(now * 1000), _mean(probabilities[place:after])))
        place = after
    return tuple(heard)


def _characters(tokens: Sequence[int], decode: Callable[[Sequence[int]], str]) -> Iterator[tuple[str, int]]:
    """Runs of tokens that are whole characters, with how many they are."""
    pending: list[int] = []
    for token in tokens:
        pending.append(token)
        text = decode(pending)
        if not text.endswith(_BROKEN):
            yield text, len(pending)
            pending = []
    if pending:
        yield decode(pending), len(pending)


def _begins_word(before: str, text: str, *, is_spaced: bool) -> bool:
    if is_spaced:
        return text[:1].isspace()
    if not any(map(str.isalnum, text)) or not any(map(str.isalnum, before)):
        return False
    # Latin words stay whole among Chinese characters.
    return text[:1].isspace() or not (text[0].isascii() and before[-1].isascii())


def _without_empty(words: list[Written]) -> list[Written]:
    """The tokens of a word without text go to the word before it, or to the one after it."""
    kept: list[Written] = []
    spare = 0
    for word in words:
        if word.text:
            kept.append(Written(word.text, word.tokens + spare))
            spare = 0
        elif kept:
            kept[-1] = Written(kept[-1].text, kept[-1].tokens + word.tokens)
        else:
            spare += word.tokens
    return kept


def _within(tick: int | None, least: float, offset: float, limit: float) -> float:
    return min(limit, max(least, least if tick is None else offset + tick * TICK_S))


def _mean(probabilities: Sequence[float]) -> float | None:
    known = [p for p in probabilities if 0 <= p <= 1]
    return sum(known) / len(known) if known else None
