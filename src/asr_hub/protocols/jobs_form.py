"""The fields of a form become an order, and the query of a request a search. Decides; reads nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, get_args

from asr_hub.errors import ProtocolError
from asr_hub.protocols.jobs_port import JobStatus, Order
from asr_hub.wire.conversation import check_hotwords, check_language

FIELDS = frozenset(
    {"language", "provider", "batch_size", "priority", "hotwords", "formats", "webhook", "channels"},
)
"""Of a form, beside the file."""

PRIORITIES: Mapping[str, int] = {"high": 10, "normal": 50, "low": 90}

FIRST_PRIORITY, LAST_PRIORITY = 1, 100

MAX_BATCH = 256
"""Segments at the same time."""

MAX_FORMATS = 16

MAX_URL = 2048
"""Characters"""

MAX_NAME = 128
"""Characters of a provider's name."""


def order_of(fields: Mapping[str, Sequence[str]]) -> Order:
    """What the fields ask for; one that is empty is as one that is not there. Raises ProtocolError."""
    order = Order(
        provider=_name(fields),
        language=_one(fields, "language"),
        hotwords=tuple(dict.fromkeys(_many(fields, "hotwords"))),
        channels=_channels(fields),
        batch_size=_number(fields, "batch_size", 0, MAX_BATCH, 0),
        priority=_priority(fields),
        formats=tuple(dict.fromkeys(_many(fields, "formats"))),
        webhook=_one(fields, "webhook"),
    )
    check_language(order.language)
    check_hotwords(order.hotwords)
    if len(order.formats) > MAX_FORMATS:
        raise _bad(f"`formats` are {len(order.formats)}, and at most {MAX_FORMATS} are taken")
    if order.webhook is not None and (len(order.webhook) > MAX_URL or not order.webhook.isprintable()):
        raise _bad(f"`webhook` is an http or https address of at most {MAX_URL} characters")
    return order


def states_of(given: Sequence[str]) -> tuple[JobStatus, ...]:
    """Raises ProtocolError."""
    known: tuple[JobStatus, ...] = get_args(JobStatus)
    names = [name for one in given for name in _split(one)]
    if unknown := next((name for name in names if name not in known), None):
        raise _bad(f"`state` is one of {', '.join(known)}, not {unknown[:32]!r}")
    return tuple(state for state in known if state in names)


def time_of(name: str, given: str | None) -> float | None:
    """Seconds since the epoch, of such a number or of a date and time (ISO 8601; UTC where it says no other)."""
    if given is None or not given.strip():
        return None
    text = given.strip()
    try:
        if _SECONDS.fullmatch(text):
            seconds = float(text)
        else:
            # A `+` that was not escaped comes as a space.
            at = datetime.fromisoformat(text.replace(" +", "+") if "T" not in text else text.replace(" ", "+"))
            seconds = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = math.inf
    if not abs(seconds) < _FAR:
        raise _bad(f"`{name}` is a date and time such as 2026-01-31T12:00:00Z, or seconds since 1970")
    return seconds


def _name(fields: Mapping[str, Sequence[str]]) -> str | None:
    name = _one(fields, "provider")
    if name is not None and not (len(name) <= MAX_NAME and name.isprintable()):
        raise _bad(f"`provider` has 1 to {MAX_NAME} printable characters")
    return name


def _channels(fields: Mapping[str, Sequence[str]]) -> Literal["mix", "split"]:
    match _one(fields, "channels"):
        case None | "mix":
            return "mix"
        case "split":
            return "split"
        case _:
            raise _bad("`channels` is `mix` (one text) or `split` (each channel is a speaker)")


def _priority(fields: Mapping[str, Sequence[str]]) -> int:
    named = PRIORITIES.get(_one(fields, "priority") or "normal")
    if named is not None:
        return named
    return _number(fields, "priority", FIRST_PRIORITY, LAST_PRIORITY, PRIORITIES["normal"])


def _number(fields: Mapping[str, Sequence[str]], name: str, least: int, most: int, usual: int) -> int:
    given = _one(fields, name)
    if given is None:
        return usual
    if not (given.isascii() and given.isdigit() and len(given) <= _MAX_DIGITS and least <= int(given) <= most):
        words = ", or high, normal or low" if name == "priority" else ""
        raise _bad(f"`{name}` is a number from {least} to {most}{words}")
    return int(given)


def _one(fields: Mapping[str, Sequence[str]], name: str) -> str | None:
    given = fields.get(name, ())
    if len(given) > 1:
        raise _bad(f"`{name}` is there {len(given)} times; send it once")
    return (given[0].strip() or None) if given else None


def _many(fields: Mapping[str, Sequence[str]], name: str) -> list[str]:
    return [part for one in fields.get(name, ()) for part in _split(one)]


def _split(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]


def _bad(message: str) -> ProtocolError:
    return ProtocolError(message, code="bad-value")


_SECONDS = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,9})?", re.ASCII)

_FAR = 1e12
"""Seconds since the epoch that no clock shows."""

_MAX_DIGITS = 6
