"""Audio on its way from a session to a server: bounded, and cut anew into pieces of one size."""

from __future__ import annotations

from asr_hub.bell import Bell
from asr_hub.errors import ProviderError


class AudioPipe:
    """
    Bytes from one writer to one reader, in order.

    `put` waits while `limit` bytes or more are unread; `read` waits for more until `end`. How the writer cut the audio
    cannot be seen by the reader.
    """

    def __init__(self, limit: int) -> None:
        self.taken = 0
        """Bytes that were read."""
        self._limit = limit
        self._wanted = 0
        self._unread = bytearray()
        self._is_ended = False
        self._is_broken = False
        self._news = Bell()
        self._room = Bell()

    async def put(self, pcm: bytes) -> None:
        """Raises ProviderError after the end. Takes nothing, and returns at once, after `break_off`."""
        if self._is_ended:
            raise ProviderError("audio after the end of the utterance")
        while len(self._unread) >= max(self._limit, self._wanted) and not self._is_broken:
            await self._room.wait()
        if not self._is_broken:
            self._unread += pcm
            self._news.ring()

    def end(self) -> None:
        self._is_ended = True
        self._news.ring()

    def break_off(self) -> None:
        """Nobody reads any more: let the writer go."""
        self._is_broken = True
        self._room.ring()

    async def read(self, size: int) -> bytes:
        """The next `size` bytes. Fewer come only as the last ones, and nothing after them."""
        self._wanted = size
        while len(self._unread) < size and not self._is_ended:
            self._room.ring()
            await self._news.wait()
        piece = bytes(self._unread[:size])
        del self._unread[:size]
        self.taken += len(piece)
        self._room.ring()
        return piece
