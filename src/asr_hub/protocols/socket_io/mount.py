"""Socket.IO on the hub's one port: `/socket.io`, before the rest of the application."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec
import socketio
from engineio import packet, payload
from engineio.exceptions import EngineIOError
from socketio.exceptions import ConnectionRefusedError as Refused

from asr_hub.access.grant import Grant
from asr_hub.errors import HubError, Overloaded, ProtocolError, TooLarge
from asr_hub.protocols.admission import query_of, secret_of
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.http import told
from asr_hub.protocols.jobs_live import JobsLivePort, jobs_unavailable
from asr_hub.protocols.origins import Pages
from asr_hub.protocols.port import DoorPort, HubPort
from asr_hub.protocols.socket_io import jobs as watching
from asr_hub.protocols.socket_io import native, recorder
from asr_hub.protocols.socket_io.jobs import JobsClient
from asr_hub.protocols.socket_io.native import NativeClient
from asr_hub.protocols.socket_io.packets import StrictPacket, is_connect
from asr_hub.protocols.socket_io.recorder import Recorder
from asr_hub.protocols.socket_io.seat import Seat
from asr_hub.protocols.timer_wheel import TimerWheel
from asr_hub.telemetry import logs
from asr_hub.wire.conversation import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Work = Callable[[], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

PATH = "/socket.io"
PROTOCOL = "socketio"

MAX_PACKETS = 16_384
"""
Packets in one request of a client that polls. The library's 16 loses what a client sends that was held up for a second.

Clients fill a request up to `max_request_bytes` and count nothing, so this is what fits in there when audio comes in
the smallest pieces that any recorder makes: 8 ms, in two packets of 200 bytes on average.
"""

MAX_PACKETS_OUTSIDE = 16
"""The same before it is in a namespace, where it asks to be let in and says nothing else."""

MAX_CONNECTS = 4
"""Of the packets in one request that ask for a namespace: each costs a look at the key. There are three namespaces."""

MAX_WAITING = 16_384
"""Packets that may wait for one client. The hub's own messages wait for it; answers to what it sends do not."""


class SocketIoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long clients may be silent or stuck, and who may connect. Times are in seconds."""

    pages: Pages = Pages()
    ping_interval: float = 25.0
    """Between a client's answer and the next ping."""
    ping_timeout: float = 20.0
    """A client that does not answer for so long, and sends nothing else, is gone."""
    start_timeout: float = 20.0
    """To a namespace, and in the native one to `start` or `attach`."""
    stall_timeout: float = 30.0
    """How long a client may leave a full send buffer unread."""
    farewell: float = 2.0
    """For telling all clients that the hub stops."""


