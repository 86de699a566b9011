"""The numbers in a text, said or written: `twenty five`, `fünfundzwanzig`, `二十五` and `25` are the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from asr_hub.text.number_words import Lexicon, Part, lexicon
from asr_hub.text.pieces import Kind, Piece

_HAN_DIGITS = dict(zip("〇零一二三四五六七八九", (0, *range(10)), strict=True)) | {"两": 2, "兩": 2}
_HAN_FACTORS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_HAN_POINTS = frozenset("点點")
_HAN = _HAN_DIGITS.keys() | _HAN_FACTORS.keys()
_ENDINGS = frozenset({"st", "nd", "rd", "th"})
_GROUPED = re.compile(r"(\d{1,3})((?:[.,']\d{3})+)(?:[.,](\d+))?")


class Number(msgspec.Struct, frozen=True):
    """A number at a place among the pieces."""

    value: Decimal
    digits: str
    """As they would be written one after another; empty where the number may not be a piece of a longer one."""
    start: int
    """Index of its first piece."""
    end: int
    """Index after its last piece."""


def numbers(pieces: Sequence[Piece], language: str | None = None) -> list[Number]:
    """All numbers, in order. Without a language the number words of all known ones count."""
    words = lexicon(language)
    found: list[Number] = []
    place = 0
    while place < len(pieces):
        number = _number(pieces, place, words)
        if number is not None:
            found.append(number)
        place = number.end if number is not None else place + 1
    return found


def _number(pieces: Sequence[Piece], start: int, words: Lexicon) -> Number | None:
    if pieces[start].kind is Kind.CHARACTER:
        return _han(pieces, start)
    is_negative = pieces[start].text in ("minus", "negative") and start + 1 < len(pieces)
    place = start + is_negative
    reading = _Reading(words)
    while place < len(pieces) and (step := reading.step(pieces, place)):
        place += step
    if not reading.is_begun:
        return None
    value = -reading.value if is_negative else reading.value
    return Number(value, "" if is_negative else reading.digits, start, place)


class _Reading:
    """A number while its pieces are taken, one after another."""

    def __init__(self, words: Lexicon) -> None:
        self._words = words
        self._total = Decimal(0)
        self._group = Decimal(0)
        self._room: Decimal | None = None
        """What comes next must be smaller. Nothing yet: all is free."""
        self._outer_room = Decimal(0)
        """The room before the last unit: `fünf und zwanzig`."""
        self._unit = 0
        self._ceiling = Decimal("Infinity")
        self._digits = ""
        self._is_over = False

    @property
    def is_begun(self) -> bool:
        return self._room is not None

    @property
    def value(self) -> Decimal:
        return self._total + self._group

    @property
    def digits(self) -> str:
        return self._digits

    def step(self, pieces: Sequence[Piece], place: int) -> int:
        """How many pieces from `place` on belong to the number; 0 where it is over."""
        piece = pieces[place]
        if self._is_over:
            return 0
        if self.is_begun and piece.text in _ENDINGS and pieces[place - 1].kind is Kind.NUMERAL:
            self._digits, self._is_over = "", True
            return 1
        if self.is_begun and piece.text in self._words.points:
            return self._fraction(pieces, place)
        if piece.kind is Kind.NUMERAL:
            return int(self._literal(piece.text))
        if piece.kind is Kind.CHARACTER:
            return int(self._han_factor(piece.text))
        if self.is_begun and piece.text in self._words.connectors:
            return self._connected(pieces, place)
        part = self._words.part(piece.text) if piece.kind is Kind.WORD else None
        following = self._words.parts.get(pieces[place + 1].text) if place + 1 < len(pieces) else None
        return int(part is not None and self._take(part, is_before_factor=bool(following and following.is_factor)))

    def _literal(self, text: str) -> bool:
        value, digits = _written(text)
        if self._room is None:
            self._group, self._digits, self._room = value, digits, Decimal(0)
            return True
        if self._group or not 0 <= value < self._room:
            return False
        self._group, self._digits, self._room = value, "", Decimal(0)
        return True

    def _han_factor(self, text: str) -> bool:
        if self._room is None or text not in _HAN_FACTORS or not self._group:
            return False
        self._group *= _HAN_FACTORS[text]
        self._digits = ""
        return True

    def _connected(self, pieces: Sequence[Piece], place: int) -> int:
        if place + 1 >= len(pieces) or self._room is None:
            return 0
        name, following = pieces[place].text, pieces[place + 1].text
        part = self._words.part(following)
        if part is None or part.is_factor:
            return 0
        if 1 <= self._unit <= 9 and part.size in range(20, 100, 10) and part.size < self._outer_room and name != "and":
            self._add(part.size)
            return 2
        least = 100 if name == "and" else 10
        return 2 if self._room >= least and self._take(part, is_joined=True) else 0

    def _take(self, part: Part, *, is_before_factor: bool = False, is_joined: bool = False) -> bool:
        if part.is_factor:
            return self._multiply(part.size)
        if part.is_article and not (is_joined or self.is_begun or is_before_factor):
            return False
        if self._scores(part.size):
            # Four is counted already.
            self._add(76 if part.size == 20 else part.size)
            self._unit = 80 if part.size == 20 else part.size
            self._room = Decimal(20) if part.size == 20 else Decimal(0)
            return True
        if self._room is not None and not 0 < part.size < self._room:
            return False
        self._add(part.size)
        self._is_over = part.is_ordinal
        if part.is_ordinal:
            self._digits = ""
        return True

    def _add(self, size: int) -> None:
        self._digits = str(size) if self._room is None and size < 100 else self._digits and str(self.value + size)
        self._outer_room = Decimal("Infinity") if self._room is None else self._room
        self._group += size
        self._unit = size
        self._room = Decimal(_room(size))

    def _scores(self, size: int) -> bool:
        if not self._words.counts_in_scores or self._room is None:
            return False
        if self._unit == 10:
            return 7 <= size <= 9
        return (self._unit == 4 and size == 20) or (self._unit in (60, 80) and 10 <= size <= 19)

    def _multiply(self, factor: int) -> bool:
        if factor == 100:
            if self._room is not None and not (self._group < 100 and (self._group or self._room > 100)):
                return False
            self._group = (self._group or Decimal(1)) * 100
        elif self._room is not None and not self._group:
            if not 0 < self._total < factor:
                return False
            self._total *= factor
        elif factor >= self._ceiling:
            return False
        else:
            self._total += (self._group or 1) * factor
            self._group = Decimal(0)
        if factor != 100:
            self._ceiling = Decimal(factor)
        self._digits, self._unit, self._room = "", 0, Decimal(factor)
        return True

    def _fraction(self, pieces: Sequence[Piece], place: int) -> int:
        """`point` and the digits after it, said one by one or as a number below a hundred."""
        digits = ""
        end = place + 1
        while end < len(pieces):
            said = _digits(pieces[end], self._words)
            if not said or (digits and len(said) > 1):
                break
            digits += said
            end += 1
            if len(said) > 1:
                break
        if not digits:
            return 0
        self._group += Decimal(f"0.{digits}")
        self._digits, self._unit, self._room = "", 0, Decimal(0)
        return end - place


def _room(size: int) -> int:
    """What may be added to a part of this size is below."""
    if size and size % 100 == 0:
        return 100
    return 10 if size >= 20 and size % 10 == 0 else 0


def _digits(piece: Piece, words: Lexicon) -> str:
    if piece.kind is Kind.NUMERAL:
        return piece.text if piece.text.isdigit() else ""
    part = words.part(piece.text)
    return str(part.size) if part and part.size < 100 and not part.is_factor and not part.is_ordinal else ""


def _written(text: str) -> tuple[Decimal, str]:
    """The value of digits. A separator before exactly three of them groups; another one begins the fraction."""
    plain = text.replace("\u2212", "-").replace("\u202f", "'")
    if plain.isdigit():
        return Decimal(plain), plain
    unsigned = plain.removeprefix("-")
    if grouped := _GROUPED.fullmatch(unsigned):
        value = Decimal(grouped[1] + re.sub(r"\D", "", grouped[2]) + (f".{grouped[3]}" if grouped[3] else ""))
    else:
        value = Decimal(unsigned.replace(",", "."))
    return (-value if plain != unsigned else value), ""


def _han(pieces: Sequence[Piece], start: int) -> Number | None:
    text = _run(pieces, start)
    end = start + len(text)
    if not text or (text[-1] == "百" and _text(pieces[end : end + 2]) == "分之"):
        return None
    fraction = _run(pieces, end + 1) if _text(pieces[end : end + 1]) in _HAN_POINTS else ""
    if fraction and _HAN_DIGITS.keys() >= set(fraction):
        value = _han_value(text) + Decimal("0." + _han_digits(fraction))
        return Number(value, "", start, end + 1 + len(fraction))
    is_plain = _HAN_DIGITS.keys() >= set(text)
    value = _han_value(text)
    return Number(value, _han_digits(text) if is_plain else str(value) if value < 100 else "", start, end)


def _run(pieces: Sequence[Piece], start: int) -> str:
    """The numerals from `start` on that stand together."""
    text = ""
    for piece in pieces[start:]:
        if piece.text not in _HAN or (text and piece.is_apart):
            break
        text += piece.text
    return text


def _han_value(text: str) -> Decimal:
    if _HAN_DIGITS.keys() >= set(text):
        return Decimal(_han_digits(text))
    total = section = digit = 0
    for character in text:
        if character in _HAN_DIGITS:
            digit = _HAN_DIGITS[character]
            continue
        factor = _HAN_FACTORS[character]
        if factor < 10**4:
            section += (digit or 1) * factor
        else:
            total = (total + (section + digit or 1)) * factor if factor == 10**8 else total + (section + digit) * factor
            section = 0
        digit = 0
    return Decimal(total + section + digit)


def _han_digits(text: str) -> str:
    return "".join(str(_HAN_DIGITS[character]) for character in text)


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)
