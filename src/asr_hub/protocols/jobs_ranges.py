"""Parts of a file over HTTP: which bytes a request asks for (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

import msgspec


class Part(msgspec.Struct, frozen=True):
    """Bytes `start` to `end` of a file, without `end`; at least one."""

    start: int
    end: int

    def header(self, size: int) -> str:
        """The `Content-Range` of an answer with it."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


class Answer(Enum):
    """What is answered other than a part."""

    WHOLE = 200
    UNCHANGED = 304
    """The client has it already."""
    BEYOND = 416
    """The file has nothing of what is asked for."""


def etag_of(sha256: str) -> str:
    """A strong validator: other bytes have another one."""
    return f'"{sha256}"'


def asked(headers: Mapping[str, str], etag: str, size: int) -> Part | Answer:
    """
    What a GET with these headers is to be answered with.

    Several ranges, units other than bytes and what is no range at all are answered with the whole, as RFC 9110, 14.2
    allows. The names of `headers` are looked up in lower case.
    """
    known = headers.get("if-none-match")
    if known is not None and _names(known, etag):
        return Answer.UNCHANGED
    if_range = headers.get("if-range")
    # The hub tells no time of change, so a date matches nothing; a weak tag never does.
    if if_range is not None and if_range.strip() != etag:
        return Answer.WHOLE
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or not any(found.groups()):
        return Answer.WHOLE
    return _within(found[1], found[2], size)


def _within(first: str, last: str, size: int) -> Part | Answer:
    if not first:
        wanted = min(_number(last), size)
        return Part(size - wanted, size) if wanted else Answer.BEYOND
    start = _number(first)
    end = _number(last) + 1 if last else size
    if last and end <= start:
        return Answer.WHOLE
    return Part(start, min(end, size)) if start < size else Answer.BEYOND


def _names(tags: str, etag: str) -> bool:
    """Whether a list of tags has this one, weakly compared."""
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in tags.split(","))


def _number(digits: str) -> int:
    """Of something longer than any file a number that is longer as well: Python reads no number of 10,000 digits."""
    told = digits.lstrip("0") or "0"
    return int(told) if len(told) <= _MOST_DIGITS else 10**_MOST_DIGITS


_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)", re.ASCII | re.IGNORECASE)

_MOST_DIGITS = 18
