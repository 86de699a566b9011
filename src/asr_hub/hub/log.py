"""What one session has said, kept for every connection that reads it: live, late or come back."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from msgspec.structs import replace

from asr_hub.errors import SlowClient
from asr_hub.model import EndpointReason
from asr_hub.wire.encode import encode, with_skipped
from asr_hub.wire.messages import AudioAck, Closed, Endpoint, Final, Levels, Partial, ServerMessage


class _Entry(NamedTuple):
    data: bytes
    topic: Hashable


class MessageLog:
    """
    The numbered messages of one session, bounded in count and bytes.

    There is one log and any number of readers, each with nothing but a cursor: so a slow reader costs no memory, and
    a late one reads what the others read. A message that a newer one makes worthless (an older partial of the same
    utterance, older levels, an older acknowledgement) is dropped here, where all readers profit; a reader that had not
    yet seen it is told the count in `skipped`. Everything else is kept until the bounds are reached.
    """

    def __init__(self, *, max_messages: int = 4096, max_bytes: int = 2 * 2**20) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._entries: dict[int, _Entry] = {}
        self._newest: dict[Hashable, int] = {}
        self._bytes = 0
        self._floor = 0
        self.seq = 0
        """The `seq` of the newest message; 0 before the first."""
        self.is_closed = False

    @property
    def floor(self) -> int:
        """The smallest cursor from which nothing of worth is missing."""
        return self._floor

    def append(self, message: ServerMessage) -> None:
        """Number `message` and keep it. After `Closed` nothing more is taken."""
        if self.is_closed:
            return
        self.seq += 1
        message = replace(message, seq=self.seq)
        topic = _topic(message)
        if topic is not None:
            self._drop(self._newest.get(topic))
            self._newest[topic] = self.seq
        if isinstance(message, Final) or (isinstance(message, Endpoint) and message.reason is EndpointReason.CLEAR):
            self._drop(self._newest.pop(("partial", message.utterance), None))
        data = encode(message)
        self._entries[self.seq] = _Entry(data, topic)
        self._bytes += len(data)
        self.is_closed = isinstance(message, Closed)
        while len(self._entries) > self._max_messages or self._bytes > self._max_bytes:
            self._floor = next(iter(self._entries))
            self._drop(self._floor)

    def read(self, cursor: int) -> tuple[list[bytes], int]:
        """
        The encoded messages after `cursor`, and the new cursor.

        Raises SlowClient when messages after `cursor` that nothing replaced are gone.
        """
        if cursor < self._floor:
            raise SlowClient(
                f"{self._floor - cursor} messages after seq {cursor} are no longer kept; "
                "attach without `seq` to get what there is"
            )
        out: list[bytes] = []
        for seq in range(cursor + 1, self.seq + 1):
            entry = self._entries.get(seq)
            if entry is None:
                continue
            skipped = seq - cursor - 1
            out.append(with_skipped(entry.data, skipped) if skipped else entry.data)
            cursor = seq
        return out, cursor

    def _drop(self, seq: int | None) -> None:
        if seq is None or (entry := self._entries.pop(seq, None)) is None:
            return
        self._bytes -= len(entry.data)
        if entry.topic is not None and self._newest.get(entry.topic) == seq:
            del self._newest[entry.topic]


def _topic(message: ServerMessage) -> Hashable:
    """Messages with the same topic replace one another; `None` is kept."""
    if isinstance(message, Partial):
        return ("partial", message.utterance)
    if isinstance(message, Levels | AudioAck):
        return type(message)
    return None
