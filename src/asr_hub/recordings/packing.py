"""A recording becomes one file: a zip of its folder, written as it is read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from asr_hub.recordings.format import AUDIO, INDEX, JOURNAL, META, Folder

CHUNK = 256 << 10
"""Bytes that are read at a time"""


def packed(folder: Folder) -> Iterator[bytes]:
    """
    A zip of a recording, in pieces, that holds no more than one of them. Waits for the disk.

    Of one that is made it has what is there now, and of one that is damaged what is sound. Raises NotFound at the first
    piece.
    """
    out = _Out()
    folder.journal().close()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1, allowZip64=False) as made:
        for name, path, size in _files(folder):
            # Audio hardly gets smaller, and would take long to.
            kind = zipfile.ZIP_STORED if name.startswith(f"{AUDIO}/") else zipfile.ZIP_DEFLATED
            entry = zipfile.ZipInfo(name)
            entry.compress_type = kind
            entry.external_attr = 0o600 << 16
            with path.open("rb") as file, made.open(entry, "w") as to:
                for data in _read(file, size):
                    to.write(data)
                    yield out.taken()
    yield out.taken()


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (data := file.read(min(CHUNK, size))):
        size -= len(data)
        yield data


def _files(folder: Folder) -> Iterator[tuple[str, Path, int]]:
    """What a recording has now, each with as many bytes as are surely whole."""
    index = folder.path / INDEX
    # The list of the pieces is as long as it is now, and not as it is when the client has taken what stands before it.
    listed = index.stat().st_size if index.exists() else None
    pieces = dict.fromkeys(piece.sha256 for piece in folder.sound_pieces()[0])
    for name in (META, JOURNAL):
        path = folder.path / name
        if path.exists():
            yield name, path, path.stat().st_size
    if listed is not None:
        yield INDEX, index, listed
    for sha256 in pieces:
        path = folder.piece(sha256)
        if path.exists():
            yield f"{AUDIO}/{sha256}", path, path.stat().st_size


class _Out:
    """What a zip is written into: it cannot be sought in, so the sizes come behind the files."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes, /) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data
