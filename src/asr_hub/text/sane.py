"""Tells the answer of an engine that is broken from one that only heard wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from asr_hub.model import Hypothesis

LONGEST = 100_000
"""Characters of one utterance."""

MOST_PER_SECOND = 100.0
"""Characters. Twice what anyone says, and room for spelling."""

FREE = 200
"""Characters that need no time: an engine may finish a sentence for a short clip."""

TOLERANCE_MS = 2000
"""Milliseconds outside the utterance: engines pad what they hear."""

BACK_MS = 500
"""Milliseconds that a word may begin before the one in front of it."""

BROKEN = 0.05
"""Share of characters that could not be decoded, or that no writing has."""

FEW = 4
"""Symbols that may stand alone: a smile, a row of hearts."""

DEEPEST = 10
"""Marks on one letter. Tibetan and pointed Hebrew stay below."""

_PLAIN = re.compile(r"[\w .,;:!?'\"()…–-]*")  # noqa: RUF001 - the dash is meant
"""Most texts, told with one look: partials are many."""

_NOTES = re.compile("[♩♪♫♬♭♮♯]")
"""What models write for music; that is no speech, and not broken."""

_NEVER = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
)
"""Controls, overrides of the writing direction, halves of characters, private characters, and what is no character."""

_TOO_DEEP = re.compile(f"(M[nce]){{{DEEPEST + 1}}}")
_BIDI_OPEN = re.compile("[\u202a\u202b\u2066-\u2068]")
_BIDI_CLOSE = re.compile("[\u202c\u2069]")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8}){0,8}")


def why_garbage(hypothesis: Hypothesis, *, start_ms: int, end_ms: int, language: str | None = None) -> str:
    """
    Why no working engine says this of an utterance from `start_ms` to `end_ms`; empty where one may.

    For partials and finals alike; `end_ms` is then where the audio ends so far. `language` is what the engine takes
    for spoken. It is about form alone: a wrong text, in any writing, is accepted.
    """
    return (
        _why_text(hypothesis.text, max(0, end_ms - start_ms) / 1000, is_final=hypothesis.is_final)
        or _why_times(hypothesis, start_ms, end_ms)
        or _why_numbers(hypothesis)
        or _why_rest(hypothesis, language)
    )


def _why_text(text: str, seconds: float, *, is_final: bool) -> str:
    if len(text) > LONGEST:
        return f"{len(text)} characters"
    if len(text) > FREE + MOST_PER_SECOND * seconds:
        return f"{len(text)} characters in {seconds:.1f} s"
    if _PLAIN.fullmatch(text):
        return ""
    kinds = "".join([unicodedata.category(character) for character in text])
    return _why_characters(text, kinds, is_final=is_final) or _why_symbols(text, kinds)


def _why_characters(text: str, kinds: str, *, is_final: bool) -> str:
    """Characters that no text has. A partial may end within a character, which is then no character yet."""
    if never := _NEVER.search(text):
        return f"U+{ord(never[0]):04X} in the text"
    undecoded = (text if is_final else text.rstrip("\ufffd")).count("\ufffd")
    if undecoded > BROKEN * len(text):
        return f"{undecoded} of {len(text)} characters could not be decoded"
    # Perhaps letters of a later Unicode than Python's.
    if (unknown := kinds.count("Cn")) > BROKEN * len(text):
        return f"{unknown} of {len(text)} characters are in no writing"
    if _TOO_DEEP.search(kinds):
        return f"more than {DEEPEST} marks on one letter"
    if (invisible := kinds.count("Cf")) > FEW + _letters(kinds):
        return f"{invisible} invisible characters and {_letters(kinds)} letters"
    if is_final and len(_BIDI_OPEN.findall(text)) != len(_BIDI_CLOSE.findall(text)):
        return "a change of the writing direction that does not end"
    return ""


def _why_symbols(text: str, kinds: str) -> str:
    symbols = kinds.count("S") - len(_NOTES.findall(text))
    if symbols > max(FEW, _letters(kinds)):
        return f"{symbols} symbols and {_letters(kinds)} letters"
    return ""


def _letters(kinds: str) -> int:
    return kinds.count("L") + kinds.count("N")


def _why_times(hypothesis: Hypothesis, start_ms: int, end_ms: int) -> str:
    first, last = start_ms - TOLERANCE_MS, end_ms + TOLERANCE_MS
    if hypothesis.end < hypothesis.start:
        return f"it ends at {hypothesis.end} ms, before it begins at {hypothesis.start} ms"
    if hypothesis.start < first or hypothesis.end > last:
        return f"{hypothesis.start} to {hypothesis.end} ms, in an utterance of {start_ms} to {end_ms} ms"
    before = first
    for word in hypothesis.words:
        if word.end < word.start:
            return f"a word ends at {word.end} ms, before it begins at {word.start} ms"
        if word.start < first or word.end > last:
            return f"a word from {word.start} to {word.end} ms, in an utterance of {start_ms} to {end_ms} ms"
        if word.start < before - BACK_MS:
            return f"a word at {word.start} ms, after one at {before} ms"
        before = word.start
    return ""


def _why_numbers(hypothesis: Hypothesis) -> str:
    if not 0 <= hypothesis.stable <= len(hypothesis.text):
        return f"{hypothesis.stable} stable characters of {len(hypothesis.text)}"
    for confidence in _confidences(hypothesis):
        # False for NaN, too.
        if confidence is not None and not -1e-3 <= confidence <= 1.001:
            return f"a confidence of {confidence}"
    return ""


def _confidences(hypothesis: Hypothesis) -> Iterator[float | None]:
    yield hypothesis.confidence
    for word in hypothesis.words:
        yield word.confidence
    for alternative in hypothesis.alternatives:
        yield alternative.confidence


def _why_rest(hypothesis: Hypothesis, language: str | None) -> str:
    if language and not _LANGUAGE.fullmatch(language):
        return "a language that is no language tag"
    for text in (" ".join([word.text for word in hypothesis.words]), *(each.text for each in hypothesis.alternatives)):
        if because := _why_text(text, LONGEST, is_final=False):
            return f"a word or an alternative with {because}"
    for tag in (*hypothesis.tags, *hypothesis.tags.values(), hypothesis.speaker or ""):
        if not tag.isprintable() and (because := _why_text(tag, LONGEST, is_final=True)):
            return f"a tag with {because}"
    return ""
