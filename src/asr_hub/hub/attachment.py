"""One connection's hold on one session."""

from __future__ import annotations

from typing import Protocol

from asr_hub.errors import Conflict, ProtocolError, SessionClosing, TooLarge, UnsupportedAudio
from asr_hub.hub.session import LiveSession
from asr_hub.model import Role
from asr_hub.store.event import Event
from asr_hub.store.slices.sessions import (
    AudioTaken,
    ClearRequested,
    CloseRequested,
    FinalizeRequested,
)
from asr_hub.wire.encode import encode
from asr_hub.wire.messages import Configure, Ready


class Owner(Protocol):
    """The hub, as an attachment sees it."""

    def now(self) -> float: ...

    def dispatch(self, event: Event) -> None: ...

    def mark(self, session: LiveSession) -> None: ...

    def configure(self, session: LiveSession, message: Configure) -> None: ...

    def abandon(self, session: LiveSession, reason: str) -> None: ...

    def leave(self, session: LiveSession, key: int, protocol: str) -> None: ...


class Attachment:
    """Audio and commands in, messages out. See `AttachmentPort` for what each call promises."""

    def __init__(self, hub: Owner, session: LiveSession, key: int, role: Role, protocol: str, ready: Ready) -> None:
        self.session = session.id
        self.role = role
        self._hub = hub
        self._live = session
        self._key = key
        self._protocol = protocol
        self._ready: bytes | None = encode(ready)
        self._cursor = ready.seq

    def push(self, audio: bytes) -> bool:
        live = self._live
        if live.publisher != self._key or live.is_closing:
            self._must_publish()
        meter = live.meter
        if meter is not None:
            meter.hear(len(audio) / live.format.bytes_per_second)
        try:
            room = live.accept(audio)
        except TooLarge:
            if meter is not None:
                meter.give_back(len(audio) / live.format.bytes_per_second)
            raise
        except UnsupportedAudio as exc:
            # Whatever follows would be misheard too.
            self._hub.dispatch(CloseRequested(at=self._hub.now(), session=self.session, reason=exc.code))
            raise
        if live.channel.pushed >= live.next_ack:
            second = live.format.bytes_per_second
            live.next_ack = (live.channel.pushed // second + 1) * second
            self._hub.dispatch(AudioTaken(at=self._hub.now(), session=self.session, audio_offset=live.channel.offset))
        self._hub.mark(live)
        return room

    def configure(self, message: Configure) -> None:
        self._must_publish()
        self._hub.configure(self._live, message)

    def finalize(self) -> None:
        self._must_publish()
        self._hub.dispatch(FinalizeRequested(at=self._hub.now(), session=self.session))

    def clear(self) -> None:
        self._must_publish()
        self._hub.dispatch(ClearRequested(at=self._hub.now(), session=self.session))

    def close(self) -> None:
        self._must_publish()
        self._hub.dispatch(CloseRequested(at=self._hub.now(), session=self.session, reason="close"))

    def abandon(self) -> None:
        self._must_own()
        self._hub.abandon(self._live, "abandoned")

    def read(self) -> list[bytes]:
        if not self._live.has(self._key):
            raise Conflict("another connection has taken this session over", code="taken-over")
        data, self._cursor = self._live.log.read(self._cursor)
        if self._ready is not None:
            data.insert(0, self._ready)
            self._ready = None
        return data

    def check(self) -> None:
        self._must_publish()

    @property
    def is_over(self) -> bool:
        return self._live.log.is_closed and self._cursor >= self._live.log.seq

    @property
    def last_seq(self) -> int:
        return self._cursor

    def detach(self) -> None:
        self._hub.leave(self._live, self._key, self._protocol)

    def _must_own(self) -> None:
        if self.role is not Role.PUBLISHER:
            raise ProtocolError("a viewer only listens; attach as the publisher to speak", code="viewer-may-not")
        if self._live.publisher != self._key:
            raise Conflict("another connection has taken this session over", code="taken-over")

    def _must_publish(self) -> None:
        self._must_own()
        if self._live.is_closing or self._live.is_over:
            raise SessionClosing("the session is closing: it takes nothing more; wait for `closed`")
