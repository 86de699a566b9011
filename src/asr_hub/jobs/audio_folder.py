"""Keeps the files of jobs in a folder, by their hashes."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from asr_hub.errors import NotFound, Overloaded, ProtocolError

PIECE = 256 * 1024
"""Bytes that are read at a time."""

_HASH = re.compile(r"[0-9a-f]{64}")
_HALF = ".half"
_HALF_S = 24 * 3600.0
"""Seconds after which a copy that is still not whole is one that nobody makes any more."""
_TRIES = 10
_TICK_NS = 1_000_000_000
"""More than any clock of a file system."""


def checked_hash(sha256: str) -> str:
    """The same. Raises ProtocolError (`bad-value`) for what is no hash, and might be a path."""
    if not _HASH.fullmatch(sha256):
        raise ProtocolError("the hash of a file is 64 hexadecimal digits in small letters", code="bad-value")
    return sha256


def gone(sha256: str) -> NotFound:
    return NotFound(f"the audio {sha256[:12]}… is not kept any more; submit the file again", code="audio-gone")


class FolderAudio:
    """
    An `AudioStore` in a folder, which several processes may share: `ab/abcdef…` is a whole file, always, and has the
    time of its last `put`.

    What is put there outlives a power cut once `put` is back. No call holds up the event loop.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced_ns: int | None = None
        """When the names in the folder last changed, as far as they are known to be on the disk."""

    async def put(self, sha256: str, source: Path) -> None:
        """
        Moves the source where it is on the same disk, copies it where not, leaves it where the file is kept already.

        Raises Overloaded (`audio-store-unavailable`) where the disk does not take it.
        """
        await asyncio.to_thread(self._put, self._path(sha256), source)

    async def fetch(self, sha256: str, target: Path) -> Path:
        """Where it lies: nothing is copied."""
        path = self._path(sha256)
        await self.size(sha256)
        return path

    async def size(self, sha256: str) -> int:
        path = self._path(sha256)
        with _told(sha256):
            return (await asyncio.to_thread(path.stat)).st_size

    async def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Ends early where the file does. Nothing is open between two pieces."""
        path = self._path(sha256)
        with _told(sha256):
            while piece := await asyncio.to_thread(_piece, path, start, min(PIECE, end - start)):
                start += len(piece)
                yield piece

    async def delete(self, sha256: str) -> None:
        await asyncio.to_thread(_delete, self._path(sha256))

    async def all(self) -> Sequence[tuple[str, int, float]]:
        """Clears away on its way what a process left half copied that died more than a day ago."""
        return await asyncio.to_thread(lambda: tuple(self._all()))

    def _path(self, sha256: str) -> Path:
        return self._folder / checked_hash(sha256)[:2] / sha256

    def _put(self, path: Path, source: Path) -> None:
        with _told(path.name):
            for left in reversed(range(_TRIES)):
                try:
                    _make(path.parent)
                    if path.exists():
                        os.utime(path)
                    else:
                        _place(source, path)
                    # Also where it was there before: whoever put it may not be this far yet.
                    _sync(path.parent)
                    self._sync_folder()
                    return
                except (FileNotFoundError, FileExistsError):
                    # Deleted just now, perhaps with the folder it was alone in: `mkdir` may then have found it there,
                    # and no folder a moment later.
                    if left == 0 or not source.exists():
                        raise

    def _sync_folder(self) -> None:
        """Put the names of the folders in it on the disk, unless none has come or gone since that was done."""
        changed_ns = self._folder.stat().st_mtime_ns
        if changed_ns == self._synced_ns:
            return
        _sync(self._folder)
        # Two changes in one tick of the clock look like one.
        if changed_ns < time.time_ns() - _TICK_NS:
            self._synced_ns = changed_ns

    def _all(self) -> Iterator[tuple[str, int, float]]:
        with _told("files"):
            for folder in _entries(self._folder):
                if len(folder.name) == 2 and folder.is_dir(follow_symlinks=False):
                    yield from _files(folder.path)


def _files(folder: str) -> Iterator[tuple[str, int, float]]:
    for entry in _entries(folder):
        # Deleted since the folder was read.
        with suppress(FileNotFoundError):
            told = entry.stat(follow_symlinks=False)
            if _HASH.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry.name, told.st_size, told.st_mtime
            elif entry.name.endswith(_HALF) and told.st_mtime < time.time() - _HALF_S:
                os.unlink(entry.path)


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _place(source: Path, path: Path) -> None:
    """The name appears once all of it is on the disk, with the time of now."""
    os.utime(source)
    _sync(source)
    try:
        source.replace(path)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        half = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_HALF}")
        try:
            shutil.copyfile(source, half)
            _sync(half)
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync(made.parent)


def _piece(path: Path, start: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), max(size, 0), start)


def _delete(path: Path) -> None:
    with _told(path.name):
        path.unlink(missing_ok=True)
        # Not empty, or gone already.
        with suppress(OSError):
            path.parent.rmdir()


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise gone(what) from exc
    except OSError as exc:
        raise Overloaded(
            f"the folder of the audio does not work: {exc.strerror or exc}; see that its disk has room and that the "
            "hub may write there",
            code="audio-store-unavailable",
        ) from exc
