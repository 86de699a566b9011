"""A text as words that can be compared: without case and punctuation, by the character where there are no spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import msgspec

_UNSPACED = re.compile(
    "[\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u109f\u1780-\u17ff"  # Tibetan, Myanmar, Khmer
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d\U0001aff0-\U0001b16f"  # Kana
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # Han
)
_HALF_WIDTH_MARKS = "\uff9e\uff9f"
"""Voicing marks that Unicode calls letters: they belong to the kana before them."""
_APOSTROPHES = "'\u2019\u02bc\uff07"
_IN_NUMBERS = ".,:"
_ONE_APOSTROPHE = str.maketrans(dict.fromkeys(_APOSTROPHES, "'"))


class Token(msgspec.Struct, frozen=True):
    """A word, or a character of a writing without spaces, as it stands in its text."""

    key: str
    """What is compared: two tokens with the same key are the same word."""
    text: str
    """As written, without the punctuation around it."""
    gap: str = ""
    """The white space between this token and the one before. Empty inside `well-known` and in Chinese."""
    lead: str = ""
    """Punctuation after the gap: what opens. Of the first token, all that stands before it."""
    trail: str = ""
    """Punctuation up to the next gap. Of the last token, all that follows it."""

    @property
    def is_unspaced(self) -> bool:
        """Whether its writing puts no space between words."""
        return bool(_UNSPACED.match(self.text))


def words(text: str) -> tuple[str, ...]:
    """
    The words of `text`, to be compared.

    Unicode's compatible forms (NFKC) in folded case, without punctuation and symbols. An apostrophe between letters
    stays, and so do `.` `,` `:` between digits; every other mark divides, so that `well-known` is two words. Chinese,
    Japanese, Thai, Lao, Khmer, Burmese and Tibetan come by the character, with its marks.
    """
    return tuple(token.key for token in tokens(text))


def plain(text: str) -> str:
    """The words of `text` as one text: a space between them, unless both are written without."""
    parts: list[str] = []
    before = False
    for token in tokens(text):
        if parts and not (before and token.is_unspaced):
            parts.append(" ")
        parts.append(token.key)
        before = token.is_unspaced
    return "".join(parts)


def tokens(text: str) -> tuple[Token, ...]:
    """The words of `text` where they stand. Put together again, they are the text; none where nothing can be said."""
    cores = [(start, end, key) for start, end in _cores(text) if (key := _key(text[start:end]))]
    found = []
    gap, lead = "", text[: cores[0][0]] if cores else ""
    for number, (start, end, key) in enumerate(cores):
        if number + 1 < len(cores):
            trail, next_gap, next_lead = _shared(text[end : cores[number + 1][0]])
        else:
            trail, next_gap, next_lead = text[end:], "", ""
        found.append(Token(key, text[start:end], gap, lead, trail))
        gap, lead = next_gap, next_lead
    return tuple(found)


def _cores(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        if not _is_spoken(text[at]):
            at += 1
            continue
        end = _end_of_character(text, at) if _UNSPACED.match(text[at]) else _end_of_word(text, at)
        yield at, end
        at = end


def _end_of_character(text: str, at: int) -> int:
    at += 1
    while at < len(text) and _is_mark(text[at]):
        at += 1
    return at


def _end_of_word(text: str, at: int) -> int:
    while True:
        at = _end_of_character(text, at)
        if not _goes_on(text, at) and not (_joins(text, at) and _goes_on(text, at + 1)):
            return at


def _goes_on(text: str, at: int) -> bool:
    return at < len(text) and _is_spoken(text[at]) and not _UNSPACED.match(text[at])


def _joins(text: str, at: int) -> bool:
    """Whether the mark at `at`, which follows a word, is a part of it where the word goes on."""
    if text[at : at + 1] in _IN_NUMBERS:
        return text[at - 1].isdigit() and text[at + 1 : at + 2].isdigit()
    return text[at : at + 1] in _APOSTROPHES


def _is_spoken(character: str) -> bool:
    if character in _APOSTROPHES or character in _HALF_WIDTH_MARKS:
        return False
    return unicodedata.category(character)[0] in "LN"


def _is_mark(character: str) -> bool:
    """Accents and vowel signs, and what Unicode has to join letters or to keep them apart without a space."""
    category = unicodedata.category(character)
    return category[0] == "M" or category == "Cf" or character in _HALF_WIDTH_MARKS


def _key(text: str) -> str:
    # Folded, a compatible form may be written in another one.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    heard = (each for each in folded.translate(_ONE_APOSTROPHE) if unicodedata.category(each)[0] not in "CZ")
    return "".join(heard).strip("'.,:()")


def _shared(between: str) -> tuple[str, str, str]:
    """What stands between two words: what is of the first, white space, and what is of the second."""
    spaces = list(re.finditer(r"\s+", between))
    if spaces:
        last = spaces[-1]
        return between[: last.start()], last.group(), between[last.end() :]
    opens = (at for at, each in enumerate(between) if unicodedata.category(each) in ("Ps", "Pi"))
    cut = next(opens, len(between))
    return between[:cut], "", between[cut:]
