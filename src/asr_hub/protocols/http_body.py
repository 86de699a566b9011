"""One HTTP body of raw audio, cut into what its session is given."""

from __future__ import annotations

from asr_hub.errors import Conflict, UnsupportedAudio
from asr_hub.model import AudioFormat

PIECE_S = 1.0
"""Seconds of audio in one piece at most: so much may come beyond a full session."""


class AudioBody:
    """
    The samples of one body that the hub has not taken yet, in whole samples of every channel and short pieces.

    `offset` is where the body starts and `taken` what the hub has, both in samples per channel. Without an `offset` the
    body goes on where the hub stands. Holds less than one sample of every channel between two calls.

    Raises Conflict (`audio-gap`) where the body starts beyond what the hub has.
    """

    def __init__(self, format: AudioFormat, *, offset: int | None, taken: int, max_bytes: int) -> None:
        if offset is not None and offset > taken:
            raise Conflict(
                f"the hub has {taken} samples and this body starts at {offset}; send from {taken} on", code="audio-gap"
            )
        self._frame = format.bytes_per_frame
        self._skip = 0 if offset is None else (taken - offset) * self._frame
        piece = min(int(PIECE_S * format.bytes_per_second), max_bytes)
        self._piece = max(1, piece // self._frame) * self._frame
        self._rest = b""
        self._format = format

    def add(self, data: bytes) -> list[bytes]:
        """What the next bytes of the body, cut anywhere, give the session to hear."""
        if self._skip >= len(data):
            self._skip -= len(data)
            return []
        fresh = self._rest + (data[self._skip :] if self._skip else data)
        self._skip = 0
        whole = len(fresh) - len(fresh) % self._frame
        self._rest = fresh[whole:]
        return [fresh[at : min(at + self._piece, whole)] for at in range(0, whole, self._piece)]

    def end(self) -> None:
        """The body is over. Raises UnsupportedAudio (`odd-byte-count`) where it ends within a sample."""
        if self._rest or self._skip % self._frame:
            raise UnsupportedAudio(
                f"the body ends within a sample of {self._frame} bytes ({self._format.encoding}, "
                f"{self._format.channels} channels); the whole samples before it were taken, so send from there on",
                code="odd-byte-count",
            )
