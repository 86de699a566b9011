"""
Hotwords for engines that take none: what sounds like one in a finished text is written as one.

It is a guess, so it is a careful one. Nothing is changed below the threshold, no function word and no other hotword is
ever overwritten, and each change says what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from asr_hub.model import Hypothesis, Word
from asr_hub.text.common_words import is_common
from asr_hub.text.sounds import IDEOGRAPHS, Sound, is_far, similarity, sound_of

THRESHOLD = 0.82
"""Similarity from which on a piece of text is taken for a hotword."""

SHORT_THRESHOLD = 0.92
"""The same for hotwords of less than `LONG` letters: they are close to more words than long ones."""

LONG = 6
SHORTEST = 4
"""Letters. A hotword with fewer is only put together: "u s b" becomes "USB", and "us" stays."""

MAX_SPLIT = 2
"""Words that a hotword may be heard as, more than it has."""


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of text that was taken for a hotword."""

    heard: str
    """What the engine wrote."""
    hotword: str
    """What stands there now."""
    similarity: float
    """From 0 to 1; never below the threshold."""
    start: int
    """Characters of the former text before `heard`."""
    word: int
    """Words of the former text before `heard`."""
    words: int
    """How many words `heard` has."""

    @property
    def end(self) -> int:
        """Characters of the former text up to the end of `heard`."""
        return self.start + len(self.heard)


class Matched(NamedTuple):
    hypothesis: Hypothesis
    """The very one that was given, where nothing was replaced."""
    replacements: tuple[Replacement, ...]
    """From the first to the last; they do not overlap."""


