"""Server-sent events from bytes. Sans I/O; HTML Living Standard, 9.2.6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Event(NamedTuple):
    """One event with data."""

    type: str
    data: bytes


class EventParser:
    """
    `feed` what came, get the events that are whole.

    Lines end where the standard says and nowhere else: what was said may hold U+2028 and other characters at which
    Python would split. Events without data, such as heartbeats, are passed over. Raises ValueError for an event of
    more than `limit` bytes.
    """

    def __init__(self, *, limit: int = 16 * 2**20) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._seen = 0
        self._type = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        self._rest += data
        for line in self._lines():
            if line:
                self._take(line)
            elif self._data:
                yield Event(self._type.decode(errors="replace") or "message", b"\n".join(self._data))
                self._forget()
            else:
                self._forget()
        if len(self._rest) + self._size > self._limit:
            raise ValueError(f"an event has more than {self._limit} bytes")

    def _lines(self) -> Iterator[bytes]:
        while (end := self._end()) is not None:
            line = bytes(self._rest[:end])
            width = 2 if self._rest[end : end + 2] == b"\r\n" else 1
            del self._rest[: end + width]
            self._seen = 0
            yield line

    def _end(self) -> int | None:
        """Where the first line ends, if that is known: a CR at the end of what came may be half of a CRLF."""
        ends = [at for mark in (b"\n", b"\r") if (at := self._rest.find(mark, self._seen)) >= 0]
        if not ends:
            self._seen = len(self._rest)
            return None
        end = min(ends)
        self._seen = end
        return None if self._rest[end] == 13 and end + 1 == len(self._rest) else end

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == b"event":
            self._type = value

    def _forget(self) -> None:
        self._type, self._data, self._size = b"", [], 0
