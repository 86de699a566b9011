"""One live session: where its audio comes in, and who is attached to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from asr_hub.access.grant import Meter
from asr_hub.audio.channel import AudioChannel
from asr_hub.audio.operators.base import SpeechEnd, SpeechStart
from asr_hub.audio.pipeline import Pipeline
from asr_hub.audio.plausible import Plausible
from asr_hub.effects.recognition import Recogniser
from asr_hub.hub.log import MessageLog
from asr_hub.model import AudioFormat, AudioFrame, EndpointReason, Role, SessionId
from asr_hub.store.slices.transcripts import Transcript
from asr_hub.wire.messages import Levels, ServerMessage

ROUND_S = 1.0
"""Seconds of audio one session may bring into one round, so that a fast sender does not hold up the others."""


class Command(Enum):
    """What a client can ask of the audio it has sent so far."""

    FINALIZE = auto()
    CLEAR = auto()
    CLOSE = auto()


class _Pending(NamedTuple):
    place: int
    """Bytes of audio that come before it."""
    command: Command
    reason: str


class Reader(NamedTuple):
    """A connection that is told when there is something to read."""

    role: Role
    on_messages: Callable[[], None]
    on_room: Callable[[], None]


class LiveSession:
    """
    The bytes of a session and its readers. Where it stands, and what it heard, is in the store.

    Commands keep their place in the audio: `finalize` ends the utterance after the last sample that was sent before it.
    """

    def __init__(
        self,
        session: SessionId,
        format: AudioFormat,
        *,
        channel: AudioChannel,
        pipeline: Pipeline,
        recogniser: Recogniser,
        log: MessageLog,
        max_backlog: float,
        principal: str = "",
        meter: Meter | None = None,
        is_whole: bool = False,
    ) -> None:
        self.id = session
        self.principal = principal
        """The name of the key it was opened with."""
        self.meter = meter
        """What is left to that key; none where it has no limits."""
        self.is_whole = is_whole
        """All its audio is one utterance."""
        self.format = format
        self.channel = channel
        channel.on_room = self.announce_room
        self.pipeline = pipeline
        self.recogniser = recogniser
        self.log = log
        self.publisher: int | None = None
        """The key of the connection that publishes."""
        self.transcript: Transcript | None = None
        """As it was at the last final: the store forgets it when the session closes, and late readers ask for it."""
        self.is_over = False
        """Closed: only the log is left, for those who have not read its end."""
        self.is_closing = False
        """A close was asked for: no more audio is taken."""
        self.next_ack = 0
        """Bytes of audio at which the next acknowledgement is due."""
        self._max_backlog = max_backlog
        self._commands: deque[_Pending] = deque()
        self._readers: dict[int, Reader] = {}
        self._plausible = Plausible(format)
        # What the hub decoded itself is what its format says.
        self._head: Plausible | None = None if is_whole else self._plausible
        self._frame_bytes = format.bytes_per_frame
        self._round_bytes = int(ROUND_S * format.sample_rate) * format.bytes_per_frame

    def end(self) -> None:
        """It is closed, and takes nothing more."""
        self.is_over = True
        # Nothing holds it in a circle: what it held is freed when the last reader leaves.
        self.channel.on_room = None

    # Readers.

    def join(self, key: int, reader: Reader) -> None:
        self._readers[key] = reader
        if reader.role is Role.PUBLISHER:
            self.publisher = key

    def leave(self, key: int) -> Reader | None:
        if self.publisher == key:
            self.publisher = None
        return self._readers.pop(key, None)

    def has(self, key: int) -> bool:
        return key in self._readers

    @property
    def viewers(self) -> int:
        return len(self._readers) - (self.publisher is not None)

    def say(self, message: ServerMessage) -> None:
        """Append to the log and tell the readers."""
        self.log.append(message)
        for reader in tuple(self._readers.values()):
            reader.on_messages()

    def announce_room(self) -> None:
        if self.publisher is not None:
            self._readers[self.publisher].on_room()

    # Audio, in the order of the stream.

    def accept(self, audio: bytes) -> bool:
        """
        Take raw audio; whether there is room for more.

        Raises UnsupportedAudio where it is not what its format says, TooLarge where the sender does not wait.
        """
        if self._head is not None or len(audio) % self._frame_bytes:
            self._plausible.check(audio)
            self._head = None if self._plausible.is_done else self._plausible
        return self.channel.push(audio)

    def ask(self, command: Command, reason: str = "") -> None:
        """Do `command` after the audio taken so far."""
        self.is_closing = self.is_closing or command is Command.CLOSE
        self._commands.append(_Pending(self.channel.pushed, command, reason))

    @property
    def has_work(self) -> bool:
        """Whether a round of the pump would do something now."""
        if self.is_over:
            return False
        if self._commands and self._commands[0].place <= self.channel.pushed - self.channel.size:
            return True
        return self.channel.size > 0 and self.recogniser.backlog < self._max_backlog

    def take(self) -> list[AudioFrame]:
        """The next frames, at most `ROUND_S` of them, decoded and resampled; none when a command comes first."""
        channel = self.channel
        size = min(channel.size, self._round_bytes)
        if self._commands:
            size = min(size, self._commands[0].place - (channel.pushed - channel.size))
        if size <= 0:
            return []
        raw = channel.take(size)
        taken = self.pipeline.take(raw)
        if (reading := self.pipeline.levels()) is not None:
            self.say(Levels(at=reading.at * 1000 // self.pipeline.rate, rms_db=reading.rms, peak_db=reading.peak))
        return taken

    def hear(self, outputs: list[AudioFrame | SpeechStart | SpeechEnd]) -> None:
        """Hand what the pipeline cut to the recogniser."""
        recogniser = self.recogniser
        for output in outputs:
            if isinstance(output, AudioFrame):
                recogniser.add(output)
            elif isinstance(output, SpeechStart):
                recogniser.begin(output.at, self.pipeline.rate)
            else:
                recogniser.end(output)

    def obey(self) -> None:
        """Carry out the commands whose place in the audio has been reached."""
        taken = self.channel.pushed - self.channel.size
        while self._commands and self._commands[0].place <= taken and not self.is_over:
            _, command, reason = self._commands.popleft()
            if command is Command.CLEAR:
                self.pipeline.clear()
                self.recogniser.clear(self.pipeline.position, self.pipeline.rate)
            elif command is Command.FINALIZE:
                self._finish(EndpointReason.FINALIZE)
            else:
                self._finish(EndpointReason.CLOSE)
                self.recogniser.close(reason, lambda: self.channel.offset)

    def _finish(self, reason: EndpointReason) -> None:
        outputs = self.pipeline.finalize(reason)
        self.hear(outputs)
        answered = any(isinstance(o, SpeechEnd) and o.reason is reason for o in outputs)
        if reason is EndpointReason.FINALIZE and not answered:
            self.recogniser.end_empty(SpeechEnd(self.pipeline.position, reason), self.pipeline.rate)
