"""
The notes that an ONNX file carries beside its network, read without loading the network.

An ONNX file is one protobuf message, ModelProto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): its field 14,
`metadata_props`, holds pairs of strings. Everything else is passed over, also where it is gigabytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from asr_hub.errors import ProviderUnavailable

MOST_BYTES = 1 << 20
"""Of all notes together."""

_PROPS = 14
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_metadata(path: Path) -> dict[str, str]:
    """All notes. Raises ProviderUnavailable where the file is no ONNX model, or is cut off."""
    try:
        with path.open("rb") as file:
            return _Fields(file, path.stat().st_size).notes()
    except (OSError, ValueError) as exc:
        raise ProviderUnavailable(f"{path} is no ONNX model, or a piece of one; fetch it again: {exc}") from exc


class _Fields:
    """The fields of a message, from here to `end`. Every method raises ValueError where the bytes are no protobuf."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._end = end

    def notes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        room = MOST_BYTES
        while (field := self.next_field()) is not None:
            number, size = field
            if number != _PROPS:
                self._skip(size)
                continue
            room -= size
            if room < 0:
                raise ValueError(f"more than {MOST_BYTES} bytes of metadata")
            key, value = _Fields(self._file, self._file.tell() + size).pair()
            found[key] = value
        return found

    def pair(self) -> tuple[str, str]:
        parts = {_KEY: "", _VALUE: ""}
        while (field := self.next_field()) is not None:
            number, size = field
            raw = self._read(size)
            parts[number] = raw.decode("utf-8", "replace")
        return parts[_KEY], parts[_VALUE]

    def next_field(self) -> tuple[int, int] | None:
        """The next field that holds bytes, and how many; none at the end."""
        while self._file.tell() < self._end:
            tag = self._varint()
            number, kind = tag >> 3, tag & 7
            if not number:
                raise ValueError("a field without a number")
            if kind == _BYTES:
                return number, self._inside(self._varint())
            if kind == _VARINT:
                self._varint()
            elif kind in (_FIXED64, _FIXED32):
                self._skip(8 if kind == _FIXED64 else 4)
            else:
                raise ValueError(f"a field of kind {kind}")
        return None

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            (byte,) = self._read(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number of more than ten bytes")

    def _read(self, size: int) -> bytes:
        return self._file.read(self._inside(size))

    def _skip(self, size: int) -> None:
        self._file.seek(self._inside(size), 1)

    def _inside(self, size: int) -> int:
        if self._file.tell() + size > self._end:
            raise ValueError("it ends too early")
        return size
