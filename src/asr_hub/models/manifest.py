"""What a model's folder must hold: the list of its files that is kept beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import msgspec

from asr_hub.errors import ConfigError

FILE = ".asr-hub.json"
"""The manifest's name in the folder. Hidden, so that no engine takes it for its own."""

MAX_FILES = 10_000
_MAX_BYTES = 16 * 2**20
_BLOCK = 1 << 20


class ListedFile(msgspec.Struct, frozen=True):
    """One file of a model."""

    path: str
    """Relative, with `/`."""
    size: int
    """Bytes"""
    checksum: str
    """`sha256:…`, `md5:…` or `git-sha1:…` (the id that git gives to a file's content)"""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it was fetched."""

    name: str
    engine: str
    source: str
    revision: str
    """The commit of a repository, or the checksum of an archive."""
    licence: str
    files: tuple[ListedFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Hash(Protocol):
    """What hashlib's objects are here for."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def hasher(file: ListedFile) -> Hash:
    """A hash in the state before the file's first byte. Raises ConfigError for a kind that is not known."""
    kind = file.checksum.partition(":")[0]
    if kind == "git-sha1":
        # A git object's id covers a header before the content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    if kind == "md5":
        return hashlib.md5(usedforsecurity=False)
    if kind == "sha256":
        return hashlib.sha256()
    raise ConfigError(f"{file.path}: {kind!r} is no kind of checksum")


def fits(file: ListedFile, digest: Hash) -> bool:
    return digest.hexdigest() == file.checksum.partition(":")[2]


def feed(path: Path, digest: Hash) -> None:
    """Put the whole file into the hash, in blocks."""
    with path.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)


def read(folder: Path) -> Manifest | None:
    """The manifest of a model's folder; None where it has none. Raises ConfigError where it is broken."""
    try:
        with (folder / FILE).open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ConfigError(f"{folder / FILE} is too large; remove the model and pull it again")
        return msgspec.json.decode(raw, type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as exc:
        raise ConfigError(f"{folder / FILE} cannot be read: {exc}; remove the model and pull it again") from exc


def write(folder: Path, manifest: Manifest) -> None:
    """Keep the manifest in the folder."""
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
