"""Bare words as a written sentence: a capital, a mark at the end, numbers in digits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec
from msgspec.structs import replace

from asr_hub.model import Hypothesis, Word

_NUMBER_LANGUAGES = frozenset({"de", "en", "es", "fr", "it", "nl", "pt"})
_SMALLEST_ALONE = 10.0
"""A smaller number that stands alone stays a word."""

_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_IN_WORDS = frozenset("'\u2019-")
"""Marks that are spelling, not punctuation."""
_FIRST_PERSON = re.compile(r"i(?:['\u2019](?:m|d|ll|ve|s))?")
_SUBJECTS = "i you he she it we they there this that these those the a an my your his her its our their anyone anybody"
_AUXILIARIES = (
    "am are can could did does had has is may might must shall should was were will would aren't can't couldn't didn't "
    "doesn't don't hasn't haven't isn't shouldn't wasn't weren't won't wouldn't"
)
_ORDERING = frozenset({"do", "have"})
"""Begin orders as well: `do it now`."""
_ASKED_TO = frozenset({"i", "you", "we", "they"})
_SUBJECT = frozenset(_SUBJECTS.split())
_AUXILIARY = frozenset(_AUXILIARIES.split())
_ASKED = frozenset({"who", "what", "where", "when", "why", "how", "which", "whose", "whom"})
_ASKED_SHORT = frozenset(f"{word}'s" for word in ("who", "what", "where", "when", "why", "how"))
_HOW = frozenset({"many", "much", "long", "far", "often", "old", "big", "come"})
_CHINESE_QUESTIONS = ("吗", "嗎", "呢")


class _Token(msgspec.Struct, frozen=True):
    """One word and which of the words of the hypothesis it was."""

    text: str
    first: int
    last: int


def polish(hypothesis: Hypothesis, *, language: str | None = None) -> Hypothesis:
    """
    A final of an engine that writes neither capitals nor punctuation; any other hypothesis comes back as it is.

    Without `language` (BCP 47) the one of the hypothesis counts, and without any nothing is done that needs one.
    Numbers need `pip install 'asr-hub[itn]'`. Words keep their times, and a number lasts as long as its words.
    """
    spoken = language or hypothesis.language or ""
    glue = _glue(hypothesis)
    if not hypothesis.is_final or glue is None or not _is_bare(hypothesis.text):
        return hypothesis
    texts = [word.text for word in hypothesis.words] or hypothesis.text.split()
    tokens = [_Token(text, place, place) for place, text in enumerate(texts)]
    tokens = _marked(_capitals(_digits(tokens, _primary(spoken)), _primary(spoken)), texts, _primary(spoken))
    text = glue.join(token.text for token in tokens)
    words = (_merged(token.text, hypothesis.words[token.first : token.last + 1]) for token in tokens)
    return replace(
        hypothesis,
        text=text,
        words=tuple(words) if hypothesis.words else (),
        stable=len(text) if hypothesis.stable >= len(hypothesis.text) else 0,
    )


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()


def _glue(hypothesis: Hypothesis) -> str | None:
    """What stands between the words; None where they are not those of the text."""
    texts = [word.text for word in hypothesis.words]
    if not texts or texts == hypothesis.text.split():
        return " "
    return "" if "".join(texts) == hypothesis.text and not re.search(r"\s", hypothesis.text) else None


def _is_bare(text: str) -> bool:
    if not any(char.isalpha() for char in text):
        return False
    return not any(
        char.isupper() or char.istitle() or (unicodedata.category(char)[0] in "PS" and char not in _IN_WORDS)
        for char in text
    )


def _capitals(tokens: Sequence[_Token], language: str) -> list[_Token]:
    if language == "en":
        tokens = [replace(one, text=_first_person(one.text)) for one in tokens]
    first, *rest = tokens
    return [replace(first, text=_capital(first.text, language)), *rest]


def _first_person(text: str) -> str:
    return "I" + text[1:] if _FIRST_PERSON.fullmatch(text) else text


def _capital(text: str, language: str) -> str:
    """With one capital, so that `ß` stays."""
    if language in ("tr", "az") and text[0] == "i":
        return "\u0130" + text[1:]
    return text[0].title() + text[1:] if len(text[0].title()) == 1 else text


def _marked(tokens: Sequence[_Token], said: Sequence[str], language: str) -> list[_Token]:
    *rest, last = tokens
    return [*rest, replace(last, text=last.text + _mark(said, language))]


def _mark(said: Sequence[str], language: str) -> str:
    text = "".join(said)
    if _IDEOGRAPHS.search(text):
        # Japanese ends its questions with a syllable that ends much else.
        return "？" if language == "zh" and text.endswith(_CHINESE_QUESTIONS) else "。"  # noqa: RUF001
    if language == "en" and _is_question([word.replace("\u2019", "'") for word in said]):
        return "?"
    has_case = any(char.islower() for char in text)
    return "." if has_case else ""


def _is_question(said: Sequence[str]) -> bool:
    """By its first words: a relative clause begins like a question, but is not followed by a verb."""
    first, second = said[0], said[1] if len(said) > 1 else ""
    if first in _ASKED_SHORT or (first in _AUXILIARY and second in _SUBJECT):
        return True
    if first in _ORDERING:
        return second in _ASKED_TO
    if first not in _ASKED:
        return False
    return len(said) == 1 or second in _AUXILIARY | _ORDERING or (first == "how" and second in _HOW)


def _merged(text: str, words: Sequence[Word]) -> Word:
    confidences = [word.confidence for word in words if word.confidence is not None]
    return Word(text, words[0].start, words[-1].end, min(confidences) if confidences else None)


# Numbers


class _Spoken:
    """A word as text2num takes it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: _Spoken) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


def _digits(tokens: Sequence[_Token], language: str) -> list[_Token]:
    find = _finder()
    if find is None or language not in _NUMBER_LANGUAGES:
        return list(tokens)
    written: list[_Token] = []
    place = 0
    for found in find([_Spoken(token.text) for token in tokens], language, _SMALLEST_ALONE):
        written += tokens[place : found.start]
        written.append(_Token(found.text, tokens[found.start].first, tokens[found.end - 1].last))
        place = found.end
    return [*written, *tokens[place:]]


@lru_cache(maxsize=1)
def _finder() -> Callable[[list[_Spoken], str, float], Iterable[Any]] | None:
    try:
        find: Callable[[list[_Spoken], str, float], Iterable[Any]] = import_module("text_to_num").find_numbers
    except ImportError:
        return None
    return find
