"""What the shells of foreign dialects are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from asr_hub.errors import NotFound
from asr_hub.protocols.origins import Pages
from asr_hub.protocols.port import DoorPort, HubPort
from asr_hub.wire.conversation import Limits


class FilesPort(Protocol):
    """Audio files of any kind become samples: PCM, 16 kHz, mono, signed 16 bit, little endian, in order."""

    def decoded(self, path: Path) -> AsyncGenerator[bytes, None]:
        """
        The samples of a whole file, in pieces of at most a second.

        Raises UnsupportedAudio, TooLarge, Overloaded, ProviderDied (`decoder-died`). Where the file is cut off,
        UnsupportedAudio (`truncated-audio`) comes after all samples that are there. Whoever stops early closes it.
        """
        ...

    def decoded_live(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The same of a file that is still coming in, as it comes: of containers that can be read so. Raises those."""
        ...


class Models:
    """
    What clients call models, which are the hub's providers.

    A client may name a provider, or an alias of the configuration. Any other name is the alias `*`, by default the
    hub's default provider: clients have names of their own service written into them. Where `is_strict`, it is refused.
    """

    def __init__(self, aliases: Mapping[str, str], providers: tuple[str, ...], *, is_strict: bool = False) -> None:
        self._aliases = dict(aliases)
        self._providers = providers
        self._is_strict = is_strict

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that can be named, aliases first."""
        aliases = (name for name in self._aliases if name != ANY)
        return tuple(dict.fromkeys((*aliases, *self._providers)))

    def provider(self, model: str | None) -> str | None:
        """
        Who hears for this model; None is the hub's default.

        Raises NotFound (`model-not-found`) where names are strict.
        """
        if model is None:
            return self._aliases.get(ANY)
        if model in self._aliases:
            return self._aliases[model]
        if model in self._providers:
            return model
        if self._is_strict:
            raise NotFound(
                f"there is no model {model[:64]!r} here; there are: {', '.join(self.names)}", code="model-not-found"
            )
        return self._aliases.get(ANY)


ANY = "*"
"""The alias of whatever has no other."""


class Compat(msgspec.Struct, frozen=True, kw_only=True):
    """What every dialect has in common."""

    hub: HubPort
    door: DoorPort
    """Of this dialect"""
    models: Models
    files: FilesPort
    limits: Limits
    pages: Pages = Pages()
    """That may use a port of its own."""
