"""How alike two pieces of text sound, from how they are written."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
"""Characters of Chinese, for a set of a regular expression. Between them words have no spaces."""


class Sound(NamedTuple):
    """A piece of text without what cannot be heard: capitals, accents, spaces and punctuation."""

    letters: str
    """As they are written."""
    heard: str
    """One character for each sound: letters that sound alike are one, silent ones are gone."""
    is_ideographic: bool
    """Has Chinese characters."""
    counts: Counts


class Counts(NamedTuple):
    """How often what occurs, in unary, so that one operation finds what another text lacks."""

    kinds: int
    """Kinds of consonants"""
    consonants: int
    soft: int
    """Vowels and what is as faint"""
    letters: int


@lru_cache(maxsize=8192)
def sound_of(text: str, language: str | None = None) -> Sound:
    """
    By the rules of German for `de`, else by those of English; they are coarse on purpose.

    Chinese characters sound as their pinyin without tones where `pypinyin` is installed, else as themselves alone.
    """
    letters = folded(text)
    spelled = _IDEOGRAPH.sub(_pinyin, letters)
    rules = _GERMAN if (language or "").partition("-")[0].lower() == "de" else _ENGLISH
    for pattern, sound in rules:
        spelled = pattern.sub(sound, spelled)
    heard = _TWICE.sub(r"\1", spelled)
    hard = [char for char in heard if char not in _SOFT]
    counts = Counts(
        kinds=_unary(_KIND.get(char, len(_KINDS) + ord(char) % _SLOTS) for char in hard),
        consonants=_unary(ord(char) % _SLOTS for char in hard),
        soft=_unary(ord(char) % _SLOTS for char in heard if char in _SOFT),
        letters=_unary(ord(char) % _SLOTS for char in letters),
    )
    return Sound(letters, heard, _IDEOGRAPH.search(letters) is not None, counts)


def folded(text: str) -> str:
    """The letters and digits alone, in small letters without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if char.isalnum())


def similarity(one: Sound, other: Sound) -> float:
    """From 0 to 1: mostly how alike they sound, somewhat how alike they are written. 1 for the same letters."""
    if one.letters == other.letters:
        return 1.0
    by_ear = _ear(one, other)
    by_sound = _likeness(one.heard, other.heard, _sound_cost)
    return by_ear * by_sound + (1 - by_ear) * _likeness(one.letters, other.letters, _letter_cost)


def is_far(one: Sound, other: Sound, wanted: float) -> bool:
    """Whether their similarity is below `wanted` for certain. Takes a moment where the similarity takes a while."""
    there, here = one.counts, other.counts
    longest = max(len(one.heard), len(other.heard))
    # Most pairs end here. A kind that differs costs 1, and counts on both sides where it takes the place of another.
    if (there.kinds ^ here.kinds).bit_count() * _LEAST_BY_EAR > 2 * (1 - wanted) * longest + _ROUNDING:
        return one.letters != other.letters
    sounds = max(_lacking(there, here), _lacking(here, there)) / max(longest, 1)
    letters = max((there.letters & ~here.letters).bit_count(), (here.letters & ~there.letters).bit_count())
    by_ear = _ear(one, other)
    least = by_ear * min(1.0, sounds) + (1 - by_ear) * letters / max(len(one.letters), len(other.letters), 1)
    return least > 1 - wanted + _ROUNDING and one.letters != other.letters


def _lacking(one: Counts, other: Counts) -> float:
    """What it costs at least to get rid of the sounds of `one` that `other` lacks."""
    kinds = (one.kinds & ~other.kinds).bit_count()
    consonants = (one.consonants & ~other.consonants).bit_count()
    soft = (one.soft & ~other.soft).bit_count()
    return kinds + _AKIN * max(0, consonants - kinds) + _FAINT_COST * soft


def _ear(one: Sound, other: Sound) -> float:
    """How much of the similarity is by sound. Two Chinese characters have too many homophones to go by it alone."""
    if not (one.is_ideographic and other.is_ideographic):
        return 0.75
    return _LEAST_BY_EAR if min(len(one.letters), len(other.letters)) < 3 else 0.85


