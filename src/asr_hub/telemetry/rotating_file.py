"""A file of lines that begins anew when it is full: `x.log`, and the older `x.log.1`, `x.log.2` … up to `keep`."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class RotatingFile:
    """
    Takes whole lines. Not for several threads at a time, except from behind a lock.

    What was moved or deleted from outside is made anew, also where another process has begun the next file.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        """Makes the folder, for its owner only, where it is missing, and the file likewise. Raises OSError."""
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: int | None = self._opened()

    def write(self, lines: bytes) -> None:
        """Append lines, each with its end. They stay together in one file. Blocks. Raises OSError."""
        file = self._current()
        size = os.fstat(file).st_size
        if size and size + len(lines) > self._max_bytes:
            self._begin_anew()
            file = self._current()
        left = memoryview(lines)
        while left:
            left = left[os.write(file, left) :]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _current(self) -> int:
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self.path.stat(), os.fstat(self._file)):
                    return self._file
            self.close()
        self._file = self._opened()
        return self._file

    def _opened(self) -> int:
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            # A process that was killed may have left half a line: it must not swallow the next one.
            if size and os.pread(file, 1, size - 1) != b"\n":
                os.write(file, b"\n")
        except BaseException:
            os.close(file)
            raise
        return file

    def _begin_anew(self) -> None:
        self.close()
        for number in _numbers(self.path):
            if number >= self._keep:
                _older(self.path, number).unlink(missing_ok=True)
        for number in range(self._keep, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(_older(self.path, number - 1), _older(self.path, number))


def open_all(path: Path) -> Iterator[BinaryIO]:
    """
    What was written to a rotating file, the oldest first; nothing where there is none.

    All are opened before the first is given, so that none is missed or met twice when the writer begins a new one
    meanwhile. Raises OSError.
    """
    with contextlib.ExitStack() as stack:
        files: list[BinaryIO] = []
        # One more than there are: the writer may begin a new one now, and then each is called by the next number.
        for number in range(max(_numbers(path), default=0) + 2):
            with contextlib.suppress(FileNotFoundError):
                file = stack.enter_context(_older(path, number).open("rb"))
                if not any(os.path.sameopenfile(file.fileno(), one.fileno()) for one in files):
                    files.append(file)
        yield from reversed(files)


def _numbers(path: Path) -> list[int]:
    """Those of the older files that are there."""
    ends = (other.name.removeprefix(f"{path.name}.") for other in path.parent.glob(f"{glob.escape(path.name)}.*"))
    return [int(end) for end in ends if end.isascii() and end.isdecimal() and len(end) < _MAX_DIGITS]


_MAX_DIGITS = 5
"""Of a number that may be one of ours."""


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
