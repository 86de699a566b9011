"""The data of server-sent events out of a stream of bytes, with a bound on each line and on all."""

from __future__ import annotations

from collections.abc import Iterator

from asr_hub.errors import CorrectionFailed

LONGEST_LINE = 64 * 1024
"""Bytes. A delta is a few hundred."""
MOST_BYTES = 4 * 2**20
"""Of a whole answer, whatever is in it."""


class EventReader:
    """Takes bytes as they come and gives what stands behind `data:`; events of several lines are joined."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[str] = []
        self._size = 0
        self._bytes = 0
        self._is_after_return = False

    def feed(self, block: bytes) -> Iterator[str]:
        """Raises CorrectionFailed for a line or a stream beyond all measure, and for bytes that are no UTF-8."""
        self._bytes += len(block)
        if self._bytes > MOST_BYTES:
            raise CorrectionFailed(f"the model's answer has more than {MOST_BYTES} bytes", reason="oversized")
        for piece in block.splitlines(keepends=True):
            yield from self._piece(piece)

    def _piece(self, piece: bytes) -> Iterator[str]:
        if self._is_after_return and piece == b"\n":
            # The second half of \r\n.
            self._is_after_return = False
            return
        self._is_after_return = piece.endswith(b"\r")
        self._line += piece
        if len(self._line) + self._size > LONGEST_LINE:
            raise CorrectionFailed(f"the model's answer has an event of over {LONGEST_LINE} bytes", reason="oversized")
        if not piece.endswith((b"\n", b"\r")):
            return
        line, self._line = bytes(self._line).rstrip(b"\r\n"), bytearray()
        if line:
            self._field(line)
        elif self._data:
            event, self._data, self._size = "\n".join(self._data), [], 0
            yield event

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name != b"data":
            return
        try:
            self._data.append(value.removeprefix(b" ").decode())
        except UnicodeDecodeError:
            raise CorrectionFailed("the model's answer is no UTF-8", reason="garbage") from None
        self._size += len(value) + 1
