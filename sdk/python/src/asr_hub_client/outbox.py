"""
What the hub has yet to confirm: audio, and commands at their place in it. Sans I/O.

    0 ............ acked ............ sent ............ end
    forgotten      | kept, on its way | kept, not sent  | what the caller sends next

Offsets are samples per channel since the session began. Whatever happens to connections, the hub gets every sample
once and in order: after a break it says from where, and `resume` sets `sent` there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import asdict

from asr_hub_client.messages import (
    AnyServerMessage,
    AudioAck,
    AudioFormat,
    Clear,
    Close,
    Closed,
    Command,
    Configure,
    Endpoint,
    Finalize,
)
from asr_hub_client.state import Unanswered


class Audio(NamedTuple):
    """A piece of audio to send."""

    offset: int
    """Samples per channel before it."""
    data: bytes


@dataclass
class _Pending:
    """A command without an answer."""

    at: int
    command: Command
    is_sent: bool = False
    """On this connection."""
    was_sent: bool = False
    """On any."""


class OffsetMismatch(Exception):
    """The hub wants audio that is no longer kept, or has more than was ever sent."""


class Outbox:
    """
    One session's outgoing side.

    `push` and `say` put in, `next` gives what to send now, `take` learns from what the hub says, `resume` starts over
    on a new connection. At most `keep_seconds` of audio are kept, at most `ahead_seconds` are on their way, and at most
    `MAX_COMMANDS` commands wait: `room` and `has_room_for_command` say when to wait.
    """

    def __init__(
        self,
        format: AudioFormat,
        *,
        keep_seconds: float = 60.0,
        ahead_seconds: float = 10.0,
        offset: int = 0,
        audio: bytes = b"",
        commands: Iterable[Unanswered] = (),
        answered: int = 0,
    ) -> None:
        if keep_seconds < MIN_SECONDS or ahead_seconds < MIN_SECONDS:
            raise ValueError(f"audio is acknowledged once a second, so keep at least {MIN_SECONDS:g} seconds of it")
        self._frame = format.bytes_per_frame
        self._rate = format.sample_rate
        self._capacity = int(keep_seconds * format.sample_rate)
        self._ahead = int(ahead_seconds * format.sample_rate)
        self._kept = bytearray(audio)
        self._pending = deque(_Pending(it.at, it.command, was_sent=it.was_sent) for it in commands)
        self.acked = offset
        self.sent = offset
        self.answered = answered
        """`seq` of the last message that answered a command, or would have."""
        self.is_closing = any(isinstance(pending.command, Close) for pending in self._pending)
        """`Close` was said: nothing more goes in."""

    @property
    def end(self) -> int:
        """Samples per channel that were put in."""
        return self.acked + len(self._kept) // self._frame

    @property
    def room(self) -> int:
        """Bytes that `push` takes now."""
        return max(self._capacity * self._frame - len(self._kept), 0)

    @property
    def has_room_for_command(self) -> bool:
        return len(self._pending) < MAX_COMMANDS

    @property
    def kept(self) -> bytes:
        """The audio that was not acknowledged."""
        return bytes(self._kept)

    @property
    def seconds(self) -> float:
        """How much audio that is."""
        return (self.end - self.acked) / self._rate

    @property
    def unanswered(self) -> tuple[Unanswered, ...]:
        """The commands without an answer, in order."""
        return tuple(Unanswered(at=it.at, command=it.command, was_sent=it.was_sent) for it in self._pending)

    def push(self, audio: bytes | memoryview) -> int:
        """Put in as much as there is room for; how many bytes that was. `audio` has whole samples of every channel."""
        taken = min(len(audio), self.room)
        self._kept += audio[:taken]
        return taken

    def say(self, command: Command) -> None:
        """Put in a command after the audio so far."""
        self.is_closing = self.is_closing or isinstance(command, Close)
        last = self._pending[-1] if self._pending else None
        if last is None or last.at != self.end or not isinstance(command, Configure):
            self._pending.append(_Pending(self.end, command))
        elif isinstance(last.command, Configure):
            # Saying the older one again is harmless, and so any number of them takes the room of one.
            last.command, last.is_sent = _merged(last.command, command), False
        else:
            self._pending.append(_Pending(self.end, command))

    @property
    def has_more(self) -> bool:
        """Whether `next` has something to give."""
        return self._until(self._waiting(), 1) > self.sent or self._is_due(self._waiting())

    def next(self, max_bytes: int) -> Audio | Command | None:
        """What to send now, or nothing as long as nothing was put in or too much is on its way."""
        waiting = self._waiting()
        if waiting is not None and self._is_due(waiting):
            waiting.is_sent = waiting.was_sent = True
            return waiting.command
        until = self._until(waiting, max(max_bytes // self._frame, 1))
        if until <= self.sent:
            return None
        first = (self.sent - self.acked) * self._frame
        audio = Audio(self.sent, bytes(self._kept[first : (until - self.acked) * self._frame]))
        self.sent = until
        return audio

    def take(self, message: AnyServerMessage) -> None:
        """Learn from a message what need not be kept any longer."""
        match message:
            case AudioAck():
                self.confirm(message.audio_offset)
            case Endpoint(reason="finalize"):
                self._answer(Finalize, message.seq)
            case Endpoint(reason="clear"):
                self._answer(Clear, message.seq)
            case Closed():
                self.confirm(message.audio_offset)
                self._pending.clear()
            case _:
                pass

    def confirm(self, offset: int) -> None:
        """The hub has the audio before `offset`."""
        offset = min(offset, self.end)
        if offset <= self.acked:
            return
        del self._kept[: (offset - self.acked) * self._frame]
        self.acked = offset
        self.sent = max(self.sent, offset)
        self._forget_commands()

    def resume(self, offset: int) -> None:
        """
        A new connection is attached, and the hub has the audio before `offset`: send from there, and each command again
        that may not have arrived. A command that arrived just before the break may so be said twice.

        Raises OffsetMismatch.
        """
        if not self.acked <= offset <= self.end:
            raise OffsetMismatch(
                f"the hub wants audio from sample {offset} on, and {self.acked} to {self.end} is kept; "
                "somebody else speaks in this session, or the hub forgot what it had acknowledged"
            )
        self.confirm(offset)
        self.sent = offset
        for pending in self._pending:
            pending.is_sent = False

    def _waiting(self) -> _Pending | None:
        """The first command not sent on this connection."""
        return next((pending for pending in self._pending if not pending.is_sent), None)

    def _is_due(self, waiting: _Pending | None) -> bool:
        return waiting is not None and waiting.at <= self.sent

    def _until(self, waiting: _Pending | None, samples: int) -> int:
        """Up to where audio may be sent now, when a piece has at most so many samples."""
        until = self.end if waiting is None else waiting.at
        return min(until, self.acked + self._ahead, self.sent + samples)

    def _answer(self, kind: type[Command], seq: int) -> None:
        if seq <= self.answered:
            return
        self.answered = seq
        for pending in self._pending:
            if pending.was_sent and isinstance(pending.command, kind):
                self._pending.remove(pending)
                return

    def _forget_commands(self) -> None:
        # Audio and commands arrive in order: audio behind a command is there, so the command is.
        while self._pending and self._pending[0].at < self.acked:
            self._pending.popleft()


def _merged(older: Configure, newer: Configure) -> Configure:
    said = {name: value for name, value in asdict(newer).items() if value is not None}
    return Configure(**{**asdict(older), **said})


MIN_SECONDS = 2.0

MAX_COMMANDS = 1000
