"""Settings of a provider, from the YAML file into a typed struct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from asr_hub.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)


def read_settings(name: str, settings: Mapping[str, Any], shape: type[T]) -> T:
    """Check `settings` against `shape`. Raises ConfigError that names the key and what is there."""
    known = shape.__struct_fields__
    for key in settings:
        if key not in known:
            raise ConfigError(f"providers.{name}.settings: {key!r} is not known; there are: {', '.join(sorted(known))}")
    try:
        return msgspec.convert(dict(settings), shape)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"providers.{name}.settings: {exc}") from exc
