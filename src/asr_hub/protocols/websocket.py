"""
The native protocol over WebSocket: the hub's own path of the one port, served without ASGI.

uvicorn hands a connection to a WebSocket protocol class when it is upgraded. `websocket_lane` makes such a class: it
drives the sans-I/O `ServerProtocol` of the `websockets` library and calls the hub directly, which costs a third of what
the way through ASGI does; every other path goes to uvicorn's own class and so to the application. Below `/v1/jobs/` the
lane tells how jobs go on, to those who say nothing themselves.

What is buffered per connection, and where it ends:

* audio and commands that came in the same read as the frame that filled the session: at most one read (256 KiB).
  Nothing more is read until the session has room, and TCP makes the client wait.
* messages on their way out: `write_buffer_bytes` and what one `read()` of the attachment returned. Nothing is read from
  the attachment until the transport has room; a client that lets the session forget what it has yet to read is told
  `slow-client`, and so is one that reads nothing for `stall_timeout`.
* a message in fragments: `max_audio_bytes`.

There is no task, queue or timer per connection, and none per frame. Whole binary frames, which is what speech is, go
past the library's parser (`_take_plain`); everything else goes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State as LinkState
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

from asr_hub.access.door import OpenDoor
from asr_hub.access.grant import ANYBODY
from asr_hub.errors import HubError, Overloaded, ProtocolError, SessionClosing, SlowClient, TooLarge
from asr_hub.protocols.admission import offered_secret, query_of, secret_of
from asr_hub.protocols.http import told
from asr_hub.protocols.jobs_attachment import JobAttachment, JobConversation
from asr_hub.protocols.jobs_live import JobsLivePort, jobs_unavailable
from asr_hub.protocols.origins import Pages
from asr_hub.protocols.port import AttachmentPort, DoorPort, HubPort, join, obey
from asr_hub.protocols.timer_wheel import TimerWheel
from asr_hub.wire.conversation import Conversation, Limits, State
from asr_hub.wire.encode import encode
from asr_hub.wire.messages import AnyClientMessage, Attach, Start
from asr_hub.wire.refusal import NORMAL

PATH = "/v1/stream"
JOBS_PATH = "/v1/jobs/"
"""And the id of a job."""
SUBPROTOCOL = "asr-hub.v1"


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long connections may be silent or stuck, and who may open one. Times are in seconds."""

    path: str = PATH
    jobs_path: str = JOBS_PATH
    pages: Pages = Pages()
    ping_interval: float = 20.0
    """A peer that said nothing for so long is asked whether it is there."""
    ping_timeout: float = 20.0
    """A peer that does not answer for so long is gone."""
    start_timeout: float = 20.0
    """From the handshake to `start` or `attach`."""
    stall_timeout: float = 30.0
    """How long a peer may leave a full send buffer unread."""
    close_timeout: float = 5.0
    """How long a peer may take to answer the closing handshake."""
    write_buffer_bytes: int = 64 * 1024
    resolution: float = 0.25
    """Of all these times."""
    is_quick: bool = True
    """Take whole binary frames without the library's parser. Off, every byte goes through it, at twice the cost."""


def websocket_lane(
    hub: HubPort,
    *,
    door: DoorPort | None = None,
    limits: Limits | None = None,
    settings: LaneSettings | None = None,
    jobs: JobsLivePort | None = None,
) -> type[asyncio.Protocol]:
    """
    The class to give to `uvicorn.Config(ws=...)`. It serves one hub, on one event loop; without `door`, anybody.

    Without `jobs` the hub keeps none, and says so.
    """
    shared = _Shared(hub, door or OpenDoor(), limits or Limits(), settings or LaneSettings(), jobs)

    class BoundLane(Lane):
        __slots__ = ()

        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(shared, config, server_state, app_state)

    return BoundLane


