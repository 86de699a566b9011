"""Audio of Wyoming, whose samples have one to four bytes, as samples of two."""

from __future__ import annotations

from typing import Annotated

import msgspec

from asr_hub.errors import UnsupportedAudio
from asr_hub.model import AudioFormat

PIECE = 64 * 1024
"""Bytes of audio that are given on at once, about."""


class Described(msgspec.Struct, frozen=True):
    """What `audio-start` and `audio-chunk` say of their audio."""

    rate: Annotated[int, msgspec.Meta(ge=1)]
    """Hertz"""
    width: int
    """Bytes of a sample"""
    channels: Annotated[int, msgspec.Meta(ge=1, le=64)]
    timestamp: int | None = None
    """Milliseconds, from where the client likes."""


class Samples:
    """
    The audio of one stream, whose pieces may end inside a sample.

    Samples of one byte are unsigned, as in WAV; the others are signed, little endian. Raises UnsupportedAudio for any
    other width.
    """

    __slots__ = ("_frame", "_rest", "_width", "format")

    def __init__(self, described: Described) -> None:
        if described.width not in _WIDTHS:
            raise UnsupportedAudio(
                f"samples of {described.width} bytes; send 16-bit audio (`width` 2), or 1, 3 or 4 bytes",
                code="unsupported-width",
            )
        self.format = AudioFormat(sample_rate=described.rate, channels=described.channels)
        """What comes out."""
        self._width = described.width
        self._frame = described.width * described.channels
        self._rest = b""

    def fits(self, described: Described) -> bool:
        """Whether audio that is so described goes on from here."""
        is_same = described.rate == self.format.sample_rate and described.channels == self.format.channels
        return is_same and described.width == self._width

    def take(self, data: bytes) -> bytes:
        """Whole samples of all channels, of 16 bits."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._frame
        self._rest = data[whole:]
        return _narrow(data[:whole], self._width)

    def cut(self, samples: bytes) -> list[bytes]:
        """The same in pieces of whole samples."""
        size = self.format.bytes_per_frame * max(1, PIECE // self.format.bytes_per_frame)
        return [samples[at : at + size] for at in range(0, len(samples), size)]


def _narrow(data: bytes, width: int) -> bytes:
    if width == 2:
        return data
    samples = bytearray(len(data) // width * 2)
    if width == 1:
        samples[1::2] = data.translate(_SIGNED)
    else:
        samples[0::2] = data[width - 2 :: width]
        samples[1::2] = data[width - 1 :: width]
    return bytes(samples)


_WIDTHS = (1, 2, 3, 4)
_SIGNED = bytes(value ^ 0x80 for value in range(256))
