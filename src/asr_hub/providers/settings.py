"""Settings of a provider, from the YAML file into a typed struct."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from asr_hub.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)

_PLACED = re.compile(r"(?P<fault>.*) - at (?:`key` in )?`\$(?P<place>.*)`", re.DOTALL)
"""How msgspec says where in the settings a fault is."""
_MISSING = re.compile(r"Object missing required field `(?P<key>\w+)`")
_FIRST_WORDS = ("Expected ", "Object ", "Invalid ")
"""What msgspec's own messages begin with. Those of a struct's check are left as they are written."""


def read_settings(name: str, settings: Mapping[str, Any], shape: type[T]) -> T:
    """Check `settings` against `shape`. Raises ConfigError that names the key and what is there."""
    known = shape.__struct_fields__
    for key in settings:
        if key not in known:
            raise ConfigError(f"providers.{name}.settings: {key!r} is not known; {suggestion(key, known)}")
    try:
        return msgspec.convert(dict(settings), shape)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"providers.{name}.settings{_told(str(exc))}") from exc


def suggestion(word: object, known: Iterable[str]) -> str:
    """What may have been meant by a word that is not known: the one that is near it, else all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(str(word), words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(words)}"


def _told(message: str) -> str:
    """What msgspec says, with the place in front as a configuration writes it: `.beam_size: expected int, got str`."""
    placed = _PLACED.fullmatch(message)
    fault, place = (placed["fault"], placed["place"]) if placed else (message, "")
    missing = _MISSING.fullmatch(fault)
    if missing:
        return f"{place}.{missing['key']}: is missing; it has no default"
    if fault.startswith(_FIRST_WORDS):
        fault = fault[0].lower() + fault[1:].replace("`", "")
    return f"{place}: {fault}"