class Lane(asyncio.Protocol):
    """One upgraded connection, from its HTTP request to its end."""

    __slots__ = (
        "_app_state",
        "_attachment",
        "_can_write",
        "_config",
        "_conversation",
        "_fed",
        "_fragments",
        "_grant",
        "_has_room",
        "_head",
        "_held",
        "_inner",
        "_is_flush_due",
        "_is_heard",
        "_is_pinged",
        "_is_work_due",
        "_job",
        "_link",
        "_loop",
        "_opcode",
        "_server_state",
        "_shared",
        "_transport",
    )

    def __init__(self, shared: _Shared, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._shared = shared
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._loop: asyncio.AbstractEventLoop
        self._transport: asyncio.Transport
        self._inner: asyncio.Protocol | None = None
        """uvicorn's own protocol, once the path turned out not to be ours."""
        self._link: ServerProtocol | None = None
        """The WebSocket, once the path turned out to be ours."""
        self._head = bytearray()
        self._job: str | None = None
        """The one that is watched here; none where this is a session's connection."""
        self._conversation = Conversation(shared.limits)
        self._attachment: AttachmentPort | None = None
        self._grant = ANYBODY
        self._held: deque[tuple[Opcode, bytes]] = deque()
        """Messages that were read together with the one that filled the session."""
        self._has_room = True
        self._can_write = True
        self._is_flush_due = False
        self._is_work_due = False
        self._is_heard = True
        """Anything came since the last look."""
        self._is_pinged = False
        self._fragments: bytearray | None = None
        self._fed = 0
        """Bytes that the library was given, less those of the frames it returned."""
        self._opcode = Opcode.CONT
        """Of the message in fragments."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(cast(Any, self))

    def data_received(self, data: bytes) -> None:
        if (link := self._link) is None:
            self._receive_head(data)
            return
        self._is_heard = True
        if not self._fed and self._fragments is None and not (data := self._take_plain(data)):
            return
        link.receive_data(data)
        self._fed += len(data)
        for event in link.events_received():
            frame = cast(Frame, event)
            self._fed -= _size(frame)
            self._take(frame)
        if link.parser_exc is not None:
            self._fail(link.parser_exc)
        self._send_control()

    def eof_received(self) -> bool | None:
        if self._inner is not None:
            return self._inner.eof_received()
        if self._link is not None:
            self._link.receive_eof()
        return None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()
            return
        self._can_write = False
        if self._attachment is not None:
            self._shared.wheel.put(self, self._shared.settings.stall_timeout)

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()
            return
        self._can_write = True
        if self._attachment is not None:
            self._keep_alive()
            self._on_messages()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is not None:
            self._inner.connection_lost(exc)
            return
        self._server_state.connections.discard(cast(Any, self))
        self._shared.wheel.remove(self)
        self._leave()

    # What uvicorn and the timer wheel call.

    def shutdown(self) -> None:
        """The server stops: say so and close."""
        if self._link is None or self._link.state is not LinkState.OPEN:
            self._transport.close()
            return
        self._flush()
        self._refuse(Overloaded(f"the hub restarts; {self._way_back}", code="shutting-down", retry_after=1.0))

    def on_time(self) -> float | None:
        """The time that was set for whatever the connection waits for is up."""
        link, settings = self._link, self._shared.settings
        if link is None or link.state is not LinkState.OPEN:
            self._transport.abort()
            return None
        if self._attachment is None:
            self._refuse(
                ProtocolError(
                    f"no `start` or `attach` came in {settings.start_timeout:g} s; open a connection when it is needed",
                    code="start-timeout",
                )
            )
            return settings.close_timeout
        if not self._can_write:
            self._refuse(SlowClient(f"nothing was read for too long; {self._way_back} and read faster"))
            return settings.close_timeout
        # While the session has no room nothing is read, and so no answer to a ping can be seen.
        if self._is_heard or not self._has_room:
            self._is_heard = self._is_pinged = False
            return settings.ping_interval
        if self._is_pinged:
            self._transport.abort()
            return None
        self._is_pinged = True
        link.send_ping(b"")
        self._send_control()
        return settings.ping_timeout

    # The opening handshake.

    def _receive_head(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)
            return
        # Frames that follow the request at once must not reach the parser before the request is answered.
        self._head += data
        end = self._head.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._head) > _MAX_HEAD:
                self._transport.close()
            return
        head, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._head = bytearray()
        path = _path(head)
        if path.startswith(self._shared.jobs_path):
            self._job = path[len(self._shared.jobs_path) :].decode("latin-1")
        elif path != self._shared.path:
            self._delegate(head + rest)
            return
        self._shake_hands(head)
        if rest and not self._transport.is_closing():
            self.data_received(rest)

    def _delegate(self, data: bytes) -> None:
        self._server_state.connections.discard(cast(Any, self))
        self._inner = WebSocketsSansIOProtocol(self._config, self._server_state, self._app_state, self._loop)
        self._inner.connection_made(self._transport)
        self._inner.data_received(data)

    def _shake_hands(self, head: bytes) -> None:
        shared = self._shared
        self._link = link = ServerProtocol(
            select_subprotocol=_select_subprotocol,
            max_size=shared.max_size,
            logger=_link_log,
        )
        link.receive_data(head)
        events = link.events_received()
        if not events:
            # The parser found the request malformed; it answers some faults by itself and hangs up on the others.
            if not (answer := link.data_to_send()) or not answer[0]:
                answer = [link.reject(400, "Not a valid WebSocket handshake.\n").serialize()]
            self._transport.write(b"".join(answer))
            self._transport.close()
            return
        request = cast(Request, events[0])
        response = link.accept(request)
        if response.status_code == 101:
            response = self._admit(request) or response
        link.send_response(response)
        if response.status_code != 101:
            self._transport.write(b"".join(link.data_to_send()))
            self._transport.close()
            return
        sock = self._transport.get_extra_info("socket")
        # asyncio leaves Nagle's algorithm on where the listening socket was made without naming TCP.
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=shared.settings.write_buffer_bytes)
        shared.wheel.put(self, shared.settings.start_timeout)
        self._send_control()
        if self._job is not None and shared.jobs is not None:
            self._watch(shared.jobs, self._job)

    def _admit(self, request: Request) -> Response | None:
        """Who comes, and with what key; the refusal where they may not."""
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        try:
            self._shared.settings.pages.check(headers.get("origin"), headers.get("host"))
            secret = secret_of(headers, query_of(request.path.partition("?")[2]))
            offered = headers.get("sec-websocket-protocol", "")
            self._grant = self._shared.door.admit(secret or offered_secret(offered))
            if self._job is not None and self._shared.jobs is None:
                raise jobs_unavailable()
        except HubError as error:
            return _refusal(error)
        except Exception:  # noqa: BLE001  the edge: a defect of the hub refuses one connection, and is told and logged
            _log.exception("websocket.defect")
            return _refusal(HubError("the hub failed; its log has the details"))
        return None

    # Messages of the client.

    def _take_plain(self, data: bytes) -> bytes:
        """
        Take whole, unfragmented, masked binary frames off the front of a read; return what is left for the library.

        Nearly every read is one such frame, and taking it here costs a tenth of what the library's parser costs. Only
        to be called when the library is between two frames and no message is in fragments: `_fed` counts the bytes it
        was given less those of the frames it returned, at their shortest encoding, so that 0 means exactly that.
        """
        at, size = 0, len(data)
        while size - at > 8 and data[at] == _FINAL_BINARY:
            length, begin = data[at + 1] - 128, at + 6
            if length == 126:
                length, begin = data[at + 2] << 8 | data[at + 3], at + 8
            end = begin + length
            if not (0 < length <= self._shared.max_plain and end <= size and data[at + 1] <= 254):
                break
            self._hear(apply_mask(data[begin:end], data[begin - 4 : begin]))
            at = end
        return data[at:] if at else data

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.CLOSE:
            # Held audio was not acknowledged: a client that comes back sends it again.
            self._end()
        elif opcode is Opcode.CONT or not frame.fin:
            self._assemble(frame)
        elif opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._accept(opcode, cast(bytes, frame.data))

    def _assemble(self, frame: Frame) -> None:
        # One growing buffer: a list would grow without bound under empty fragments, which no size limit counts.
        if self._fragments is None:
            self._fragments, self._opcode = bytearray(), frame.opcode
        self._fragments += frame.data
        if frame.fin:
            whole, self._fragments = bytes(self._fragments), None
            self._accept(self._opcode, whole)

    def _accept(self, opcode: Opcode, data: bytes) -> None:
        if opcode is Opcode.BINARY:
            self._hear(data)
        elif self._has_room:
            self._read(data)
        else:
            self._held.append((opcode, data))

    def _hear(self, audio: bytes) -> None:
        if not self._has_room:
            self._held.append((Opcode.BINARY, audio))
            return
        try:
            audio = self._conversation.receive_audio(audio)
            attachment = self._attachment
            if attachment is not None and not attachment.push(audio):
                self._has_room = False
                if not self._transport.is_closing():
                    self._transport.pause_reading()
        except SessionClosing:
            # It crossed the news, and `closed` says how much was taken.
            pass
        except HubError as error:
            self._refuse(error)
        except Exception:  # noqa: BLE001  the edge: a defect of the hub ends one connection, and is told and logged
            self._break_down()

    def _read(self, text: bytes) -> None:
        # The link may be closing already: its parser is ahead, and what came before the close frame counts.
        if self._conversation.state is State.OVER:
            return
        try:
            self._obey(self._conversation.receive_text(text))
        except HubError as error:
            # `ready` and what the error's `seq` repeats go first.
            self._flush()
            self._refuse(error)
        except Exception:  # noqa: BLE001  the edge, as in _hear
            self._break_down()

    def _obey(self, message: AnyClientMessage) -> None:
        if isinstance(message, Start | Attach):
            self._attach(message)
            return
        attachment = self._attachment
        if attachment is None:
            return
        with contextlib.suppress(SessionClosing):
            obey(attachment, message)

    def _attach(self, message: Start | Attach) -> None:
        attachment = self._attachment = join(
            self._shared.hub,
            message,
            protocol=_PROTOCOL,
            on_messages=self._on_messages,
            on_room=self._on_room,
            grant=self._grant,
        )
        self._conversation.opened(attachment.role)
        self._keep_alive()
        self._on_messages()

    def _watch(self, jobs: JobsLivePort, job: str) -> None:
        """Tell how a job goes on. Nothing is heard here."""
        self._conversation = JobConversation(self._shared.limits)
        try:
            watch = jobs.watch(job, grant=self._grant, on_change=self._on_messages)
        except HubError as error:
            self._refuse(error)
            return
        except Exception:  # noqa: BLE001  the edge, as in _hear
            self._break_down()
            return
        attachment = self._attachment = JobAttachment(watch, job)
        self._conversation.opened(attachment.role)
        self._keep_alive()
        self._on_messages()

    # What the session calls.

    def _on_messages(self) -> None:
        if not self._is_flush_due and self._can_write:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _on_room(self) -> None:
        # The session may call from the middle of its own work: what is held goes to it afterwards.
        if not self._is_work_due:
            self._is_work_due = True
            self._loop.call_soon(self._work_off)

    def _work_off(self) -> None:
        self._is_work_due = False
        if self._attachment is None:
            return
        self._has_room = True
        while self._held and self._has_room:
            self._accept(*self._held.popleft())
        if self._has_room and not self._transport.is_closing():
            self._transport.resume_reading()

    # Messages to the client.

    def _flush(self) -> None:
        self._is_flush_due = False
        attachment = self._attachment
        if attachment is None or not self._can_write:
            return
        try:
            messages = attachment.read()
        except HubError as error:
            self._refuse(error)
            return
        except Exception:  # noqa: BLE001  the edge, as in _hear
            self._break_down()
            return
        if messages:
            self._transport.write(_frames(messages))
        if attachment.is_over:
            self._close(NORMAL)

    def _send_control(self) -> None:
        """Write what the WebSocket itself has to say: pongs, pings, the handshakes."""
        link = self._link
        if link is None or not (writes := link.data_to_send()):
            return
        if data := b"".join(writes):
            self._transport.write(data)
        if not writes[-1]:
            self._hang_up(link)

    def _hang_up(self, link: ServerProtocol) -> None:
        self._end()
        if link.close_rcvd is not None or not self._transport.can_write_eof():
            self._transport.close()
            return
        # Closing a socket that still has bytes to read resets the connection, and the reset overtakes the error that
        # was just sent. So only this side is closed, and what the peer still sends is read and dropped for a while.
        self._transport.write_eof()
        self._shared.wheel.put(self, self._shared.settings.close_timeout)

    def _fail(self, cause: Exception) -> None:
        """The peer broke WebSocket itself. Its parser has the close frame ready; the reason goes first."""
        if self._conversation.state is State.OVER:
            return
        self._flush()
        if isinstance(cause, PayloadTooBig):
            error: HubError = TooLarge(
                f"a message was larger than {self._shared.limits.max_audio_bytes} bytes; send 20 to 200 ms per frame",
                code="frame-too-large",
            )
        else:
            error = ProtocolError(f"this is not WebSocket as RFC 6455 has it: {cause}", code="bad-frame")
        self._say(error)
        self._end()

    def _refuse(self, error: HubError) -> None:
        if self._conversation.state is State.OVER:
            return
        if (close_code := self._say(error)) is not None:
            self._close(close_code)

    def _break_down(self) -> None:
        _log.exception("websocket.defect")
        self._refuse(HubError("the hub failed; its log has the details"))

    def _say(self, error: HubError) -> int | None:
        """Tell the client; return the close code where the connection ends with it."""
        seq = self._attachment.last_seq if self._attachment is not None else 0
        refusal = self._conversation.refuse(error, seq=seq)
        if not self._transport.is_closing():
            self._transport.write(_frames([encode(refusal.message)]))
        return refusal.close_code

    def _close(self, code: int) -> None:
        link = self._link
        self._end()
        if link is None or link.state is not LinkState.OPEN:
            return
        link.send_close(code)
        self._send_control()
        self._shared.wheel.put(self, self._shared.settings.close_timeout)

    def _end(self) -> None:
        """Nothing more is taken from this client; what it still sends is read to find its close frame."""
        self._leave()
        if not self._has_room:
            self._has_room = True
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _leave(self) -> None:
        self._conversation.over()
        self._held.clear()
        self._fragments = None
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.detach()

    @property
    def _way_back(self) -> str:
        return "come back with `attach`" if self._job is None else "connect again"

    def _keep_alive(self) -> None:
        self._is_pinged = False
        self._shared.wheel.put(self, self._shared.settings.ping_interval)


class _Shared:
    """What all connections of a lane have in common."""

    __slots__ = ("door", "hub", "jobs", "jobs_path", "limits", "max_plain", "max_size", "path", "settings", "wheel")

    def __init__(
        self, hub: HubPort, door: DoorPort, limits: Limits, settings: LaneSettings, jobs: JobsLivePort | None
    ) -> None:
        self.hub = hub
        self.door = door
        self.jobs = jobs
        self.limits = limits
        self.max_size = max(limits.max_audio_bytes, limits.max_text_bytes)
        self.max_plain = self.max_size if settings.is_quick else 0
        self.settings = settings
        self.path = settings.path.encode()
        self.jobs_path = settings.jobs_path.encode()
        self.wheel = TimerWheel(resolution=settings.resolution)


_log = logging.getLogger(__name__)

# The library logs frames at DEBUG: what was said would stand in the log of whoever turns that on for the whole process.
_link_log = logging.getLogger(f"{__name__}.link")
_link_log.setLevel(logging.WARNING)

_PROTOCOL = "websocket"

_FINAL_BINARY = 0x82
"""The first byte of a frame that is a whole binary message (RFC 6455, 5.2)."""

_MAX_HEAD = 64 * 1024
"""Bytes of an HTTP request without a body."""


def _select_subprotocol(link: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """
    Ours where it is offered. Else the first offered: some clients hang up when they offered and none is chosen.

    Never the key: what is chosen goes back to the client, and into the logs of whatever is between.
    """
    ours = Subprotocol(SUBPROTOCOL)
    secret = offered_secret(",".join(offered))
    return ours if ours in offered else next((one for one in offered if one != secret), None)


def _refusal(error: HubError) -> Response:
    status, fields, body = told(error)
    headers = Headers([("Date", formatdate(usegmt=True)), ("Connection", "close")])
    headers.update({**fields, "Content-Length": str(len(body)), "Content-Type": "application/json"})
    return Response(status, HTTPStatus(status).phrase, headers, body)


def _path(head: bytes) -> bytes:
    parts = head.split(b" ", 2)
    return parts[1].partition(b"?")[0] if len(parts) == 3 else b""


def _size(frame: Frame) -> int:
    """Bytes of a masked frame at its shortest encoding, the only one that RFC 6455 allows; the library takes others."""
    length = len(frame.data)
    return length + (6 if length < 126 else 8 if length < 65536 else 14)


def _frames(messages: Sequence[bytes]) -> bytes:
    """Text frames, to be written at once. A server masks nothing, so that every reader is sent the same bytes."""
    return b"".join([Frame(Opcode.TEXT, message).serialize(mask=False) for message in messages])
