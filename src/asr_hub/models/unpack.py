"""Unpacks the ZIP archive of a model, trusting nothing that is written in it."""

from __future__ import annotations

import hashlib
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from asr_hub.errors import ProviderUnavailable
from asr_hub.models import manifest
from asr_hub.models.manifest import MAX_FILES, ListedFile
from asr_hub.models.sources import is_safe

MAX_UNPACKED = 32 * 2**30
"""Bytes. Three times the largest model there is."""

_BLOCK = 1 << 20


def unpacked_size(archive: Path) -> int:
    """
    Bytes that the files of the archive have once they are unpacked.

    Raises ProviderUnavailable for what is no archive, or for one that holds more than a model could: links, devices,
    encrypted files, paths that lead out of the folder.
    """
    with _opened(archive) as content:
        return sum(info.file_size for _, info in _members(content, archive))


def unpack(archive: Path, folder: Path) -> tuple[ListedFile, ...]:
    """
    Put the archive's files into the folder, without the one directory that they may all be in.

    Returns what was written. Raises ProviderUnavailable as `unpacked_size` does, and where the content is damaged.
    """
    with _opened(archive) as content:
        members = _members(content, archive)
        return tuple(_write(content, info, path, folder, archive) for path, info in members)


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise ProviderUnavailable(f"{archive.name} is no ZIP archive: {exc}") from exc


def _members(content: zipfile.ZipFile, archive: Path) -> list[tuple[str, zipfile.ZipInfo]]:
    # Not `is_dir`, which looks at the last character of a name that may have none.
    found = [info for info in content.infolist() if not info.filename.endswith("/")]
    for info in found:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not is_safe(info.filename) or kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
            raise ProviderUnavailable(f"{archive.name} holds {info.filename!r}, which no model needs; not unpacked")
    if not found or len(found) > MAX_FILES or sum(info.file_size for info in found) > MAX_UNPACKED:
        raise ProviderUnavailable(f"{archive.name} holds nothing, or more than a model could; not unpacked")
    tops = {info.filename.partition("/")[0] for info in found}
    is_wrapped = len(tops) == 1 and all("/" in info.filename for info in found)
    paths = [info.filename.partition("/")[2] if is_wrapped else info.filename for info in found]
    if len({*paths, manifest.FILE}) <= len(paths):
        raise ProviderUnavailable(f"{archive.name} holds two files of one name, or of ours; not unpacked")
    return list(zip(paths, found, strict=True))


def _write(content: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, folder: Path, archive: Path) -> ListedFile:
    target = folder / path
    digest = hashlib.sha256()
    size = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    except (FileExistsError, NotADirectoryError) as exc:
        raise ProviderUnavailable(f"{archive.name}: {path} is a file and a folder; not unpacked") from exc
    with file:
        for block in _blocks(content, info, archive):
            size += len(block)
            digest.update(block)
            file.write(block)
    if size != info.file_size:
        raise ProviderUnavailable(f"{archive.name}: {path} is not as long as the archive says; not unpacked")
    return ListedFile(path, size, f"sha256:{digest.hexdigest()}")


def _blocks(content: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> Iterator[bytes]:
    """The bytes of a file. zipfile gives no more than the archive says that there are, and checks their CRC."""
    try:
        with content.open(info) as source:
            while block := source.read(_BLOCK):
                yield block
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as exc:
        raise ProviderUnavailable(f"{archive.name}: {info.filename} is damaged: {exc}") from exc
