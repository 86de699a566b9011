"""The native protocol over Socket.IO."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import msgspec

from asr_hub_client.errors import HubClientError, LinkBroken, MissingExtra, Refused, Unreachable, refused
from asr_hub_client.links.link import Address
from asr_hub_client.messages import (
    AnyServerMessage,
    Attach,
    Command,
    Error,
    Ready,
    Start,
    Unknown,
    from_object,
    to_object,
)
from asr_hub_client.tasks import Bell

NAMESPACE = "/v1/stream"

MAX_WAITING = 10_000
"""Messages that came and were not taken; the session takes them as fast as it can."""


class SocketIoLink:
    """One connection to the native namespace."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._waiting: deque[object] = deque()
        self._bell = Bell()
        self._last: Error | None = None
        self.refusal: object = None
        """What the hub said when it did not let the connection in."""
        self.is_gone = False
        self.ready: Ready
        # The library runs each event as a task, in order: a handler that does not wait keeps that order.
        socket.on("message", self._came, namespace=NAMESPACE)
        socket.on("connect_error", self._was_refused, namespace=NAMESPACE)
        socket.on("disconnect", self._left, namespace=NAMESPACE)

    async def say(self, first: Start | Attach) -> None:
        """The first message; waits for its answer. Raises Refused, LinkBroken, and what the library raises."""
        await self._socket.emit("message", to_object(first), namespace=NAMESPACE)
        match await self.receive():
            case Ready() as ready:
                self.ready = ready
            case Error() as error:
                raise _refused(error)
            case other:
                raise HubClientError(f"the hub answered `{type(other).__name__}`, not `ready`")

    async def send_audio(self, offset: int, data: bytes) -> int | None:
        await self._emit("audio", data)
        return None

    async def send(self, command: Command) -> None:
        await self._emit("message", to_object(command))

    async def receive(self) -> AnyServerMessage | Unknown:
        await self._bell.until(lambda: bool(self._waiting) or self.is_gone)
        if not self._waiting:
            is_told = self._last is not None and self._last.scope == "connection"
            raise _refused(self._last) if self._last is not None and is_told else LinkBroken("the hub hung up")
        try:
            message = from_object(self._waiting.popleft())
        except ValueError as exc:
            raise LinkBroken(f"what came is no message of the protocol: {exc}") from exc
        self._last = message if isinstance(message, Error) else None
        return message

    async def aclose(self) -> None:
        await self._socket.disconnect()

    async def _emit(self, event: str, data: object) -> None:
        exceptions = import_module("socketio.exceptions")
        try:
            await self._socket.emit(event, data, namespace=NAMESPACE)
        except exceptions.SocketIOError:
            # Why it is not connected any more is among what is still to be received; the reader ends this wait.
            await asyncio.Event().wait()

    def _came(self, message: object = None) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.is_gone = True
        if not self.is_gone:
            self._waiting.append(message)
        self._bell.ring()

    def _was_refused(self, data: object = None) -> None:
        self.refusal = data

    def _left(self, reason: object = None) -> None:
        self.is_gone = True
        self._bell.ring()


class SocketIoTransport:
    """Opens a Socket.IO connection for each connection, over WebSocket."""

    def __init__(self, address: Address) -> None:
        """Raises MissingExtra."""
        try:
            self._library: Any = import_module("socketio")
            self._aiohttp: Any = import_module("aiohttp")
        except ImportError:
            raise MissingExtra("Socket.IO", "socketio") from None
        self._address = address

    async def open(self, first: Start | Attach) -> SocketIoLink:
        address = self._address
        parts = urlsplit(address.url)
        options: dict[str, Any] = {} if address.ca is None else {"ssl": ssl.create_default_context(cafile=address.ca)}
        async with contextlib.AsyncExitStack() as stack:
            socket = self._library.AsyncClient(reconnection=False, handle_sigint=False, websocket_extra_options=options)
            stack.push_async_callback(socket.disconnect)
            link = SocketIoLink(socket)
            try:
                async with asyncio.timeout(address.connect_timeout):
                    await socket.connect(
                        f"{parts.scheme}://{parts.netloc}",
                        auth=None if address.key is None else {"token": address.key},
                        namespaces=[NAMESPACE],
                        transports=["websocket"],
                        socketio_path=f"{parts.path}/socket.io",
                        wait_timeout=address.connect_timeout,
                    )
                    await link.say(first)
            except self._library.exceptions.SocketIOError as exc:
                raise _why(link.refusal) or self._unreachable(exc) from exc
            except (LinkBroken, self._aiohttp.ClientError, OSError, TimeoutError) as exc:
                raise self._unreachable(exc) from exc
            stack.pop_all()
        return link

    async def aclose(self) -> None:
        pass

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"no hub answers at {self._address.url}: {error or type(error).__name__}")


class _Reason(msgspec.Struct, frozen=True):
    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None


def _why(refusal: object) -> Refused | None:
    """The hub's own reason not to let a connection in, if it gave one."""
    if isinstance(refusal, dict) and isinstance(refusal.get("data"), dict):
        refusal = refusal["data"]
    try:
        reason = msgspec.convert(refusal, _Reason)
    except msgspec.ValidationError:
        return None
    return refused(reason.code, reason.message, is_retryable=reason.retryable, retry_after=reason.retry_after)


def _refused(error: Error) -> Refused:
    return refused(error.code, error.message, is_retryable=error.retryable, retry_after=error.retry_after)
