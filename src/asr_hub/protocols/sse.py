"""
What a session says as Server-Sent Events (WHATWG HTML, 9.2), for everybody who watches it over HTTP.

A watcher is a cursor into the session's log and the tasks of its response; it has no queue and no timer. A message
wakes it once; the wheel asks all of them, with one timer, who was quiet for too long and who does not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec
from starlette.responses import Response

from asr_hub.access.grant import Grant
from asr_hub.bell import Bell
from asr_hub.errors import HubError, Overloaded, ProtocolError, SlowClient
from asr_hub.model import Role, SessionId
from asr_hub.protocols.event_response import BEAT, EventResponse
from asr_hub.protocols.port import AttachmentPort, HubPort
from asr_hub.protocols.timer_wheel import TimerWheel
from asr_hub.wire.conversation import Conversation, Limits
from asr_hub.wire.encode import encode
from asr_hub.wire.messages import Attach

PROTOCOL = "sse"


class EventSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The pace of event streams."""

    heartbeat: float = 10.0
    """Seconds of quiet after which a comment is sent, so that proxies keep the connection."""
    stall_timeout: float = 30.0
    """Seconds that a reader may leave a full send buffer unread."""
    retry_ms: int = 1000
    """What EventSource is told to wait before it comes back."""


class Watchers:
    """Everybody who reads events. Whoever owns this calls `close` before the server stops: events have no end."""

    def __init__(self, hub: HubPort, wheel: TimerWheel, *, limits: Limits, settings: EventSettings) -> None:
        self._hub = hub
        self._wheel = wheel
        self._limits = limits
        self._settings = settings
        self._all: set[Watcher] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._all)

    def watch(self, session: SessionId, *, seq: int | None, grant: Grant) -> Response:
        """
        The events after `seq`, or all that are kept, without end; 204 where `closed` was the last one seen.

        EventSource comes back after every end but that of 204. Raises what `HubPort.attach` raises, except that a `seq`
        which is no longer kept is answered with `reset`.
        """
        if self._is_closed:
            raise Overloaded("the hub is shutting down; connect to another or try again later", code="draining")
        attach = Attach(session=session, role=Role.VIEWER, seq=seq)
        Conversation(self._limits).receive(attach)
        watcher = Watcher(self._hub, self._wheel, self._settings, attach, grant, on_leave=self._all.discard)
        if watcher.is_over:
            watcher.leave()
            return Response(status_code=204)
        self._all.add(watcher)
        return EventResponse(watcher.events(), is_cut=watcher.is_cut, on_end=watcher.leave)

    def close(self) -> None:
        """End every stream; EventSource comes back to whoever serves then."""
        self._is_closed = True
        for watcher in tuple(self._all):
            watcher.end()


class Watcher:
    """One reader of one session. `events` is what it is sent; `leave` lets go of the session."""

    def __init__(
        self,
        hub: HubPort,
        wheel: TimerWheel,
        settings: EventSettings,
        attach: Attach,
        grant: Grant,
        *,
        on_leave: Callable[[Watcher], None],
    ) -> None:
        self._hub = hub
        self._wheel = wheel
        self._settings = settings
        self._grant = grant
        self._on_leave = on_leave
        self._loop = asyncio.get_running_loop()
        self._bell = Bell()
        self._reset: bytes | None = None
        """Goes out before the messages that are read next."""
        self._is_greeted = False
        """`ready` was sent."""
        self._is_sending = False
        self._is_beat_due = False
        self._is_ending = False
        self._since = self._loop.time()
        """When it began to send, or to be quiet."""
        self.is_cut = asyncio.Event()
        """The response is to end, whatever it waits for."""
        self._attachment: AttachmentPort | None = self._attach(attach)
        wheel.put(self, settings.heartbeat)

    @property
    def is_over(self) -> bool:
        """`closed` has been read, now or before."""
        return self._attachment is None or self._attachment.is_over

    async def events(self) -> AsyncIterator[bytes]:
        """Encoded events, `ready` first. Waits for them; ends after `closed`, and when the hub stops."""
        while True:
            for chunk in self._next():
                self._turn(is_sending=True)
                yield chunk
                self._turn(is_sending=False)
            if self.is_over or self._is_ending:
                return
            await self._bell.wait()

    def end(self) -> None:
        """End the stream: after what is there, or at once where the reader does not take it."""
        self._is_ending = True
        self._bell.ring()
        if self._is_sending:
            self.is_cut.set()

    def leave(self) -> None:
        """Let go of the session. May be called twice."""
        self._wheel.remove(self)
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.detach()
        self._on_leave(self)

    def on_time(self) -> float | None:
        """Whoever does not read is cut; whoever was told nothing hears the heart."""
        passed = self._loop.time() - self._since
        if self._is_sending:
            if passed >= self._settings.stall_timeout:
                self.is_cut.set()
                return None
            return self._settings.stall_timeout - passed
        if passed < self._settings.heartbeat:
            return self._settings.heartbeat - passed
        self._is_beat_due = True
        self._bell.ring()
        return self._settings.heartbeat

    def _attach(self, attach: Attach) -> AttachmentPort:
        try:
            return self._join(attach)
        except ProtocolError as error:
            if error.code != "resume-gap":
                raise
        return self._start_over(attach.session)

    def _start_over(self, session: SessionId) -> AttachmentPort:
        reset = self._hub.snapshot(session)
        self._reset = encode(reset)
        return self._join(Attach(session=session, role=Role.VIEWER, seq=reset.seq))

    def _join(self, attach: Attach) -> AttachmentPort:
        return self._hub.attach(
            attach, protocol=PROTOCOL, on_messages=self._bell.ring, on_room=_nothing, grant=self._grant
        )

    def _next(self) -> Iterator[bytes]:
        is_beat_due, self._is_beat_due = self._is_beat_due, False
        messages = self._read()
        if not messages and is_beat_due:
            yield BEAT
        # Events that are there together go out together, but never so many that a slow reader holds them all twice.
        chunk = b""
        for message in messages:
            chunk += event(message, None if self._is_greeted else self._settings.retry_ms)
            self._is_greeted = True
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = b""
        if chunk:
            yield chunk

    def _read(self) -> list[bytes]:
        attachment = self._attachment
        if attachment is None:
            return []
        try:
            messages = attachment.read()
        except SlowClient:
            attachment.detach()
            self._attachment = None
            messages = self._read_anew(attachment.session)
        if self._reset is not None:
            messages.insert(0 if self._is_greeted else 1, self._reset)
            self._reset = None
        return messages

    def _read_anew(self, session: SessionId) -> list[bytes]:
        """The reader fell behind what is kept: go on from where the session stands, if it still does."""
        try:
            attachment = self._attachment = self._start_over(session)
        except HubError:
            return []
        messages = attachment.read()
        return messages[1:] if self._is_greeted else messages

    def _turn(self, *, is_sending: bool) -> None:
        self._is_sending = is_sending
        self._since = self._loop.time()


def event(message: bytes, retry_ms: int | None = None) -> bytes:
    """One encoded message as one event. JSON has no bare line breaks, so one `data` line holds it."""
    head = _head.decode(message)
    # A `retry` in a block of its own is an empty event to some clients.
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    return b"id: %d\nevent: %b\n%bdata: %b\n\n" % (head.seq, head.type.encode(), retry, message)


class _Head(msgspec.Struct):
    type: str
    seq: int


def _nothing() -> None:
    """A viewer sends no audio and waits for no room."""


_head = msgspec.json.Decoder(_Head)

_CHUNK = 16 * 1024
"""Bytes"""
