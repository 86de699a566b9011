"""A hub that only counts: what is behind a protocol whose own cost is measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import NotFound
from asr_hub.model import AudioFormat, Role, SessionId
from asr_hub.wire.encode import encode
from asr_hub.wire.messages import Attach, AudioAck, Configure, Ready, Reset, Start

RING = 64_000
"""Bytes: 2 s of 16 kHz 16-bit mono"""
ACK_EVERY = 16_000
"""Bytes"""


class Sink:
    """What every server here does with audio: the same ring, the same answers."""

    __slots__ = ("_fill", "_ring", "_since", "_taken", "_view")

    def __init__(self) -> None:
        self._ring = bytearray(RING)
        self._view = memoryview(self._ring)
        self._fill = 0
        self._since = 0
        self._taken = 0

    def take(self, audio: bytes) -> bytes | None:
        """Keep the audio; an answer when half a second has come since the last."""
        size = len(audio)
        end = self._fill + size
        if end <= RING:
            self._view[self._fill : end] = audio
            self._fill = end if end < RING else 0
        else:
            first = RING - self._fill
            self._view[self._fill :] = audio[:first]
            self._view[: size - first] = audio[first:]
            self._fill = size - first
        self._taken += size
        self._since += size
        if self._since < ACK_EVERY:
            return None
        self._since -= ACK_EVERY
        return encode(AudioAck(seq=self._taken // ACK_EVERY, audio_offset=self._taken // 2)) + b" " * 100


def ready(session: SessionId, role: Role = Role.PUBLISHER) -> Ready:
    return Ready(session=session, role=role, provider="none", format=AudioFormat(), audio_offset=0, resume_window=0.0)


READY = ready(SessionId("s"))


class CountingAttachment:
    """Implements AttachmentPort with a Sink and nothing else."""

    def __init__(self, session: SessionId, role: Role, on_messages: Callable[[], None]) -> None:
        self.session = session
        self.role = role
        self.is_over = False
        self.last_seq = 0
        self.on_messages = on_messages
        self.messages = [encode(ready(session, role))]
        self.told: list[CountingAttachment] = [self]
        self._sink = Sink()

    def push(self, audio: bytes) -> bool:
        if answer := self._sink.take(audio):
            for one in self.told:
                one.messages.append(answer)
                one.on_messages()
        return True

    def read(self) -> list[bytes]:
        messages, self.messages = self.messages, []
        return messages

    def check(self) -> None: ...

    def configure(self, message: Configure) -> None: ...

    def finalize(self) -> None: ...

    def clear(self) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...

    def detach(self) -> None: ...


class CountingHub:
    """Implements HubPort."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._sessions: dict[SessionId, CountingAttachment] = {}

    def open(
        self,
        start: Start,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> CountingAttachment:
        session = SessionId(f"s{next(self._numbers)}")
        publisher = self._sessions[session] = CountingAttachment(session, Role.PUBLISHER, on_messages)
        return publisher

    def attach(
        self,
        attach: Attach,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> CountingAttachment:
        """A viewer; what was said before is not kept."""
        if (publisher := self._sessions.get(attach.session)) is None:
            raise NotFound("this hub has no such session")
        viewer = CountingAttachment(attach.session, Role.VIEWER, on_messages)
        publisher.told.append(viewer)
        return viewer

    def snapshot(self, session: SessionId) -> Reset:
        raise NotFound("this hub keeps nothing")