def match(
    hypothesis: Hypothesis, hotwords: Iterable[str], *, threshold: float = THRESHOLD, language: str | None = None
) -> Matched:
    """
    The hypothesis with what sounds like one of `hotwords` written as it is.

    Where several fit, the most similar wins, then the one that is given first. What is a hotword already, in capitals
    or not, stays. A second match of the result changes nothing. Raises ValueError for a threshold outside of 0 to 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold is above 0 and at most 1, not {threshold}")
    language = hypothesis.language if language is None else language
    text, known = hypothesis.text, _known(tuple(hotwords), language)
    tokens = [(found.start(), found.end()) for found in _TOKEN.finditer(text)]
    if not tokens or not known:
        return Matched(hypothesis, ())
    taken = _hotwords_in(text, tokens, known)
    candidates = sorted(_candidates(text, tokens, taken, known, threshold, language))
    chosen: list[Replacement] = []
    for _, _, _, replacement in candidates:
        places = range(replacement.word, replacement.word + replacement.words)
        if taken.isdisjoint(places):
            taken.update(places)
            chosen.append(replacement)
    chosen.sort(key=lambda replacement: replacement.start)
    return write(hypothesis, chosen)


def write(before: Hypothesis, replacements: Sequence[Replacement]) -> Matched:
    """
    `before` with these replacements: some of those of a match take the others back.

    A word that takes the place of several has their time. Raises ValueError where they are not of this hypothesis.
    """
    if not replacements:
        return Matched(before, ())
    pieces, at = [], 0
    for replacement in replacements:
        if replacement.start < at or before.text[replacement.start : replacement.end] != replacement.heard:
            raise ValueError(f"no {replacement.heard!r} at character {replacement.start} of the text")
        pieces += [before.text[at : replacement.start], replacement.hotword]
        at = replacement.end
    text = "".join([*pieces, before.text[at:]])
    stable = len(text) if before.stable == len(before.text) else min(before.stable, replacements[0].start)
    words = _words(before, replacements)
    return Matched(msgspec.structs.replace(before, text=text, words=words, stable=stable), tuple(replacements))


_WORD = rf"[^\W_{IDEOGRAPHS}]"
_TOKEN = re.compile(rf"[{IDEOGRAPHS}]|{_WORD}+(?:['\u2019]{_WORD}+)*")
_BETWEEN = re.compile(r"[ \u00a0-]*")
"""What may stand between the pieces of one hotword. A comma or the end of a sentence may not."""


class _Known(NamedTuple):
    hotword: str
    sound: Sound
    words: int


@lru_cache(maxsize=64)
def _known(hotwords: tuple[str, ...], language: str | None) -> tuple[_Known, ...]:
    """Those that have letters."""
    return tuple(
        _Known(hotword, sound, len(_TOKEN.findall(hotword)))
        for hotword in dict.fromkeys(hotwords)
        if (sound := sound_of(hotword, language)).letters and _TOKEN.search(hotword)
    )


@lru_cache(maxsize=1024)
def _alone(hotword: str) -> re.Pattern[str]:
    before = rf"(?<!{_WORD})" if re.match(_WORD, hotword) else ""
    after = rf"(?!{_WORD})" if re.search(rf"{_WORD}\Z", hotword) else ""
    return re.compile(f"{before}{re.escape(hotword)}{after}", re.IGNORECASE)


def _hotwords_in(text: str, tokens: Sequence[tuple[int, int]], known: Sequence[_Known]) -> set[int]:
    """The places of the words that are hotwords already."""
    lowered = text.casefold()
    there = [
        found.span()
        for one in known
        if one.hotword.casefold() in lowered
        for found in _alone(one.hotword).finditer(text)
    ]
    return {
        place for place, (start, end) in enumerate(tokens) if any(start < to and end > since for since, to in there)
    }


_Candidate = tuple[float, int, int, Replacement]
"""Sorted: the most similar, then the hotword that was given first, then the place in the text."""


def _candidates(
    text: str,
    tokens: Sequence[tuple[int, int]],
    taken: set[int],
    known: Sequence[_Known],
    threshold: float,
    language: str | None,
) -> Iterator[_Candidate]:
    longest = max(one.words for one in known) + MAX_SPLIT
    wished = [(order, one, _wanted(one.sound, threshold)) for order, one in enumerate(known)]
    for first, last, heard in _spans(text, tokens, taken, longest, language):
        sound, count = sound_of(heard, language), last - first + 1
        for order, one, wanted in wished:
            if is_far(sound, one.sound, wanted) or not max(1, one.words / 2) <= count <= one.words + MAX_SPLIT:
                continue
            found = similarity(sound, one.sound)
            if found >= wanted:
                yield (
                    -found,
                    order,
                    first,
                    Replacement(
                        heard=heard,
                        hotword=one.hotword,
                        similarity=found,
                        start=tokens[first][0],
                        word=first,
                        words=count,
                    ),
                )


def _spans(
    text: str, tokens: Sequence[tuple[int, int]], taken: set[int], longest: int, language: str | None
) -> Iterator[tuple[int, int, str]]:
    """Words that stand together and may be one hotword: the place of the first, that of the last, and what they are."""
    common = [is_common(text[start:end], language) for start, end in tokens]
    for first in range(len(tokens)):
        for last in range(first, min(first + longest, len(tokens))):
            gap = text[tokens[last - 1][1] : tokens[last][0]] if last > first else ""
            if last in taken or not _BETWEEN.fullmatch(gap):
                break
            if not all(common[first : last + 1]):
                yield first, last, text[tokens[first][0] : tokens[last][1]]


def _wanted(sound: Sound, threshold: float) -> float:
    length = len(sound.letters)
    if _IDEOGRAPHIC.search(sound.letters):
        return threshold if length > 1 else 1.0
    if length < SHORTEST:
        return 1.0
    return threshold if length >= LONG else max(threshold, SHORT_THRESHOLD)


_IDEOGRAPHIC = re.compile(f"[{IDEOGRAPHS}]")


def _words(before: Hypothesis, replacements: Sequence[Replacement]) -> tuple[Word, ...]:
    places = list(_places(before))
    words: list[Word] = []
    at = 0
    for replacement in replacements:
        inside = [
            number
            for number, place in enumerate(places)
            if place is not None and place[0] < replacement.end and place[1] > replacement.start
        ]
        # Where the engine's words are not those of its text, there is nothing to put a time to.
        if not inside or inside[0] < at:
            continue
        first, last = inside[0], inside[-1]
        words += before.words[at:first]
        words += _renamed(before, replacement, first, last, places)
        at = last + 1
    return (*words, *before.words[at:])


def _renamed(
    before: Hypothesis, replacement: Replacement, first: int, last: int, places: Sequence[tuple[int, int] | None]
) -> list[Word]:
    """The words from `first` to `last` with the hotword: one for one where they are as many, else one for all."""
    old = before.words[first : last + 1]
    since, until = places[first], places[last]
    assert since is not None and until is not None
    head = before.text[min(since[0], replacement.start) : replacement.start]
    tail = before.text[replacement.end : max(until[1], replacement.end)]
    new = f"{head}{replacement.hotword}{tail}"
    if len(parts := new.split()) == len(old):
        return [msgspec.structs.replace(word, text=part) for word, part in zip(old, parts, strict=True)]
    sure = [word.confidence for word in old if word.confidence is not None]
    return [Word(new, old[0].start, old[-1].end, min(sure) if sure else None)]


def _places(hypothesis: Hypothesis) -> Iterator[tuple[int, int] | None]:
    """Where in the text each of the engine's words stands; nothing for one that is not near where it should be."""
    at = 0
    for word in hypothesis.words:
        wanted = word.text.strip()
        found = (
            re.compile(re.escape(wanted), re.IGNORECASE).search(hypothesis.text, at, at + len(wanted) + _NEAR)
            if wanted
            else None
        )
        if found is not None:
            at = found.end()
        yield found.span() if found is not None else None


_NEAR = 40
"""Characters"""
