"""Hotwords as clients of FunASR write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from asr_hub.config.schema import MAX_HOTWORD_WEIGHT, MIN_HOTWORD_WEIGHT
from asr_hub.errors import ProtocolError
from asr_hub.wire.conversation import Limits

USUAL_WEIGHT = 20.0
"""What these clients give a hotword that is as important as any other: the hub's 1."""


def hotwords_of(given: Any, limits: Limits = Limits()) -> dict[str, float]:
    """
    The hotwords and their weights, from 0.1 to 10, of what came as `hotwords`.

    An object (or the text of one) of words with weights, of which 20 is usual; a list; or a text of words with commas
    or else with spaces between them, or a line for each with its weight at the end. Of too many the first are taken;
    what cannot be a hotword is left out. Raises ProtocolError where it is none of these.
    """
    words: dict[str, float] = {}
    for word, weight in _pairs(_read(given)):
        text = " ".join(word.split())
        if 0 < len(text) <= limits.max_hotword_chars and text.isprintable() and len(words) < limits.max_hotwords:
            words[text] = min(max(weight / USUAL_WEIGHT, MIN_HOTWORD_WEIGHT), MAX_HOTWORD_WEIGHT)
    return words


def _read(given: Any) -> Any:
    if not isinstance(given, str) or not given.lstrip().startswith(("{", "[")):
        return given
    try:
        return msgspec.json.decode(given)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ProtocolError(
            "`hotwords` begins like JSON and is none; send an object of words and weights, or words", code="bad-value"
        ) from None


def _pairs(given: Any) -> Iterator[tuple[str, float]]:
    match given:
        case None | "":
            return
        case dict():
            for word, weight in given.items():
                yield str(word), _weight(weight)
        case list():
            for word in given:
                yield str(word), USUAL_WEIGHT
        case str():
            yield from _written(given)
        case _:
            raise ProtocolError("`hotwords` is an object of words and weights, a list, or a text", code="wrong-type")


def _written(text: str) -> Iterator[tuple[str, float]]:
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(_LINE.fullmatch(line.strip()) for line in lines):
        for line in lines:
            word, weight = line.strip().rsplit(maxsplit=1)
            yield word, float(weight)
        return
    parts: Iterable[str] = _COMMAS.split(text) if _COMMAS.search(text) else text.split()
    for part in parts:
        yield part, USUAL_WEIGHT


def _weight(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ProtocolError("the weight of a hotword is a number; 20 is usual", code="wrong-type")
    return float(min(max(given, 0), 1_000_000))


_LINE = re.compile(r"\S.*\s\d{1,6}(\.\d{1,6})?")
_COMMAS = re.compile("[,\uff0c\u3001\n]")
