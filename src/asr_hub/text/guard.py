"""Whether a corrected text still says what was said: a model that answers, obeys or translates is not believed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import floor

import msgspec

from asr_hub.text.align import Operation, align
from asr_hub.text.pieces import UNITS, Kind, Piece, pieces
from asr_hub.text.sounds import similarity, sound_of
from asr_hub.text.spoken_numbers import Number, numbers
from asr_hub.text.words import words


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How far a correction may go."""

    max_edit_share: float = 0.3
    """Of the words. One word may always change."""
    max_new_run: int = 3
    """New words in a row, between words that were said. At the beginning and at the end there may be none."""
    least_likeness: float = 0.6
    """0 to 1: how alike what was heard and what takes its place must sound."""
    max_words: int = 2000
    """A longer text is not corrected."""


def judge(
    original: str,
    corrected: str,
    *,
    limits: Limits,
    hotwords: Sequence[str] = (),
    language: str | None = None,
) -> str:
    """
    Why `corrected` may not take the place of `original`; empty where it may.

    It must hold the same numbers, names, negations and units, in the same script, and nothing at its beginning or end
    that was not said. What else changes must sound alike, and be little. A reason holds no word of the text.
    """
    if not corrected.strip():
        return "nothing is left"
    if len(corrected) > 2 * len(original) + 16:
        return "it is too long"
    before, after = pieces(original), pieces(corrected)
    if max(len(before), len(after)) > limits.max_words:
        return "it has too many words"
    was, now = numbers(before, language), numbers(after, language)
    return (
        _marks(original, corrected)
        or _script(original, corrected, hotwords)
        or _case(before, after)
        or _numbers(was, now)
        or _kept(before, after, hotwords, language)
        or _edits(_items(before, was), _items(after, now), limits, language)
    )


# Marks and letters


def _marks(original: str, corrected: str) -> str:
    for text in _LINKS:
        if corrected.count(text) > original.count(text):
            return "it has an address that was not said"
    new = Counter(corrected) - Counter(original)
    if any(unicodedata.category(char) in _UNPRINTED for char in new):
        return "it has a line break or a control character"
    if any(char in _MARKUP or (unicodedata.category(char) in _SYMBOLS and char not in UNITS) for char in new):
        return "it has marks that nobody says"
    if _LIST.match(corrected) and not _LIST.match(original):
        return "it begins like a list"
    if _REPEATED.search(corrected) and not _REPEATED.search(original):
        return "a mark is repeated"
    return ""


def _script(original: str, corrected: str, hotwords: Sequence[str]) -> str:
    allowed = _scripts(original) | _scripts("".join(hotwords))
    if allowed & {"HIRAGANA", "KATAKANA"}:
        allowed |= {"HIRAGANA", "KATAKANA", "CJK"}
    return "" if _scripts(corrected) <= allowed else "it is written in another script"


def _scripts(text: str) -> set[str]:
    return {_script_of(char) for char in unicodedata.normalize("NFKC", text) if char.isalpha()}


@lru_cache(maxsize=4096)
def _script_of(char: str) -> str:
    name = re.split("[ -]", unicodedata.name(char, ""), maxsplit=1)[0]
    return "CJK" if name == "IDEOGRAPHIC" else name


