"""A hub in memory that answers at once: what a protocol sees, without an engine, a store or a clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import Conflict, NotFound, Overloaded, ProtocolError, SlowClient, UnsupportedAudio
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Role, SessionId
from asr_hub.wire.encode import encode
from asr_hub.wire.messages import (
    Attach,
    AudioAck,
    Closed,
    Configure,
    Endpoint,
    Final,
    Ready,
    ServerMessage,
    Start,
)

Call = Callable[[], None]


class EchoSession:
    """Counts audio, acknowledges every frame, and keeps the last `keep` messages."""

    def __init__(self, hub: EchoHub, session: SessionId, start: Start) -> None:
        self.hub = hub
        self.id = session
        self.format: AudioFormat = start.format
        self.audio = bytearray()
        self.frames: list[bytes] = []
        self.said: dict[int, bytes] = {}
        self.last = 0
        self.over_at: int | None = None
        self.utterance = 0
        self.configured: list[Configure] = []
        self.attached: list[EchoAttachment] = []
        self.has_room = True

    @property
    def offset(self) -> int:
        return len(self.audio) // self.format.bytes_per_frame

    def say(self, make: Callable[[int], ServerMessage]) -> None:
        self.last += 1
        self.said[self.last] = encode(make(self.last))
        self.said.pop(self.last - self.hub.keep, None)
        for one in self.attached:
            one.on_messages()

    def make_room(self) -> None:
        self.has_room = True
        for one in self.attached:
            one.on_room()

    def end_utterance(self, reason: EndpointReason) -> None:
        at, number = self.offset * 1000 // self.format.sample_rate, self.utterance
        self.utterance += 1
        self.say(lambda seq: Endpoint(seq=seq, utterance=number, at=at, reason=reason))
        if reason is not EndpointReason.CLEAR:
            hypothesis = Hypothesis(text=f"{len(self.audio)} bytes", start=0, end=at, is_final=True)
            self.say(lambda seq: Final(seq=seq, utterance=number, hypothesis=hypothesis, reason=reason))

    def close(self) -> None:
        self.end_utterance(EndpointReason.CLOSE)
        self.over_at = self.last + 1
        self.say(lambda seq: Closed(seq=seq, reason="close", audio_offset=self.offset))

    def abandon(self) -> None:
        self.over_at = self.last + 1
        self.say(lambda seq: Closed(seq=seq, reason="abandoned", audio_offset=self.offset))


class EchoAttachment:
    def __init__(self, session: EchoSession, role: Role, seq: int, on_messages: Call, on_room: Call) -> None:
        self.session = session.id
        self.role = role
        self.is_detached = False
        self.on_messages = on_messages
        self.on_room = on_room
        self._session = session
        self._greeting: list[bytes] = [
            encode(
                Ready(
                    seq=seq,
                    session=session.id,
                    role=role,
                    provider="echo",
                    format=session.format,
                    audio_offset=session.offset,
                    resume_window=60.0,
                )
            )
        ]
        self._seq = seq
        session.attached.append(self)

    def push(self, audio: bytes) -> bool:
        self._check()
        session = self._session
        if len(audio) % session.format.bytes_per_frame:
            raise UnsupportedAudio("half a sample; send whole samples")
        if audio.startswith(b"boom"):
            raise RuntimeError("a defect")
        session.audio += audio
        session.frames.append(audio)
        if session.hub.acknowledge:
            session.say(lambda seq: AudioAck(seq=seq, audio_offset=session.offset))
        if session.hub.fill_after is not None and len(session.frames) % session.hub.fill_after == 0:
            session.has_room = False
            session.hub.on_full(session)
        return session.has_room

    def configure(self, message: Configure) -> None:
        self._check()
        if message.provider not in (None, "echo"):
            raise NotFound(f"no provider {message.provider!r}; there is: echo")
        self._session.configured.append(message)

    def finalize(self) -> None:
        self._check()
        self._session.end_utterance(EndpointReason.FINALIZE)

    def clear(self) -> None:
        self._check()
        self._session.end_utterance(EndpointReason.CLEAR)

    def close(self) -> None:
        self._check()
        self._session.close()

    def abandon(self) -> None:
        self._check()
        self._session.abandon()

    def read(self) -> list[bytes]:
        self._check()
        session = self._session
        if self._seq < session.last and self._seq + 1 not in session.said:
            raise SlowClient("too slow; come back with `attach`")
        messages, self._greeting = self._greeting, []
        messages += [session.said[seq] for seq in range(self._seq + 1, session.last + 1)]
        self._seq = session.last
        return messages

    @property
    def is_over(self) -> bool:
        over_at = self._session.over_at
        return over_at is not None and self._seq >= over_at

    @property
    def last_seq(self) -> int:
        return self._seq

    def detach(self) -> None:
        self.is_detached = True
        if self in self._session.attached:
            self._session.attached.remove(self)
            self._session.hub.on_detach(self)

    def _check(self) -> None:
        assert not self.is_detached, "no call may be made after detach"


class EchoHub:
    """Implements HubPort. The attributes are what a test may turn."""

    def __init__(self) -> None:
        self.sessions: dict[SessionId, EchoSession] = {}
        self.max_sessions = 1000
        self.keep = 10_000
        self.acknowledge = True
        self.fill_after: int | None = None
        """Frames after which a session says that it has no room."""
        self.on_full: Callable[[EchoSession], None] = lambda session: None
        self.on_detach: Callable[[EchoAttachment], None] = lambda attachment: None
        self._ids = itertools.count(1)

    def open(
        self, start: Start, *, protocol: str, on_messages: Call, on_room: Call, grant: Grant = ANYBODY
    ) -> EchoAttachment:
        if start.provider not in (None, "echo"):
            raise NotFound(f"no provider {start.provider!r}; there is: echo")
        if len(self.sessions) >= self.max_sessions:
            raise Overloaded("no room; come back later", retry_after=2.5)
        session = EchoSession(self, SessionId(f"{protocol}-{next(self._ids)}"), start)
        self.sessions[session.id] = session
        attachment = EchoAttachment(session, Role.PUBLISHER, 0, on_messages, on_room)
        on_messages()
        return attachment

    def attach(
        self, attach: Attach, *, protocol: str, on_messages: Call, on_room: Call, grant: Grant = ANYBODY
    ) -> EchoAttachment:
        session = self.sessions.get(attach.session)
        if session is None:
            raise NotFound(f"no session {attach.session!r}; start a new one")
        if attach.role is Role.PUBLISHER and any(one.role is Role.PUBLISHER for one in session.attached):
            raise Conflict("the session has a publisher; attach as a viewer")
        if attach.seq is not None and attach.seq > session.last:
            raise ProtocolError(f"seq {attach.seq} was not said yet; the last is {session.last}")
        return EchoAttachment(session, attach.role, attach.seq or 0, on_messages, on_room)
