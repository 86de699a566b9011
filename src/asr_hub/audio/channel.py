"""Raw audio on its way from a protocol to the pipeline of its session."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from asr_hub.errors import TooLarge
from asr_hub.model import AudioFormat


class AudioChannel:
    """
    A bounded buffer of raw bytes for one writer and one reader on the same thread, measured in seconds of audio.

    Above `high` seconds `push` says that there is no room; the writer then stops reading from its peer until `on_room`
    is called, once, when no more than `low` seconds are left. Past `limit` seconds `push` refuses.
    """

    def __init__(
        self,
        format: AudioFormat,
        *,
        on_room: Callable[[], None] | None = None,
        high: float = 2.0,
        low: float = 1.0,
        limit: float = 10.0,
    ) -> None:
        self.on_room = on_room
        """Called from `take`. The next writer of the session puts its own here."""
        self._frame = format.bytes_per_frame
        self._high = int(high * format.bytes_per_second)
        self._low = int(low * format.bytes_per_second)
        self._limit = int(limit * format.bytes_per_second)
        self._limit_seconds = limit
        self._per_second = format.bytes_per_second
        self._parts: deque[bytes] = deque()
        self._skip = 0  # bytes of the first part that were taken already
        self.size = 0
        """Bytes that wait for the reader."""
        self.pushed = 0
        """Bytes accepted since the session began."""
        self._is_waiting = False

    @property
    def offset(self) -> int:
        """Whole sample frames accepted since the session began: what the hub answers for."""
        return self.pushed // self._frame

    @property
    def taken(self) -> int:
        """Whole sample frames given to the reader since the session began."""
        return (self.pushed - self.size) // self._frame

    @property
    def seconds(self) -> float:
        """Seconds of audio that wait for the reader."""
        return self.size / self._per_second

    def push(self, audio: bytes) -> bool:
        """
        Append, and say whether there is room for more.

        Raises TooLarge where this would hold more than the limit; nothing of `audio` is then taken.
        """
        if self.size + len(audio) > self._limit:
            raise TooLarge(
                f"more than {self._limit_seconds:g} s of audio wait to be heard: "
                "send no faster than told, and pause while the hub does not read"
            )
        if audio:
            self._parts.append(audio)
            self.size += len(audio)
            self.pushed += len(audio)
        if self.size > self._high:
            self._is_waiting = True
        return not self._is_waiting

    def take(self, max_bytes: int) -> bytes:
        """The oldest whole sample frames, at most `max_bytes` of them; a frame that came in part waits for its rest."""
        size = min(max_bytes, self.size)
        size -= size % self._frame
        taken = self._pop(size)
        if self._is_waiting and self.size <= self._low:
            self._is_waiting = False
            if self.on_room is not None:
                self.on_room()
        return taken

    def _pop(self, size: int) -> bytes:
        if size == self.size and not self._skip:
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self.size = 0
            return whole
        parts: list[bytes | memoryview] = []
        wanted = size
        while wanted:
            first = self._parts[0]
            left = len(first) - self._skip
            if left > wanted:
                parts.append(memoryview(first)[self._skip : self._skip + wanted])
                self._skip += wanted
                break
            parts.append(memoryview(first)[self._skip :] if self._skip else first)
            self._parts.popleft()
            self._skip = 0
            wanted -= left
        self.size -= size
        return parts[0] if len(parts) == 1 and isinstance(parts[0], bytes) else b"".join(parts)