def _case(before: Sequence[Piece], after: Sequence[Piece]) -> str:
    """Capitals are for names and beginnings. A few words more in capitals may be abbreviations."""
    new = sum(map(_is_loud, after)) - sum(map(_is_loud, before))
    return "it is in capitals" if new > max(1, len(after) // 3) else ""


def _is_loud(piece: Piece) -> bool:
    return len(piece.raw) > 1 and piece.raw.isupper()


# Numbers


def _numbers(was: Sequence[Number], now: Sequence[Number]) -> str:
    there, here = list(_runs(was)), list(_runs(now))
    if len(there) != len(here) or not all(map(_same_numbers, there, here)):
        return "a number changed"
    return ""


def _runs(found: Sequence[Number]) -> Iterator[list[Number]]:
    """Numbers with no word between them."""
    run: list[Number] = []
    for number in found:
        if run and run[-1].end != number.start:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _same_numbers(was: Sequence[Number], now: Sequence[Number]) -> bool:
    if [number.value for number in was] == [number.value for number in now]:
        return True
    # Years and telephone numbers are said in pieces: nineteen eighty four, five five five.
    pieces_of_one = all(number.digits and number.value < 100 for number in was)
    written = all(number.digits for number in now)
    return pieces_of_one and written and _digits(was) == _digits(now)


def _digits(run: Sequence[Number]) -> str:
    return "".join(number.digits for number in run)


# What must be kept


def _kept(before: Sequence[Piece], after: Sequence[Piece], hotwords: Sequence[str], language: str | None) -> str:
    if Counter(_units(before)) != Counter(_units(after)):
        return "a unit changed"
    if _negations(before, language) != _negations(after, language):
        return "a negation came or went"
    asked, still = _count(before, _QUESTIONS), _count(after, _QUESTIONS)
    if asked - still:
        return "a question is no question any more"
    if _count(before, _OPPOSITES) != _count(after, _OPPOSITES):
        return "a word became its opposite"
    there, here = _spaced(before), _spaced(after)
    names = [f" {' '.join(parts)} " for hotword in hotwords if (parts := words(hotword))]
    if any(there.count(name) > here.count(name) for name in names):
        return "a hotword is lost"
    lost = Counter(_names(before)) - Counter(_bare(piece.text) for piece in after)
    # A name may be misheard where a hotword was said.
    gained = sum(max(0, here.count(name) - there.count(name)) * len(name.split()) for name in names)
    return "a name is lost" if lost.total() > gained else ""


def _units(found: Sequence[Piece]) -> list[str]:
    return [unit for piece in found if (unit := _unit(piece))]


def _unit(piece: Piece) -> str:
    return piece.text if piece.kind is Kind.UNIT else _UNIT_WORDS.get(piece.text, "")


def _negations(found: Sequence[Piece], language: str | None) -> int:
    more = _NEGATIONS_OF.get((language or "").partition("-")[0].lower(), frozenset())
    said = sum(piece.text in _NEGATIONS or piece.text in more or piece.text.endswith("n't") for piece in found)
    text = "".join(piece.text for piece in found if piece.kind is Kind.CHARACTER)
    return said + sum(text.count(part) for part in _NEGATIONS_UNSPACED)


def _count(found: Sequence[Piece], wanted: Sequence[str]) -> Counter[str]:
    text = "".join(piece.text for piece in found if piece.kind is Kind.CHARACTER)
    return Counter({part: text.count(part) for part in wanted if part in text})


def _names(found: Sequence[Piece]) -> Iterator[str]:
    if any(_is_small(piece.raw) for piece in found):
        yield from (_bare(piece.text) for piece in found if not piece.is_initial and _is_name(piece))


def _is_small(raw: str) -> bool:
    return raw != "" and raw == raw.lower() and raw != raw.upper()


def _is_name(piece: Piece) -> bool:
    return piece.raw[:1].isupper() and len(piece.raw) > 1 and not piece.text.startswith("i'")


def _bare(text: str) -> str:
    return text.removesuffix("'s")


def _spaced(found: Sequence[Piece]) -> str:
    return f" {' '.join(piece.text for piece in found)} "


# Edits


class _Span(msgspec.Struct, frozen=True):
    """Words in a row, and what stands in their place."""

    was: Sequence[Piece]
    now: Sequence[Piece]
    start: int
    """Of `was` in the original."""


def _items(found: Sequence[Piece], counted: Sequence[Number]) -> list[Piece]:
    """The pieces with one for each run of numbers, which are compared already, and units behind their number."""
    items: list[Piece] = []
    place = 0
    for count, run in enumerate(_runs(counted)):
        items += found[place : run[0].start]
        number = Piece(f"#{count}", Kind.NUMERAL)
        if items and items[-1].kind is Kind.UNIT:
            items.insert(-1, number)
        else:
            items.append(number)
        place = run[-1].end
    items += found[place:]
    return [Piece(unit, Kind.UNIT) if (unit := _unit(piece)) else piece for piece in items]


def _edits(before: Sequence[Piece], after: Sequence[Piece], limits: Limits, language: str | None) -> str:
    edits = 0
    for span in _spans(before, after):
        was, now = _joined(span.was), _joined(span.now)
        if was == now:
            continue
        if reason := _change(span, before, limits, language):
            return reason
        edits += len(span.now) or (0 if _is_filler(span.was) else len(span.was))
    return "too much changed" if edits > max(1, floor(limits.max_edit_share * len(before))) else ""


def _spans(before: Sequence[Piece], after: Sequence[Piece]) -> Iterator[_Span]:
    was: list[Piece] = []
    now: list[Piece] = []
    place = 0
    for operation, reference, heard in align([it.text for it in before], [it.text for it in after]):
        if operation is Operation.MATCH:
            if was or now:
                yield _Span(was, now, place - len(was))
                was, now = [], []
            place += 1
            continue
        if reference is not None:
            was.append(before[reference])
            place += 1
        if heard is not None:
            now.append(after[heard])
    if was or now:
        yield _Span(was, now, place - len(was))


def _change(span: _Span, before: Sequence[Piece], limits: Limits, language: str | None) -> str:
    if any(piece.kind in (Kind.NUMERAL, Kind.UNIT) for piece in (*span.was, *span.now)):
        return "a number or a unit moved"
    if len(span.now) - len(span.was) > limits.max_new_run:
        return "too many new words in a row"
    if not span.was:
        return _insertion(span, before)
    if not span.now:
        return _deletion(span, before)
    return _replacement(span, before, limits, language)


def _insertion(span: _Span, before: Sequence[Piece]) -> str:
    """`red. It is red.` may be read as a change in the middle, so the words are moved to where they end up."""
    if _reaches_end(span.now, before, span.start) or _reaches_start(span.now, before, span.start):
        return "something was added at an end"
    if any(_is_name(piece) and not piece.is_initial for piece in span.now):
        return "a name was added"
    if any(piece.kind is Kind.CHARACTER for piece in span.now) and len(span.now) > 1:
        return "too many new characters in a row"
    return ""


def _reaches_end(new: Sequence[Piece], before: Sequence[Piece], place: int) -> bool:
    moving = [piece.text for piece in new]
    while place < len(before) and before[place].text == moving[0]:
        moving.append(moving.pop(0))
        place += 1
    return place == len(before)


def _reaches_start(new: Sequence[Piece], before: Sequence[Piece], place: int) -> bool:
    moving = [piece.text for piece in new]
    while place > 0 and before[place - 1].text == moving[-1]:
        moving.insert(0, moving.pop())
        place -= 1
    return place == 0


def _deletion(span: _Span, before: Sequence[Piece]) -> str:
    """Fillers and what was said twice may go, and one short word in the middle, as engines hear them in noise."""
    end = span.start + len(span.was)
    if _is_filler(span.was) or _is_repeated(span, before):
        return ""
    is_inside = span.start > 0 and end < len(before)
    is_short = len(span.was) == 1 and len(span.was[0].text) <= 3
    return "" if is_inside and is_short else "something was left out"


def _is_filler(found: Sequence[Piece]) -> bool:
    return all(piece.text in _FILLERS for piece in found)


def _is_repeated(span: _Span, before: Sequence[Piece]) -> bool:
    size, start = len(span.was), span.start
    lost = [piece.text for piece in span.was]
    following = [piece.text for piece in before[start + size : start + 2 * size]]
    return lost in (following, [piece.text for piece in before[max(0, start - size) : start]])


def _replacement(span: _Span, before: Sequence[Piece], limits: Limits, language: str | None) -> str:
    was, now = _joined(span.was), _joined(span.now)
    if max(len(was), len(now)) > _LONGEST_CHANGE:
        return "too much changed in a row"
    if _are_opposites(was, now):
        return "a word became its opposite"
    there, here = sound_of(was, language), sound_of(now, language)
    likeness = similarity(there, here) if there.letters and here.letters else 0.0
    wanted = limits.least_likeness
    if len(span.was) != len(span.now):
        # The more words there are, the more of them may be new beside one that sounds alike.
        is_end = span.start == 0 or span.start + len(span.was) == len(before)
        wanted = max(wanted, 0.8 if is_end and len(span.now) > len(span.was) else 0.7)
    return "" if likeness >= wanted else "a word became quite another"


def _are_opposites(was: str, now: str) -> bool:
    """`possible` and `impossible`, `import` and `export`: they sound alike and mean the contrary."""
    return not _stems(was).isdisjoint(_stems(now))


def _stems(word: str) -> set[str]:
    return {word} | {
        stem for prefix in _PREFIXES if (stem := word.removeprefix(prefix)) != word and len(stem) >= _SHORTEST_STEM
    }


def _joined(found: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in found)


_LONGEST_CHANGE = 60
"""Letters. To compare sounds takes time that grows with the square."""
_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "de", "en", "ex", "miss")
_SHORTEST_STEM = 4
_LINKS = ("://", "www.", "@")
_UNPRINTED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_SYMBOLS = frozenset({"So", "Sm", "Sk", "Sc"})
_MARKUP = frozenset("`*_#~<>{}[]|\\^=")
_LIST = re.compile(r"\s*(?:[-\u2013\u2014\u2022\u00b7+>]|\(?\w[.)])\s")
_REPEATED = re.compile(r"([^\w\s])\1{3}")
_UNIT_WORDS = {"percent": "%", "prozent": "%", "dollar": "$", "dollars": "$", "euro": "€", "euros": "€", "yen": "¥"} | {
    "degree": "°",
    "degrees": "°",
    "grad": "°",
}
_FILLERS = frozenset({"ah", "äh", "ähm", "eh", "er", "erm", "euh", "hm", "hmm", "mhm", "uh", "uhm", "um", "嗯", "呃"})
_NEGATIONS = frozenset(
    {"cannot", "never", "not"}
    | {"arent", "cant", "couldnt", "didnt", "doesnt", "dont", "hasnt", "havent", "isnt", "shouldnt", "wasnt", "wont"}
    | {"kein", "keine", "keinem", "keinen", "keiner", "keines", "nicht", "nie", "niemals"}
    | {"geen", "niet", "jamais", "pas", "jamás", "nunca", "não", "не", "ни"}
)
_NEGATIONS_OF = {"es": frozenset({"no"}), "it": frozenset({"non"}), "fr": frozenset({"non"})}
_NEGATIONS_UNSPACED = ("不", "没", "沒", "ない", "ません", "ไม่")
_QUESTIONS = (
    *("什么", "什麼", "谁", "誰", "哪", "几", "幾", "多少", "怎", "吗", "嗎"),
    *("何", "どこ", "いつ", "だれ", "なぜ", "どう", "どの", "どれ"),
)
_OPPOSITES = ("买", "卖", "買", "賣")
"""Buying and selling sound alike in Chinese."""
