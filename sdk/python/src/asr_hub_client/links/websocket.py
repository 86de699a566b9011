"""The native protocol over WebSocket."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from asr_hub_client.errors import HubClientError, LinkBroken, Refused, Unreachable, refused, refused_over_http
from asr_hub_client.links.link import Address
from asr_hub_client.messages import (
    AnyServerMessage,
    Attach,
    Command,
    Error,
    Ready,
    Start,
    Unknown,
    decode,
    encode,
)

MAX_MESSAGE_BYTES = 16 * 2**20
"""A transcript of five minutes with every word is far below."""

PING_INTERVAL = 20.0
"""Seconds"""

PING_TIMEOUT = 60.0
"""Seconds. A ping stands in the queue behind the audio that was sent before it."""


class WebSocketLink:
    """One WebSocket."""

    def __init__(self, socket: ClientConnection, ready: Ready) -> None:
        self.ready = ready
        self._socket = socket
        self._last: Error | None = None

    async def send_audio(self, offset: int, data: bytes) -> int | None:
        await self._send(data)
        return None

    async def send(self, command: Command) -> None:
        await self._send(encode(command))

    async def receive(self) -> AnyServerMessage | Unknown:
        try:
            message = _read(await self._socket.recv())
        except ConnectionClosed as exc:
            raise _why(exc, self._last) from None
        self._last = message if isinstance(message, Error) else None
        return message

    async def aclose(self) -> None:
        await self._socket.close()

    async def _send(self, data: str | bytes) -> None:
        try:
            await self._socket.send(data)
        except ConnectionClosed:
            # Why it was closed is among what is still to be received; the reader ends this wait.
            await asyncio.Event().wait()


class WebSocketTransport:
    """Opens a WebSocket for each connection."""

    def __init__(self, address: Address) -> None:
        self._address = address
        parts = urlsplit(address.url)
        self._is_tls = parts.scheme == "https"
        self._url = f"{'wss' if self._is_tls else 'ws'}://{parts.netloc}{parts.path}/v1/stream"

    async def open(self, first: Start | Attach) -> WebSocketLink:
        try:
            socket = await connect(
                self._url,
                additional_headers=self._address.headers,
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=self._address.connect_timeout,
                close_timeout=1,
                ping_interval=PING_INTERVAL,
                ping_timeout=PING_TIMEOUT,
                ssl=self._ssl(),
            )
        except InvalidStatus as exc:
            response = exc.response
            raise refused_over_http(response.status_code, bytes(response.body or b""), response.headers) from None
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as exc:
            raise Unreachable(f"no hub answers at {self._url}: {exc or type(exc).__name__}") from exc
        try:
            return WebSocketLink(socket, await self._ready(socket, first))
        except LinkBroken as exc:
            await socket.close()
            raise Unreachable(f"no hub answers at {self._url}: {exc}") from exc
        except BaseException:
            await socket.close()
            raise

    async def aclose(self) -> None:
        pass

    def _ssl(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self._address.ca) if self._is_tls else None

    async def _ready(self, socket: ClientConnection, first: Start | Attach) -> Ready:
        try:
            async with asyncio.timeout(self._address.connect_timeout):
                await socket.send(encode(first))
                message = _read(await socket.recv())
        except ConnectionClosed as exc:
            raise Unreachable(f"the hub hung up: {exc}") from exc
        except TimeoutError:
            raise Unreachable(f"the hub at {self._url} does not answer") from None
        match message:
            case Ready():
                return message
            case Error():
                raise _refused(message)
            case _:
                raise HubClientError(f"the hub answered `{type(message).__name__}`, not `ready`")


def _read(data: str | bytes) -> AnyServerMessage | Unknown:
    try:
        return decode(data)
    except ValueError as exc:
        raise LinkBroken(f"what came is no message of the protocol: {exc}") from exc


def _why(closed: ConnectionClosed, last: Error | None) -> Refused | LinkBroken:
    """Why a connection is over: because of the error that was its last message, or for no reason it told."""
    # What ends a connection is the last thing said on it, and a close frame follows.
    is_told = last is not None and last.scope == "connection" and closed.rcvd is not None
    return _refused(last) if last is not None and is_told else LinkBroken(str(closed))


def _refused(error: Error) -> Refused:
    return refused(error.code, error.message, is_retryable=error.retryable, retry_after=error.retry_after)
