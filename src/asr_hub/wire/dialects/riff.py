"""The header of a WAV file in front of raw audio: clients send the bytes of a file where samples are expected."""

from __future__ import annotations

import struct
from typing import NamedTuple

from asr_hub.errors import ProtocolError
from asr_hub.model import AudioFormat, Encoding

MOST = 64 * 1024
"""Bytes of a header: files of editors have texts and pictures in front of their samples."""


class Riff:
    """
    Audio of a known format that may begin with a header, which is left out, as is what follows the samples.

    The header has to say the same format. It may come in pieces of any size.
    """

    __slots__ = ("_at", "_format", "_found", "_held", "_left")

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._at = _PREFIX
        """Where the next chunk begins: what was read of a header is not read again with each piece of it."""
        self._found: AudioFormat | None = None
        """What it says so far"""
        self._held: bytes | None = b""
        """What may be a header that is still coming; None where that is decided."""
        self._left: int | None = None
        """Bytes of samples that are still to come, where the header says."""

    def strip(self, data: bytes) -> bytes:
        """
        The samples among these bytes.

        Raises ProtocolError (`bad-format`) where the header says another format, and changes nothing then.
        """
        if self._held is None:
            return self._samples(data)
        held = self._held + data
        if not _may_be_header(held):
            self._held = None
            return held
        found = _find(held, self._at, self._found)
        if not found.is_whole:
            if len(held) > MOST:
                raise ProtocolError(f"the header of the WAV file has more than {MOST} bytes", code="bad-format")
            self._held, self._at, self._found = held, found.at, found.format
            return b""
        self._check(found.format)
        self._held = None
        # A file that is written as it is recorded does not know its size yet.
        self._left = found.size if found.size not in (0, 0xFFFFFFFF, 0x7FFFFFFF) else None
        return self._samples(held[found.at :])

    def rest(self) -> bytes:
        """At the end of the audio: bytes that were taken for the begin of a header, and were none."""
        held, self._held = self._held, None
        return held if held and len(held) < _PREFIX else b""

    def _samples(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        samples = data[: self._left]
        self._left -= len(samples)
        return samples

    def _check(self, header: AudioFormat | None) -> None:
        if header is None:
            raise ProtocolError(
                "the WAV file has samples that are not taken as they are; leave the encoding out, and any file is read",
                code="bad-format",
            )
        if header != self._format:
            raise ProtocolError(
                f"the config says {_said(self._format)}, and the header of the WAV file {_said(header)}; "
                "say the same, or leave the encoding out",
                code="bad-format",
            )


_PREFIX = 12
"""Bytes of `RIFF`, the size, `WAVE`."""


def _may_be_header(data: bytes) -> bool:
    return data[:4] == b"RIFF"[: len(data)] and data[8:12] == b"WAVE"[: max(len(data) - 8, 0)]


class _Found(NamedTuple):
    """How far a header was read."""

    at: int
    """Where the samples begin, or the next chunk of a header that goes on."""
    format: AudioFormat | None
    is_whole: bool = False
    size: int = 0
    """Bytes of samples"""


def _find(data: bytes, at: int, format: AudioFormat | None) -> _Found:
    """Read on from there."""
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"data":
            return _Found(at + 8, format, is_whole=True, size=size)
        end = at + 8 + size
        if name == b"fmt " and size >= 16:
            if end > len(data):
                break
            format = _format(data[at + 8 : end])
        at = end + size % 2
    return _Found(at, format)


def _format(chunk: bytes) -> AudioFormat | None:
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == 0xFFFE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    encoding = _ENCODINGS.get((tag, bits))
    return AudioFormat(sample_rate=rate, channels=channels, encoding=encoding) if encoding is not None else None


_ENCODINGS = {
    (1, 16): Encoding.PCM_S16LE,
    (3, 32): Encoding.PCM_F32LE,
    (6, 8): Encoding.ALAW,
    (7, 8): Encoding.MULAW,
}


def _said(format: AudioFormat) -> str:
    return f"{format.encoding} at {format.sample_rate} Hz in {format.channels} channel{'s'[: format.channels > 1]}"