def _likeness(one: Sequence[str], other: Sequence[str], cost: Callable[[str, str], float]) -> float:
    """1 less what the cheapest way from one to the other costs per sound; `cost(sound, "")` is that of losing it."""
    row = [0.0]
    for char in other:
        row.append(row[-1] + cost(char, ""))
    for char in one:
        lose = cost(char, "")
        next_row = [row[0] + lose]
        for place, there in enumerate(other):
            change = row[place] if char == there else row[place] + cost(char, there)
            next_row.append(min(change, row[place + 1] + lose, next_row[place] + cost(there, "")))
        row = next_row
    return max(0.0, 1 - row[-1] / max(len(one), len(other), 1))


def _letter_cost(one: str, other: str) -> float:
    return 1.0


def _sound_cost(one: str, other: str) -> float:
    if not other:
        return _VOWEL_LOST if one in _VOWELS else _FAINT_COST if one in _SOFT else 1.0
    if one in _VOWELS and other in _VOWELS:
        return _FAINT_COST
    return _AKIN if (kind := _KIND.get(one)) is not None and kind == _KIND.get(other) else 1.0


def _unary(places: Iterable[int]) -> int:
    counts = Counter(places)
    return sum(((1 << min(count, _MOST)) - 1) << (place * _MOST) for place, count in counts.items())


@lru_cache(maxsize=1)
def _reader() -> Callable[[str], list[str]] | None:
    try:
        from pypinyin import lazy_pinyin
    except ImportError:
        return None
    read: Callable[[str], list[str]] = lazy_pinyin
    return read


def _pinyin(match: re.Match[str]) -> str:
    read = _reader()
    if read is None:
        return match[0]
    # Speakers of many regions do not tell these apart, and neither do engines.
    return _FUZZY.sub(lambda found: _ONE[found[0]], "".join(read(match[0])))


_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]+")
_FUZZY = re.compile("zh|ch|sh|ng|ü|c|q|x")
_ONE = {"zh": "z", "ch": "C", "sh": "s", "ng": "n", "ü": "u", "c": "C", "q": "C", "x": "S"}

_VOWELS = frozenset("aeiou")
_SOFT = _VOWELS | frozenset("hyw")
"""Sounds that come and go between others."""
_FAINT_COST = 0.4
"""Of a vowel for another one, or of a faint sound; a consonant for one of another kind is 1."""
_VOWEL_LOST = 0.6
_AKIN = 0.35
"""Of a consonant for one of its kind."""
_KINDS = ("pbfv", "tdTszSCJ", "kgq", "mn", "lr")
"""Sounds that are heard for each other. Capitals are sounds without a letter: `sh` is S, `ch` C, `th` T, `j` J."""
_KIND = {char: number for number, chars in enumerate(_KINDS) for char in chars}
_LEAST_BY_EAR = 0.6
_ROUNDING = 1e-9
_SLOTS = 64
_MOST = 4
"""Of one kind that are counted."""

_TWICE = re.compile(r"(.)\1+")


def _rules(*rules: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), sound) for pattern, sound in rules)


_ENGLISH = _rules(
    ("^(?:kn|gn|pn)", "n"),
    ("^ps", "s"),
    ("^wr", "r"),
    ("tch|ch", "C"),
    ("ph", "f"),
    ("(?<=[aeiou])gh", ""),
    ("gh", "g"),
    ("sh|(?:t|ss|s)i(?=on|an)|ti(?=al|ent)", "S"),
    ("th", "T"),
    ("wh", "w"),
    ("qu", "kw"),
    ("dge?(?![aou])(?<=dge)|ge$|j", "J"),
    ("ck", "k"),
    ("sc(?=[eiy])|c(?=[eiy])", "s"),
    ("c|q", "k"),
    ("x", "ks"),
    ("(?<=[a-zCJST]{2}[^aeiou])e$", ""),
    ("(?<![aeiou])y(?![aeiou])", "i"),
    ("oo|ou|ue|ew|eu", "u"),
    ("ee|ea|ie", "i"),
    ("ai|ay|ei|ey", "e"),
    ("au|aw|oa|ow|oe", "o"),
)
_GERMAN = _rules(
    ("tsch", "C"),
    ("sch|ch", "S"),
    ("ph|v", "f"),
    ("w", "v"),
    ("qu", "kv"),
    ("tz|z", "ts"),
    ("ck|c|q", "k"),
    ("x|chs", "ks"),
    ("(?<=[aeiou])h", ""),
    ("th|dt", "t"),
    ("j", "y"),
    ("ei|ai|ey|ay", "ai"),
    ("eu|au(?=e)", "oi"),
    ("ie|y(?![aeiou])", "i"),
)
