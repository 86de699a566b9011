"""The native protocol over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from asr_hub_client.errors import HubClientError, LinkBroken, MissingExtra, Refused, Unreachable, refused
from asr_hub_client.links import proto
from asr_hub_client.links.link import Address
from asr_hub_client.messages import AnyServerMessage, Attach, Command, Error, Ready, Start, Unknown

METHOD = "/asr_hub.v1.AsrHubService/Stream"

_OPTIONS = (
    ("grpc.max_receive_message_length", 16 * 2**20),
    # A session waits between its tries by itself.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 60_000),
)

_CODES = {
    "UNAUTHENTICATED": ("unauthorized", False),
    "PERMISSION_DENIED": ("forbidden", False),
    "RESOURCE_EXHAUSTED": ("rate-limited", True),
    "INVALID_ARGUMENT": ("protocol", False),
    "NOT_FOUND": ("not-found", False),
    "FAILED_PRECONDITION": ("conflict", False),
    "UNIMPLEMENTED": ("protocol", False),
}
"""What a status says where the hub's own error did not come before it: its code, and whether to come back."""


class GrpcLink:
    """One call of `Stream`."""

    def __init__(self, library: Any, call: Any, pb: Any) -> None:
        self._library = library
        self._call = call
        self._pb = pb
        self._last: Error | None = None
        self.ready: Ready

    async def say(self, first: Start | Attach) -> None:
        """The first message; waits for its answer. Raises Refused, LinkBroken."""
        with contextlib.suppress(self._library.aio.AioRpcError, asyncio.InvalidStateError):
            # Where the call is over already, reading says why.
            await self._call.write(proto.request(self._pb, first))
        match await self.receive():
            case Ready() as ready:
                self.ready = ready
            case Error() as error:
                raise _refused(error)
            case other:
                raise HubClientError(f"the hub answered `{type(other).__name__}`, not `ready`")

    async def send_audio(self, offset: int, data: bytes) -> int | None:
        await self._write(self._pb.StreamRequest(audio=data))
        return None

    async def send(self, command: Command) -> None:
        await self._write(proto.request(self._pb, command))

    async def receive(self) -> AnyServerMessage | Unknown:
        try:
            response = await self._call.read()
        except self._library.aio.AioRpcError as exc:
            raise self._why(exc) from None
        except asyncio.CancelledError:
            # A call that was cancelled from elsewhere says so in the same way as a task that is.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise LinkBroken("the call was cancelled") from None
        if response is self._library.aio.EOF:
            raise LinkBroken("the call ended")
        try:
            message = proto.server_message(response.message)
        except ValueError as exc:
            raise LinkBroken(f"what came is no message of the protocol: {exc}") from exc
        self._last = message if isinstance(message, Error) else None
        return message

    async def aclose(self) -> None:
        self._call.cancel()

    async def _write(self, request: Any) -> None:
        try:
            await self._call.write(request)
        except (self._library.aio.AioRpcError, asyncio.InvalidStateError):
            # Why the call is over is among what is still to be received; the reader ends this wait.
            await asyncio.Event().wait()

    def _why(self, error: Any) -> Refused | LinkBroken:
        if self._last is not None and self._last.scope == "connection":
            return _refused(self._last)
        text = error.details() or error.code().name
        code, is_retryable = _CODES.get(error.code().name, (None, True))
        return LinkBroken(text) if code is None else refused(code, text, is_retryable=is_retryable)


class GrpcTransport:
    """Makes a call for each connection; all share a channel."""

    def __init__(self, address: Address) -> None:
        """Raises MissingExtra, ValueError."""
        if address.grpc is None:
            raise ValueError("gRPC has a port of its own: give its address, such as grpc='127.0.0.1:8766'")
        try:
            self._library: Any = import_module("grpc")
            self._pb: Any = import_module("asr_hub_client.asr_hub_pb2")
        except ImportError:
            raise MissingExtra("gRPC", "grpc") from None
        self._address = address
        self._channel: Any = None

    async def open(self, first: Start | Attach) -> GrpcLink:
        address = self._address
        if self._channel is None:
            self._channel = await self._made()
        call = self._channel.stream_stream(
            METHOD,
            request_serializer=self._pb.StreamRequest.SerializeToString,
            response_deserializer=self._pb.StreamResponse.FromString,
        )(metadata=tuple((name.lower(), value) for name, value in address.headers.items()))
        link = GrpcLink(self._library, call, self._pb)
        try:
            async with asyncio.timeout(address.connect_timeout):
                await link.say(first)
        except (LinkBroken, TimeoutError) as exc:
            call.cancel()
            raise Unreachable(f"no hub answers at {address.grpc}: {exc or type(exc).__name__}") from exc
        except BaseException:
            call.cancel()
            raise
        return link

    async def aclose(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def _made(self) -> Any:
        aio = self._library.aio
        if urlsplit(self._address.url).scheme != "https":
            return aio.insecure_channel(self._address.grpc, options=_OPTIONS)
        ca = self._address.ca
        roots = None if ca is None else await asyncio.to_thread(ca.read_bytes)
        credentials = self._library.ssl_channel_credentials(roots)
        return aio.secure_channel(self._address.grpc, credentials, options=_OPTIONS)


def _refused(error: Error) -> Refused:
    return refused(error.code, error.message, is_retryable=error.retryable, retry_after=error.retry_after)
