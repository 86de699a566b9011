"""The configuration to look at: as JSON, with every secret covered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from pydantic import BaseModel

from asr_hub.config.loader import is_secret
from asr_hub.config.masked_addresses import COVERED, HOOK, masked_addresses
from asr_hub.config.schema import Config, DialectOnPort, Dialects, Key, Tls


def masked(config: Config) -> dict[str, Any]:  # Any: whatever settings hold
    """
    Every key of the configuration, as YAML would hold it.

    Covered are: what a key's name says is a secret, wherever it stands; what such a name holds, whole; what in an
    address may be one (see `masked_addresses`); and texts that look like keys, whatever their name is. The path of a
    file, the name of a variable and the name of a key of `access.keys` are none.
    """
    return _section(config)


_Fields = frozenset[tuple[type[BaseModel], str]]

_OPEN: _Fields = frozenset({(Tls, "key"), (DialectOnPort, "key")})
"""Fields that are called like a secret: a path, and a name."""

_CLOSED: _Fields = frozenset({(Key, "hash")})
"""A field that is not."""

_NAMED_BY_PEOPLE: _Fields = frozenset({(Config, "hotwords_of"), (Dialects, "models")})
"""Mappings whose keys say nothing of what they hold."""

_OPEN_NAME = re.compile(r".*_env|max_.*|public_key", re.IGNORECASE)
"""The name of a variable of the environment, a limit, and what is no secret by its nature."""

_CLOSED_NAME = re.compile(r"pass|pwd|credential|auth|cookie|signature|header|bearer|private", re.IGNORECASE)
"""In an adapter's settings, whose names are its own, beside those that `is_secret` knows."""

_ASSIGNED = re.compile(r"((?:pass|pwd|secret|token|key|credential|auth)[a-z_-]*\s*[=:]\s*)\S+", re.IGNORECASE)
"""As in `host=db password=…`, `--api-key=…` and `Authorization: …`."""
_OPTION = re.compile(
    r"(--?[a-z_-]*(?:pass|pwd|secret|token|key|credential|auth)[a-z_-]*)(?:\s+(?!-)\S+|$)", re.IGNORECASE
)
"""Of a command: what follows it is its value, in the same text or the next one of a list."""
_BEARER = re.compile(r"\b(bearer|basic)\s+\S+", re.IGNORECASE)
_KEYLIKE = re.compile(r"\b(?:sk-|ah_|whsec_|ghp_|hf_|AKIA|AIza|eyJ)[A-Za-z0-9+/=._-]{12,}|-----BEGIN.*", re.DOTALL)
"""Keys of this hub and of services that engines are rented from, tokens, and PEM."""


def _section(section: BaseModel) -> dict[str, Any]:
    kind = type(section)
    return {name: _field(kind, name, getattr(section, name)) for name in kind.model_fields}


def _field(kind: type[BaseModel], name: str, value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _section(value)
    if isinstance(value, Mapping):
        if (kind, name) not in _NAMED_BY_PEOPLE and not any(isinstance(one, BaseModel) for one in value.values()):
            return _settings(value, name)
        return {str(key): _field(kind, "", one) for key, one in value.items()}
    if isinstance(value, Sequence) and any(isinstance(one, BaseModel) for one in value):
        return [_field(kind, "", one) for one in value]
    is_open = _is_among(_OPEN, kind, name) or _OPEN_NAME.fullmatch(name) is not None
    if _is_among(_CLOSED, kind, name) or (is_secret(name) and not is_open):
        return _cover(value)
    return _plain(value, name)


def _is_among(fields: _Fields, kind: type[BaseModel], name: str) -> bool:
    return any(name == field and issubclass(kind, owner) for owner, field in fields)


def _settings(value: Mapping[Any, Any], where: str = "") -> dict[str, Any]:
    """Of an adapter: the names in it say what is a secret, and what a hook; `where` are those around it."""
    return {
        _text(str(name), ""): _cover(one) if _is_closed(str(name)) else _plain(one, f"{where} {name}")
        for name, one in value.items()
    }


def _is_closed(name: str) -> bool:
    return _OPEN_NAME.fullmatch(name) is None and (is_secret(name) or _CLOSED_NAME.search(name) is not None)


def _cover(value: Any) -> Any:
    """That something is not set is no secret, and worth knowing."""
    return value if value is None or isinstance(value, bool) or value in ({}, [], ()) else COVERED


def _plain(value: Any, where: str) -> Any:
    """As JSON."""
    if isinstance(value, Mapping):
        return _settings(value, where)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Sequence | Set) and not isinstance(value, str | bytes):
        return _row(value, where)
    return _text(str(value), where)


def _row(values: Sequence[Any] | Set[Any], where: str) -> list[Any]:  # Any: whatever settings hold
    found: list[Any] = []
    last: Any = None
    for one in values:
        is_value = isinstance(last, str) and _OPTION.fullmatch(last) is not None and not str(one).startswith("-")
        found.append(_cover(one) if is_value else _plain(one, where))
        last = one
    return found


def _text(text: str, where: str) -> str:
    text = masked_addresses(text, is_hook=HOOK.search(where) is not None)
    text = _OPTION.sub(lambda it: f"{it[1]} {COVERED}" if it[0] != it[1] else it[0], text)
    text = _BEARER.sub(rf"\1 {COVERED}", text)
    return _KEYLIKE.sub(COVERED, _ASSIGNED.sub(rf"\1{COVERED}", text))
