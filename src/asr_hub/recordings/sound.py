"""What was heard in a recording, as one WAV file that is nowhere: its bytes are made as they are asked for."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import AsyncIterator
from functools import partial

from asr_hub.errors import NotFound
from asr_hub.recordings.disk_threads import DiskThreads
from asr_hub.recordings.format import SAMPLE_BYTES, Folder, Meta, Piece

HEADER_BYTES = 44

CHUNK = 256 << 10
"""Bytes that are made at a time"""


class Sound:
    """
    A WAV file of mono samples of 16 bit that begins with the session. Where nothing was recorded there is silence.

    Of one that is damaged it has what is sound. Implements `StoredAudio`. Making one waits for the disk, and raises
    NotFound (`no-audio`).
    """

    def __init__(self, folder: Folder, meta: Meta, threads: DiskThreads) -> None:
        """`threads` read it, as it is asked for."""
        self._folder = folder
        self._threads = threads
        self._pieces: list[Piece] = folder.sound_pieces()[0] if meta.samples else []
        if not self._pieces:
            raise NotFound("this recording has no audio", code="no-audio")
        self._starts = [piece.start for piece in self._pieces]
        last = self._pieces[-1]
        data = (last.start + last.samples) * SAMPLE_BYTES
        self._header = _header(meta.rate, data)
        self.size = HEADER_BYTES + data
        self.name = f"{meta.name}.wav"
        told = f"{meta.rate} " + " ".join(f"{piece.start}:{piece.sha256}" for piece in self._pieces)
        self.sha256 = hashlib.sha256(told.encode()).hexdigest()
        """Not of the file, but of what it is made of: another file has another one."""

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `end`, without `end`. Raises NotFound where a piece is gone."""
        for at in range(start, end, CHUNK):
            yield await self._threads.call(partial(self._bytes, at, min(at + CHUNK, end)))

    def _bytes(self, start: int, end: int) -> bytes:
        made = bytearray(self._header[start:end])
        # Bytes of samples, from the beginning of the session.
        at, end = max(start, HEADER_BYTES) - HEADER_BYTES, end - HEADER_BYTES
        index = max(0, bisect_right(self._starts, at // SAMPLE_BYTES) - 1)
        while at < end:
            piece = self._pieces[index] if index < len(self._pieces) else None
            begins = piece.start * SAMPLE_BYTES if piece is not None else end
            if at < begins:
                made += bytes(min(begins, end) - at)
                at = min(begins, end)
                continue
            assert piece is not None
            there = begins + piece.samples * SAMPLE_BYTES
            if at < there:
                made += self._read(piece, at - begins, min(there, end) - begins)
                at = min(there, end)
            index += 1
        return bytes(made)

    def _read(self, piece: Piece, start: int, end: int) -> bytes:
        try:
            with self._folder.piece(piece.sha256).open("rb") as file:
                file.seek(start)
                return file.read(end - start).ljust(end - start, b"\0")
        except OSError:
            raise NotFound("the recording was deleted", code="unknown-recording") from None


def _header(rate: int, size: int) -> bytes:
    """RIFF, PCM, mono, 16 bit."""
    return b"".join(
        (
            b"RIFF",
            (HEADER_BYTES - 8 + size).to_bytes(4, "little"),
            b"WAVEfmt ",
            (16).to_bytes(4, "little"),
            (1).to_bytes(2, "little"),
            (1).to_bytes(2, "little"),
            rate.to_bytes(4, "little"),
            (rate * SAMPLE_BYTES).to_bytes(4, "little"),
            SAMPLE_BYTES.to_bytes(2, "little"),
            (16).to_bytes(2, "little"),
            b"data",
            size.to_bytes(4, "little"),
        )
    )
