"""Words with times, from the tokens of a model and when each was heard."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import msgspec

from asr_hub.providers.worker_messages import HeardWord

LONGEST_TOKEN_S = 0.4
"""The models tell when a token begins. It ends with the next, and no later than so many seconds after its beginning."""

_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Kana and Han: each is a word of its own, for they are written without spaces."""
_GOES_ON = "@@"


class Token(msgspec.Struct, frozen=True):
    """What the SDK tells of one token."""

    text: str
    start: float
    """Seconds"""
    length: float | None = None
    """Seconds, of the few models that know."""
    log_probability: float | None = None


def words_of(text: str, tokens: Sequence[Token], *, whole_tokens: bool, length_ms: int) -> tuple[HeardWord, ...]:
    """
    The words of `text`, in order and inside the audio, which is `length_ms` long.

    None where they do not spell the text: where the model writes bytes, or its text is rewritten by rules.
    """
    groups = list(_groups(tokens, whole_tokens=whole_tokens))
    starts = [*(round(group[0].start * 1000) for group in groups), length_ms]
    words = []
    at = 0
    for number, group in enumerate(groups):
        start = min(max(at, starts[number]), length_ms)
        last = group[-1]
        end = round((last.start + (LONGEST_TOKEN_S if last.length is None else last.length)) * 1000)
        at = min(max(start, min(end, starts[number + 1])), length_ms)
        words.append(HeardWord(_spelled(group), start, at, _confidence(group)))
    spelled = "".join(word.text for word in words)
    return tuple(words) if spelled == "".join(text.split()) else ()


def mean_confidence(words: Sequence[HeardWord]) -> float | None:
    """Of a text: that of its words, by the mean; none where there are none."""
    told = [word.confidence for word in words if word.confidence is not None]
    return round(sum(told) / len(told), 4) if told else None


def _groups(tokens: Sequence[Token], *, whole_tokens: bool) -> Iterator[list[Token]]:
    group: list[Token] = []
    for token in tokens:
        if group and _begins_word(group[-1].text, token.text, whole_tokens=whole_tokens):
            if _spelled(group):
                yield group
            group = []
        group.append(token)
    if group and _spelled(group):
        yield group


def _begins_word(before: str, token: str, *, whole_tokens: bool) -> bool:
    if _IDEOGRAPH.search(token) or _IDEOGRAPH.search(before) or token.startswith(" "):
        return True
    return whole_tokens and not before.endswith(_GOES_ON)


def _spelled(group: Sequence[Token]) -> str:
    return "".join(token.text.strip().removesuffix(_GOES_ON) for token in group)


def _confidence(group: Sequence[Token]) -> float | None:
    told = [token.log_probability for token in group if token.log_probability is not None]
    return round(min(1.0, math.exp(sum(told) / len(told))), 4) if told else None
