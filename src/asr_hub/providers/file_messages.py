"""How a process that works on files tells the end of one."""

from __future__ import annotations

from typing import Self

import msgspec

from asr_hub.errors import (
    ConfigError,
    HubError,
    NotFound,
    Overloaded,
    ProviderError,
    ProviderUnavailable,
    TooLarge,
    UnsupportedAudio,
)


class Done(msgspec.Struct, frozen=True, tag="done"):
    """All of the file is told, and all that was sent of it is read."""

    peak_bytes: int
    """The most memory that the process has had, so far."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """Nothing more comes of the file."""

    kind: str
    """The code of the class of the error."""
    code: str
    message: str
    is_last: bool = False
    """The process is in doubt and ends."""

    @classmethod
    def by(cls, error: HubError, *, is_last: bool) -> Self:
        return cls(kind=type(error).code, code=error.code, message=str(error), is_last=is_last)

    def error(self) -> HubError:
        """The error, in the hub."""
        return _KINDS.get(self.kind, ProviderError)(self.message, code=self.code)


_KINDS: dict[str, type[HubError]] = {
    kind.code: kind
    for kind in (UnsupportedAudio, TooLarge, NotFound, Overloaded, ConfigError, ProviderUnavailable, ProviderError)
}