class SocketIo:
    """
    An ASGI application that serves Socket.IO and leaves everything else to `rest`.

    Engine.IO 4 and Socket.IO 5, over WebSocket and long polling. `running` must be entered before the first request;
    on leaving it every client is told and disconnected.

    No message is ever for more than one client: each has a session of its own and reads it through its own attachment,
    so there is nothing that nodes would have to tell one another.
    """

    def __init__(
        self,
        hub: HubPort,
        door: DoorPort,
        rest: Application,
        *,
        limits: Limits | None = None,
        settings: SocketIoSettings | None = None,
        jobs: JobsLivePort | None = None,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(16),
    ) -> None:
        """Without `jobs` the hub keeps none, and says so."""
        self._hub = hub
        self._jobs = jobs
        self._door = door
        self._rest = rest
        self._limits = limits or Limits()
        self._settings = it = settings or SocketIoSettings()
        self._new_id = new_id
        self._wheel = TimerWheel()
        self._clients: dict[tuple[str, str], NativeClient | Recorder | JobsClient] = {}
        self._writers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._polls: set[asyncio.Task[None]] = set()
        self._posting: set[str] = set()
        """Engine.IO sessions with a request of theirs being worked off."""
        self._is_closing = False
        """Nobody comes any more; who is there is told."""
        self._is_over = False
        self.max_request_bytes = self._limits.max_audio_bytes * 4 // 3 + 64 * 1024
        """Of one message or one request: an audio frame in base64, and what is around it."""
        payload.Payload.max_decode_packets = MAX_PACKETS
        self.sio = socketio.AsyncServer(
            async_mode="asgi",
            # Events of one client are worked off one after the other: their order is that of the audio, and a client
            # whose session has no room waits in its own connection, where it holds up nobody else.
            async_handlers=False,
            serializer=StrictPacket,
            # No request comes to it that was not asked for its origin.
            cors_allowed_origins=lambda origin: True,
            ping_interval=it.ping_interval,
            ping_timeout=it.ping_timeout,
            max_http_buffer_size=self.max_request_bytes,
            http_compression=False,
            logger=_link_log,
            engineio_logger=_link_log,
        )
        self.sio.eio.start_background_task = self._start_library_task
        self._messages = 0
        self.sio.eio.on("message", partial(self._message, self.sio.eio.handlers["message"]))
        for namespace in _NAMESPACES:
            self.sio.on("connect", partial(self._connect, namespace), namespace=namespace)
            self.sio.on("disconnect", partial(self._disconnect, namespace), namespace=namespace)
            self.sio.on("*", partial(self._event, namespace), namespace=namespace)

    @property
    def clients(self) -> int:
        """Clients, counted once in each namespace."""
        return len(self._clients)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].rstrip("/") != PATH:
            await self._rest(scope, receive, send)
            return
        link = _Link(scope, receive, send, stall_timeout=self._settings.stall_timeout)
        await _answered(link, partial(self._serve, link))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the block is left. Nothing of any client is left then."""
        self._spawn(self._sweep, "socketio sweep")
        try:
            yield
        finally:
            self._is_closing = True
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.farewell):
                    await self._dismiss()
            self._is_over = True
            await self.sio.shutdown()
            while tasks := [task for task in self._tasks if not task.done()]:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for client in self._clients.values():
                client.leave()
            self._clients.clear()
            self._writers.clear()

    # What the library calls.

    async def _message(self, work_off: Callable[[str, object], Awaitable[None]], link: str, data: object) -> None:
        """
        One message of an Engine.IO session, whatever it is. Lets others have their turn once in a while.

        One request may hold thousands, and the library works them off at one go. An end may come in between: what is
        left is not heard then.
        """
        self._messages += 1
        if self._messages % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if link in self.sio.environ:
            await work_off(link, data)

    async def _connect(self, namespace: str, sid: str, environ: dict[str, Any], auth: object) -> None:
        try:
            if self._is_closing:
                raise _stopping()
            secret = _secret(environ, auth)
            grant = self._door.admit(secret)
            # Not partials: those show the key in their repr.
            client = self._client(namespace, sid, grant, lambda: self._door.admit(secret))
        except HubError as error:
            raise _refusal(error) from None
        except Exception as exc:  # noqa: BLE001  the edge: the library would tell the client nothing
            _log.exception("socketio.defect", exc)
            raise _refusal(HubError("the hub failed; its log has the details")) from None
        self._clients[namespace, sid] = client
        self._writers[namespace, sid] = self._spawn(client.write, f"socketio {namespace}")

    def _client(
        self, namespace: str, sid: str, grant: Grant, admit: Callable[[], Grant]
    ) -> NativeClient | Recorder | JobsClient:
        """Raises ProviderUnavailable for jobs where there are none."""
        limits = self._limits
        seat = Seat(self.sio, namespace, sid, wheel=self._wheel, ping_timeout=self._settings.ping_timeout)
        if namespace == native.NAMESPACE:
            dialogue = Dialogue(self._hub, protocol=PROTOCOL, grant=grant, limits=limits)
            return NativeClient(seat, dialogue, start_timeout=self._settings.start_timeout)
        if namespace == recorder.NAMESPACE:
            return Recorder(seat, self._hub, protocol=PROTOCOL, admit=admit, limits=limits, new_id=self._new_id)
        if self._jobs is None:
            raise jobs_unavailable()
        return JobsClient(seat, self._jobs, admit=admit, max_errors=limits.max_errors)

    async def _disconnect(self, namespace: str, sid: str, reason: str) -> None:
        client = self._clients.pop((namespace, sid), None)
        writer = self._writers.pop((namespace, sid), None)
        if client is not None:
            client.leave()
        if writer is not None and writer is not asyncio.current_task():
            writer.cancel()

    async def _event(self, namespace: str, event: str, sid: str, *args: object) -> dict[str, Any]:
        if (client := self._clients.get((namespace, sid))) is None:
            return {"ok": False}
        return await client.take(event, args)

    def _start_library_task(self, target: Callable[..., Awaitable[None]], *args: Any) -> asyncio.Task[None]:
        return self._spawn(partial(target, *args), "socketio library")

    # Requests.

    async def _serve(self, link: _Link) -> None:
        self._settings.pages.check(link.headers.get("origin"), link.headers.get("host"))
        query = query_of(link.query)
        sid = query.get("sid")
        _check_version(query, sid)
        if link.method not in ("GET", "POST", "OPTIONS"):
            raise ProtocolError("Socket.IO polls with GET and POST", code="bad-request")
        if query.get("transport", "polling") not in ("polling", "websocket"):
            raise ProtocolError("`transport` is `polling` or `websocket`", code="bad-value")
        if self._is_over or (self._is_closing and sid is None):
            raise _stopping()
        if sid is not None and link.method != "OPTIONS" and sid not in self.sio.eio.sockets:
            raise ProtocolError(
                "no such connection: it ended, or another node has it; connect again, and give a client that polls one "
                "node for its stay (sticky sessions)",
                code="unknown-connection",
            )
        if link.is_websocket:
            await self.sio.handle_request(link.scope, partial(self._receive, link, sid), link.send)
        elif link.method == "POST" and sid is not None:
            await self._post(link, sid)
        else:
            await self._get(link)

    async def _get(self, link: _Link) -> None:
        """What a client that polls is told. Where it hangs up meanwhile its connection ends: it would not be told."""
        request = partial(self.sio.handle_request, *link.with_body(b""))
        poll = self._spawn(partial(_answered, link, request), "socketio poll")
        gone = self._spawn(link.disconnected, "socketio poll gone")
        self._polls.add(poll)
        poll.add_done_callback(self._polls.discard)
        try:
            await asyncio.wait((poll, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            poll.cancel()
            gone.cancel()
            await asyncio.wait((poll, gone))

    async def _receive(self, link: _Link, sid: str | None) -> Message:
        """The next message of a WebSocket; its end where the library could not go on from what came."""
        socket = self.sio.eio.sockets.get(sid if sid is not None else link.opened)
        if link.is_stalled or (socket is not None and (socket.closed or socket.queue.qsize() > MAX_WAITING)):
            return {"type": "websocket.disconnect", "code": 1006}
        message = await link.receive()
        if message["type"] == "websocket.receive":
            data = message.get("bytes")
            if not _is_packet(message.get("text") if data is None else data):
                return {"type": "websocket.disconnect", "code": 1002}
        return message

    async def _post(self, link: _Link, sid: str) -> None:
        """
        What a client that polls has to say. A body that the library would drop, and answer 200, ends the connection.

        Returns when all of it is taken: the wait for room is the client's wait for the answer.
        """
        if sid in self._posting:
            await self._drop(sid)
            raise ProtocolError("a request came while another of this connection runs; send one at a time")
        self._posting.add(sid)
        try:
            try:
                body = await link.body(self.max_request_bytes)
                socket = self.sio.eio.sockets[sid]
                if socket.queue.qsize() > MAX_WAITING:
                    raise TooLarge("the answers to what was sent are not fetched; poll with GET as well")
                _check_payload(body, MAX_PACKETS if self._has_namespace(sid) else MAX_PACKETS_OUTSIDE)
            except (HubError, KeyError):
                await self._drop(sid)
                raise
            await self.sio.handle_request(*link.with_body(body))
            if socket.closed:
                # The client has said good-bye, and its other request would wait for a message that never comes.
                socket.queue.put_nowait(packet.Packet(packet.NOOP))
        finally:
            self._posting.discard(sid)

    async def _drop(self, sid: str) -> None:
        """End an Engine.IO session; its clients leave theirs."""
        if (socket := self.sio.eio.sockets.get(sid)) is not None:
            with suppress(EngineIOError):
                await socket.close(wait=False, abort=True)
            socket.queue.put_nowait(packet.Packet(packet.CLOSE))

    # Tasks.

    def _spawn(self, work: Work, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(_guarded(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _sweep(self) -> None:
        """End connections that are in no namespace at two looks in a row: the library keeps them while they pong."""
        seen: set[str] = set()
        while True:
            await asyncio.sleep(self._settings.start_timeout)
            lone = {sid for sid in self.sio.environ if not self._has_namespace(sid)}
            for sid in lone & seen:
                await self._drop(sid)
            seen = lone - seen

    def _has_namespace(self, link: str) -> bool:
        manager = self.sio.manager
        return any(manager.sid_from_eio_sid(link, it) is not None for it in _NAMESPACES)

    async def _dismiss(self) -> None:
        """Tell all clients, and let those that poll fetch it: after its end a connection answers them no more."""
        for client in tuple(self._clients.values()):
            await client.dismiss()
        links = [link for link in self.sio.eio.sockets.values() if not link.closed]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.farewell / 2):
                await asyncio.gather(*(link.queue.join() for link in links))
        for link in links:
            with suppress(EngineIOError):
                await link.close(wait=False)
        if self._polls:
            await asyncio.wait(self._polls)


class _Link:
    """One HTTP request, polling or an upgrade, as ASGI has it."""

    def __init__(self, scope: Message, receive: Receive, send: Send, *, stall_timeout: float) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self._stall_timeout = stall_timeout
        self.is_websocket = scope["type"] == "websocket"
        self.method: str = scope.get("method", "GET")
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.query: str = scope["query_string"].decode("latin-1")
        self.opened: str | None = None
        """The id of the connection that began with this request, from the packet that says so."""
        self.is_stalled = False
        self._is_answered = False

    async def send(self, message: Message) -> None:
        """Raises TimeoutError where the client does not read; then it is not waited for again."""
        if self.is_stalled:
            raise TimeoutError
        self._is_answered = True
        text = message.get("text")
        if self.opened is None and self.is_websocket and isinstance(text, str) and text.startswith("0{"):
            self.opened = json.loads(text[1:])["sid"]
        try:
            async with asyncio.timeout(self._stall_timeout):
                await self._send(message)
        except TimeoutError:
            self.is_stalled = True
            raise

    async def body(self, max_bytes: int) -> bytes:
        """Raises TooLarge."""
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                return b""
            body += message.get("body", b"")
            if len(body) > max_bytes:
                raise TooLarge(
                    f"more than {max_bytes} bytes in one request; send 20 to 200 ms per event", code="frame-too-large"
                )
            if not message.get("more_body"):
                return bytes(body)

    async def disconnected(self) -> None:
        """Wait until the client has hung up, or its request is answered."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def with_body(self, body: bytes) -> tuple[Message, Receive, Send]:
        """The request as if its body, which was read, had come in one piece."""
        headers = [it for it in self.scope["headers"] if it[0].lower() not in (b"content-length", b"transfer-encoding")]
        scope = {**self.scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return scope, receive, self.send

    async def deny(self, error: HubError) -> None:
        """Answer with the error's status and its JSON, if nothing was answered yet. RFC 6455, 4.2.2 for an upgrade."""
        if self._is_answered:
            return
        number, headers, body = told(error)
        kind = "http"
        if self.is_websocket:
            if "websocket.http.response" not in self.scope.get("extensions", {}):
                await self.send({"type": "websocket.close"})
                return
            kind = "websocket.http"
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        fields += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        with suppress(TimeoutError):
            await self.send({"type": f"{kind}.response.start", "status": number, "headers": fields})
            await self.send({"type": f"{kind}.response.body", "body": body})


def _check_version(query: dict[str, str], sid: str | None) -> None:
    if sid is None and query.get("EIO") != "4":
        raise ProtocolError(
            "this hub speaks Socket.IO 5 over Engine.IO 4: use a client of version 3 or later (JavaScript) or 5 "
            "(python-socketio)",
            code="unsupported-version",
        )
    if "j" in query:
        raise ProtocolError("JSONP is not served; let the client poll with XHR", code="bad-request")


def _check_payload(body: bytes, most: int) -> None:
    """Raises ProtocolError for too many packets, and for what the library would drop whole or wait over for ever."""
    if body.count(_SEPARATOR) >= most:
        raise ProtocolError(
            f"too many packets in one request: {MAX_PACKETS} are taken, {MAX_PACKETS_OUTSIDE} before the connection is "
            "in a namespace",
            code="bad-frame",
        )
    try:
        # The library would read `d=` as JSONP.
        packets = [] if body.startswith(b"d=") else payload.Payload(encoded_payload=body.decode()).packets
    except _MALFORMED:
        packets = []
    if body and not packets:
        raise ProtocolError("the request is no payload of Engine.IO 4; use a library", code="bad-frame")
    kinds = [it.packet_type for it in packets]
    if not set(kinds) <= _OF_CLIENTS or packet.CLOSE in kinds[:-1]:
        raise ProtocolError("a packet in the request is not one that clients send there", code="bad-frame")
    if sum(is_connect(it.data) for it in packets) > MAX_CONNECTS:
        raise ProtocolError(
            f"more than {MAX_CONNECTS} packets in one request ask for a namespace; connect once to each",
            code="bad-frame",
        )


def _is_packet(data: object) -> bool:
    try:
        packet.Packet(encoded_packet=data)
    except _MALFORMED:
        return False
    return True


def _secret(environ: dict[str, Any], auth: object) -> str | None:
    """The key of a client: `{token: KEY}` of its `auth`, or as HTTP carries it. Raises ProtocolError."""
    if isinstance(auth, dict) and auth.get("token") is not None:
        token = auth["token"]
        if not isinstance(token, str):
            raise ProtocolError("`auth.token` is a text", code="wrong-type")
        return token
    headers = {"authorization": environ.get("HTTP_AUTHORIZATION", ""), "x-api-key": environ.get("HTTP_X_API_KEY", "")}
    return secret_of(headers, query_of(environ.get("QUERY_STRING", "")))


def _stopping() -> Overloaded:
    return Overloaded("the hub restarts; connect again", code="shutting-down", retry_after=1.0)


def _refusal(error: HubError) -> Refused:
    return Refused(
        str(error),
        {"code": error.code, "message": str(error), "retryable": error.retryable, "retry_after": error.retry_after},
    )


async def _answered(link: _Link, work: Work) -> None:
    """Serve one request; where that fails, say why."""
    try:
        await work()
    except HubError as error:
        await link.deny(error)
    except TimeoutError:
        # The client reads nothing, and the library's task for it ends here.
        _log.info("socketio.stalled")
    except Exception as exc:  # noqa: BLE001  the edge: a request that breaks the library ends, and no other
        _log.info("socketio.request", error=type(exc).__name__)
        await link.deny(ProtocolError("this request makes no sense now; connect again", code="bad-request"))


async def _guarded(work: Work) -> None:
    """Whoever made a task may not wait for it any more: a failure is told here."""
    try:
        await work()
    except Exception as exc:  # noqa: BLE001  the edge: the task of one client
        _log.exception("socketio.defect", exc)


_NAMESPACES = (recorder.NAMESPACE, native.NAMESPACE, watching.NAMESPACE)

_YIELD_EVERY = 32
"""Messages"""

_SEPARATOR = b"\x1e"
"""Between the packets of one request. Engine.IO protocol, revision 4."""

_OF_CLIENTS = {packet.CLOSE, packet.PONG, packet.MESSAGE, packet.UPGRADE}

_MALFORMED = (ValueError, TypeError, LookupError, OverflowError, RecursionError)

_log = logs.get(__name__)

# The libraries log what was said at INFO, and at ERROR what a client did wrong; both are told to the client here.
_link_log = logging.getLogger(f"{__name__}.link")
_link_log.setLevel(logging.CRITICAL)
