"""What the hub said and the caller has not read. Sans I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from msgspec.structs import replace

from asr_hub_client.messages import AnyServerMessage, AudioAck, Error, Levels, Partial, Ready, Reset, Unknown


class Inbox:
    """
    Numbered messages, each once and in order.

    Bounded: an unread partial, level or acknowledgement gives way to the next of its kind, and when `limit` messages
    are unread the oldest is dropped. The next message says in `skipped` how many are missing before it. A transcript
    is not affected: it is kept apart.
    """

    def __init__(self, *, seq: int = 0, limit: int = 4096) -> None:
        self._limit = limit
        self._waiting: OrderedDict[int, AnyServerMessage] = OrderedDict()
        self._newest: dict[Hashable, int] = {}
        self._count = 0
        self._read = seq
        self.seq = seq
        """Of the newest message taken in."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def read(self) -> int:
        """`seq` of the last message given out."""
        return self._read

    def start_at(self, seq: int) -> None:
        """Nothing was seen yet, and the hub begins after `seq`."""
        self.seq = self._read = seq

    def take(self, message: AnyServerMessage | Unknown) -> bool:
        """Take a message in; whether it is a new one. Those of a newer hub only count."""
        if is_numbered(message):
            # A reset stands where the session does, and so may the `ready` before it.
            if message.seq <= self.seq - isinstance(message, Reset):
                return False
            self.seq = message.seq
        if isinstance(message, Unknown | Ready):
            return True
        self._count += 1
        self._waiting[self._count] = message
        if (topic := _topic(message)) is not None:
            self._waiting.pop(self._newest.get(topic, 0), None)
            self._newest = {} if len(self._newest) > self._limit else self._newest
            self._newest[topic] = self._count
        if len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
        return True

    def pop(self) -> AnyServerMessage | None:
        """The oldest unread message."""
        if not self._waiting:
            return None
        _, message = self._waiting.popitem(last=False)
        if not is_numbered(message):
            return message
        missing = message.seq - self._read - 1
        self._read = message.seq
        return replace(message, skipped=missing) if missing > 0 else message


def is_numbered(message: AnyServerMessage | Unknown) -> bool:
    """Whether it has a `seq` of its own, and does not repeat that of another message."""
    return not (isinstance(message, Ready) or (isinstance(message, Error) and message.scope == "connection"))


def _topic(message: AnyServerMessage) -> Hashable:
    """Messages with the same topic replace one another; `None` is kept."""
    if isinstance(message, Partial):
        return ("partial", message.utterance)
    if isinstance(message, Levels | AudioAck):
        return type(message)
    return None
