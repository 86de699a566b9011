"""A recording that comes as one file, a zip of its folder, and is trusted in nothing."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from asr_hub.errors import TooLarge
from asr_hub.recordings.files import PRIVATE
from asr_hub.recordings.format import (
    AUDIO,
    INDEX,
    JOURNAL,
    LARGEST_PIECE,
    LONGEST_META,
    META,
    SHA256,
    BadRecording,
    Folder,
    Meta,
    read_meta,
)

MOST_ENTRIES = 60_000
"""Of a zip: two days of audio have fewer pieces, and a zip without extensions has no more."""

MOST_DIRECTORY_BYTES = 8 << 20
"""Of the list of them, which is read as a whole."""

LARGEST_JOURNAL = 256 << 20
"""Of an hour there are a few megabytes. What is asked of a recording takes time and room as its journal does."""

LARGEST_INDEX = 16 << 20

CHUNK = 256 << 10
"""Bytes that are read at a time"""

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What `zipfile` raises of what is none."""

_END = b"PK\x05\x06"
_END_BYTES = 22
_ZIP64 = b"PK\x06\x07"
_ZIP64_BYTES = 20


def unpacked(zip: Path, folder: Path, *, max_bytes: int) -> int:
    """
    Put what is in a zip into an empty folder, and say how many bytes it is. Waits for the disk.

    Nothing is written but the files that a recording has, under names of ours, and never more than `max_bytes`.
    Raises BadRecording, TooLarge, OSError.
    """
    with zip.open("rb") as file:
        _check_directory(file)
        try:
            with zipfile.ZipFile(file) as found:
                return _taken_apart(found, folder, max_bytes)
        except _UNREADABLE as exc:
            raise BadRecording(f"the zip cannot be read ({exc}); download the recording again") from None


@contextlib.contextmanager
def journal_in(path: Path) -> Iterator[BinaryIO]:
    """
    The journal of a recording, which is a folder or a zip of one, as a file that is read from its beginning.

    Raises BadRecording, NotFound, OSError.
    """
    if path.is_dir():
        with Folder(path).journal() as file:
            yield file
    else:
        with _member(path, JOURNAL) as file:
            yield file


def meta_in(path: Path) -> Meta:
    """What a recording, which is a folder or a zip of one, says that it is. Raises BadRecording, NotFound, OSError."""
    if path.is_dir():
        return Folder(path).meta()
    with _member(path, META) as file:
        return read_meta(file.read(LONGEST_META))


@contextlib.contextmanager
def _member(path: Path, name: str) -> Iterator[BinaryIO]:
    with path.open("rb") as zip:
        _check_directory(zip)
        try:
            with zipfile.ZipFile(zip) as found, found.open(member_names(found)[name]) as member:
                yield cast("BinaryIO", member)
        except _UNREADABLE as exc:
            raise BadRecording(f"the zip cannot be read ({exc}); download the recording again") from None


def member_names(found: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """
    The files of a recording by their names in it: at the top of the zip, or in its one folder.

    Raises BadRecording where there is anything else.
    """
    files = [entry for entry in found.infolist() if not entry.is_dir()]
    if not any(entry.filename == META for entry in files):
        tops = {entry.filename.partition("/")[0] for entry in files}
        prefix = f"{next(iter(tops), '')}/" if len(tops) == 1 else ""
    else:
        prefix = ""
    names: dict[str, zipfile.ZipInfo] = {}
    for entry in files:
        name = entry.filename[len(prefix) :] if entry.filename.startswith(prefix) else ""
        if not _is_known(name):
            raise BadRecording(f"the zip has a file that no recording has: {entry.filename[:100]!r}")
        if name in names:
            raise BadRecording(f"the zip has {name} twice")
        names[name] = entry
    for name in (META, JOURNAL):
        if name not in names:
            raise BadRecording(f"the zip has no {name}; give one that was downloaded as a recording")
    return names


def _check_directory(file: BinaryIO) -> None:
    """
    `zipfile` reads the whole list of entries, whatever the end of the file says of its size: that is looked at first.

    APPNOTE 4.3.16. Ends with comments and zip64 are not taken: no recording has them. Raises BadRecording.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES - _ZIP64_BYTES))
    tail = file.read()
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END) or end[-2:] != b"\0\0":
        raise BadRecording("the file is no zip, or not all of one; give one that was downloaded as a recording")
    if tail[:-_END_BYTES].startswith(_ZIP64):
        raise BadRecording("the zip is larger than that of any recording")
    entries = int.from_bytes(end[10:12], "little")
    directory = int.from_bytes(end[12:16], "little")
    if entries > MOST_ENTRIES or directory > MOST_DIRECTORY_BYTES:
        raise BadRecording(f"the zip has {entries} entries, more than any recording")
    file.seek(0)


def _taken_apart(found: zipfile.ZipFile, folder: Path, max_bytes: int) -> int:
    names = member_names(found)
    if sum(entry.file_size for entry in names.values()) > max_bytes:
        raise _too_large(max_bytes)
    (folder / AUDIO).mkdir(mode=PRIVATE)
    total = 0
    for name, entry in names.items():
        limit = min(_largest(name), max_bytes - total)
        total += _copied(found, entry, folder / name, limit, max_bytes)
    return total


def _copied(found: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, limit: int, max_bytes: int) -> int:
    """Bytes of one file, counted as they come: what an entry says of its size is believed by nobody."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
        raise BadRecording("the zip is encrypted, or compressed in a way that no recording is")
    size = 0
    with found.open(entry) as source, path.open("xb") as to:
        while data := source.read(CHUNK):
            size += len(data)
            if size > limit:
                raise _too_large(max_bytes)
            to.write(data)
    return size


def _largest(name: str) -> int:
    if name == META:
        return LONGEST_META
    if name == INDEX:
        return LARGEST_INDEX
    return LARGEST_JOURNAL if name == JOURNAL else LARGEST_PIECE


def _is_known(name: str) -> bool:
    if name in (META, JOURNAL, INDEX):
        return True
    top, _, piece = name.partition("/")
    return top == AUDIO and SHA256.fullmatch(piece) is not None


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"a recording has at most {max_bytes} bytes here, or a file of it is larger than it may be")
