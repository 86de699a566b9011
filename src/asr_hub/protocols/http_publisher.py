"""
The connection that HTTP has not: one attachment per session, kept between the requests of its publisher.

A session has one publisher, and a request lasts as long as its body. So the attachment is made by the first request
and let go when no other has come for a while, when another connection takes the session over, or when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import Conflict, Forbidden, HubError, Overloaded, RateLimited
from asr_hub.model import AudioFormat, Role, SessionId
from asr_hub.protocols.http_body import AudioBody
from asr_hub.protocols.port import AttachmentPort, HubPort, obey
from asr_hub.protocols.timer_wheel import TimerWheel
from asr_hub.wire.conversation import Conversation, Limits
from asr_hub.wire.messages import Attach, Clear, Configure, Finalize, Ready, Start

PROTOCOL = "http"

MAX_BODIES = 8
"""Of one session at the same time: one is heard, the others wait for it."""


class Publishers:
    """
    The kept attachments, at most one for each live session.

    `idle` is how long one is kept without a request, in seconds. Whoever owns this calls `close` before the server
    stops.
    """

    def __init__(self, hub: HubPort, wheel: TimerWheel, *, idle: float, limits: Limits) -> None:
        self.hub = hub
        self.wheel = wheel
        self.idle = idle
        self.limits = limits
        self._kept: dict[SessionId, Publisher] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def open(self, start: Start, grant: Grant) -> tuple[SessionId, bytes]:
        """A new session: its id, and the encoded `ready`. Raises what `HubPort.open` raises."""
        publisher = self._publisher(grant)
        ready = publisher.begin(
            self.hub.open(
                start,
                protocol=PROTOCOL,
                on_messages=publisher.on_messages,
                on_room=publisher.on_room,
                grant=grant,
            )
        )
        self._kept[publisher.session] = publisher
        return publisher.session, ready

    def hold(self, session: SessionId, grant: Grant, *, take_over: bool = False) -> Publisher:
        """
        The publisher of a session, for one request.

        Raises what `HubPort.attach` raises, and ProtocolError where the session closes.
        """
        if (publisher := self._kept.get(session)) is not None:
            publisher.admit(grant)
            return publisher
        publisher = self._publisher(grant)
        message = Attach(session=session, role=Role.PUBLISHER, take_over=take_over)
        Conversation(self.limits).receive(message)
        publisher.begin(
            self.hub.attach(
                message,
                protocol=PROTOCOL,
                on_messages=publisher.on_messages,
                on_room=publisher.on_room,
                grant=grant,
            )
        )
        self._kept[session] = publisher
        return publisher

    def forget(self, publisher: Publisher) -> None:
        """It was let go."""
        if self._kept.get(publisher.session) is publisher:
            del self._kept[publisher.session]

    def close(self) -> None:
        """Let go of every session and end the bodies that are still read."""
        self._is_closed = True
        for publisher in tuple(self._kept.values()):
            publisher.end(_stopping())

    def _publisher(self, grant: Grant) -> Publisher:
        if self._is_closed:
            raise _stopping()
        return Publisher(self, grant.name)


class Publisher:
    """
    One session's publisher over HTTP. Every request is given it by `hold`; bodies take their turns in `turn`.

    Its own messages are never read: they cost nothing unread.
    """

    def __init__(self, owner: Publishers, principal: str) -> None:
        self._owner = owner
        self._principal = principal
        self._attachment: AttachmentPort | None = None
        self._conversation = Conversation(owner.limits)
        self._turns: set[_Turn] = set()
        self._lock = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._ended: HubError = Conflict("the publisher was let go; try again", retryable=True)
        self._taken = 0
        """Bytes"""
        self.session = SessionId("")
        self.format = AudioFormat()

    @property
    def audio_offset(self) -> int:
        """Samples per channel that the hub has taken."""
        return self._taken // self.format.bytes_per_frame

    def begin(self, attachment: AttachmentPort) -> bytes:
        """Keep a new attachment; its encoded `ready`. Raises what a command would where the session is closing."""
        self.session = attachment.session
        try:
            attachment.check()
            encoded = attachment.read()[0]
        except HubError:
            attachment.detach()
            raise
        ready = _ready.decode(encoded)
        self._attachment = attachment
        self.format = ready.format
        self._taken = ready.audio_offset * ready.format.bytes_per_frame
        self._conversation.opened(Role.PUBLISHER)
        self._owner.wheel.put(self, self._owner.idle)
        return encoded

    def admit(self, grant: Grant) -> None:
        """Raises Forbidden for whoever may not speak in this session: the hub asked the first request only."""
        grant.must(Scope.SPEAK)
        grant.must_reach(self.session)
        if grant.name != self._principal:
            raise Forbidden("this session was opened with another key; come back with that one", code="foreign-session")

    def tell(self, message: Configure | Finalize | Clear) -> None:
        """A command, at its place in the audio taken so far. Raises what the hub raises."""
        obey(self._held(), self._conversation.receive(message))
        self._owner.wheel.put(self, self._owner.idle)

    @asynccontextmanager
    async def turn(self, *, take_over: bool) -> AsyncIterator[None]:
        """
        The one body that is heard now. Waits for those before it; with `take_over` they are ended instead.

        Raises RateLimited where too many wait. What is done in the turn ends with the error that says why when the
        session closes or is taken over.
        """
        if take_over:
            self._cut(Conflict("a newer request took this session over", code="taken-over"))
        if len(self._turns) >= MAX_BODIES:
            raise RateLimited(
                f"{MAX_BODIES} bodies are being sent to this session; wait for their answers", retry_after=1.0
            )
        turn = _Turn()
        self._turns.add(turn)
        try:
            async with turn.patience, self._lock:
                yield
        except TimeoutError:
            if turn.error is None:
                raise
            raise turn.error from None
        finally:
            self._turns.discard(turn)
            if self._attachment is not None:
                self._owner.wheel.put(self, self._owner.idle)

    def body(self, offset: int | None) -> AudioBody:
        """A body that starts at `offset`. Raises Conflict where that is beyond what the hub has."""
        max_bytes = self._owner.limits.max_audio_bytes
        return AudioBody(self.format, offset=offset, taken=self.audio_offset, max_bytes=max_bytes)

    async def hear(self, audio: bytes) -> None:
        """Whole samples. Waits until the session has room for them. Raises what `AttachmentPort.push` raises."""
        await self._room.wait()
        audio = self._conversation.receive_audio(audio)
        has_room = self._held().push(audio)
        self._taken += len(audio)
        if not has_room:
            self._room.clear()

    def end(self, error: HubError) -> None:
        """Let go of the session; bodies on their way are told `error`."""
        self._ended = error
        attachment, self._attachment = self._attachment, None
        self._owner.wheel.remove(self)
        self._owner.forget(self)
        self._cut(error)
        if attachment is not None:
            attachment.detach()

    # What the session and the timer wheel call.

    def on_messages(self) -> None:
        if self._attachment is None:
            return
        try:
            self._attachment.check()
        except HubError as error:
            self.end(error)

    def on_room(self) -> None:
        self._room.set()

    def on_time(self) -> float | None:
        if self._turns:
            return self._owner.idle
        self.end(self._ended)
        return None

    def _held(self) -> AttachmentPort:
        if self._attachment is None:
            raise self._ended
        return self._attachment

    def _cut(self, error: HubError) -> None:
        turns, self._turns = self._turns, set()
        for turn in turns:
            turn.error = error
            turn.patience.reschedule(0)


class _Turn:
    """One body that is heard, or waits to be."""

    def __init__(self) -> None:
        self.patience = asyncio.timeout(None)
        """Without an end until the turn is cut: a time that is past then."""
        self.error: HubError | None = None
        """Why it was cut."""


def _stopping() -> Overloaded:
    return Overloaded("the hub is shutting down; connect to another or try again later", code="draining")


_ready = msgspec.json.Decoder(Ready)
