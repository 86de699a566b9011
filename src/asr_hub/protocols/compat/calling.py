"""The shell of dialects over gRPC: a port with their services, and one call between a client and its session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import msgspec

from asr_hub.access.certificate import Pair
from asr_hub.errors import ProtocolError, SlowClient
from asr_hub.protocols.admission import secret_of
from asr_hub.protocols.compat.conversing import Conversing, ConversingSettings
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.grpc.listening import bind, options
from asr_hub.protocols.grpc.reception import Reception, ReceptionSettings, admitted
from asr_hub.wire.dialects.codec import Binary, Text
from asr_hub.wire.dialects.recognizing import HALF_CLOSED, Recognizing, Vocabulary

Call = Callable[[Any, Any], Awaitable[Any]]
"""Answers one call: its request or requests, and its context."""

Services = Mapping[str, Mapping[str, Any]]
"""The methods of each service: what `streaming`, `whole`, `asking` and `refusing` return."""


class CallingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one port. Times are in seconds."""

    reception: ReceptionSettings = ReceptionSettings()
    start_timeout: float = 20.0
    """From the call to its first message."""
    stall_timeout: float = 30.0
    """How long a client may leave a message unread."""
    max_calls: int = 4096
    """At the same time, over all connections; one more is refused with RESOURCE_EXHAUSTED."""
    max_streams: int = 1000
    """Calls at the same time on one connection; one more waits in the client."""
    max_whole_bytes: int = 16 * 2**20
    """Of one message."""
    ping_interval: float = 20.0
    """A connection that said nothing for so long is asked whether it is there."""
    ping_timeout: float = 20.0
    """A connection that does not answer for so long is gone."""
    stop_timeout: float = 2.0
    """How long calls may take to end once they were told that the hub stops."""


@asynccontextmanager
async def calls_port(
    services: Services,
    compat: Compat,
    *,
    host: str,
    port: int,
    tls: Pair | None,
    name: str,
    settings: CallingSettings = CallingSettings(),
) -> AsyncIterator[int]:
    """The services on a port, until the block is left. Raises ConfigError when it is taken."""
    server = grpc.aio.server(
        interceptors=(
            Reception(
                compat.door,
                settings.reception,
                whole=[f"/{service}/Recognize" for service in services],
                secret=secret,
            ),
        ),
        options=options(
            largest=max(compat.limits.max_audio_bytes, settings.max_whole_bytes) + compat.limits.max_text_bytes,
            streams=settings.max_streams,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
        ),
        maximum_concurrent_rpcs=settings.max_calls,
    )
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(service, dict(methods)) for service, methods in services.items())
    )
    credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)]) if tls is not None else None
    bound = bind(server, host, port, credentials, key=f"`dialects.{name}.port`")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(settings.stop_timeout)


class Calls:
    """The methods of one service, which end with the HubError that they raise; `Reception` tells it."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        compat: Compat,
        stopping: asyncio.Event,
        *,
        protocol: str,
        settings: CallingSettings = CallingSettings(),
    ) -> None:
        self._vocabulary = vocabulary
        self._compat = compat
        self._stopping = stopping
        self._protocol = protocol
        self._settings = settings

    def streaming(self) -> Any:
        """The method that hears audio as it comes."""

        async def call(requests: object, context: Any) -> None:
            seconds = self._settings.start_timeout
            try:
                async with asyncio.timeout(seconds):
                    first = await context.read()
            except TimeoutError:
                raise ProtocolError(
                    f"no config came in {seconds:g} s; make the call when it is needed", code="start-timeout"
                ) from None
            except grpc.aio.InternalError:
                raise ProtocolError("the client was gone before its config came", code="not-started") from None
            await self._run(_Link(context, HALF_CLOSED if first is grpc.aio.EOF else first), is_whole=False)

        return grpc.stream_stream_rpc_method_handler(call)

    def whole(self) -> Any:
        """The method whose one message has all the audio."""

        async def call(request: bytes, context: Any) -> bytes:
            link = _Whole(request)
            await self._run(link, is_whole=True)
            return link.answer

        return grpc.unary_unary_rpc_method_handler(call)

    async def _run(self, link: _Link | _Whole, *, is_whole: bool) -> None:
        codec = Recognizing(self._vocabulary, self._compat.models.provider, is_whole=is_whole)
        seconds = self._settings.stall_timeout
        await Conversing(
            codec,
            link,
            self._compat,
            protocol=self._protocol,
            grant=admitted(),
            admit=admitted,
            settings=ConversingSettings(stall=seconds),
        ).run(self._stopping)
        if codec.failure is not None:
            raise codec.failure
        if not link.over.is_set():
            raise SlowClient(f"nothing was read for {seconds:g} s; call again")


def asking(ask: Callable[[bytes], bytes]) -> Any:
    """A method that is answered at once."""

    async def call(request: bytes, context: Any) -> bytes:
        return ask(request)

    return grpc.unary_unary_rpc_method_handler(call)


def refusing(text: str) -> Any:
    """A method that is known and not there."""

    async def call(request: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

    return grpc.unary_unary_rpc_method_handler(call)


def secret(metadata: Mapping[str, str]) -> str | None:
    """The key of a call: `x-goog-api-key`, or what every call of the hub may bring."""
    return metadata.get("x-goog-api-key") or secret_of(metadata, {})


class _Link:
    """`Link` over a streaming call, whose first message was read already."""

    def __init__(self, context: Any, first: bytes | str) -> None:
        self._context = context
        self._first: bytes | str | None = first
        self._is_half_closed = first == HALF_CLOSED
        self.over = asyncio.Event()
        """The call is to end."""
        self._reading: asyncio.Future[Any] | None = None

    async def receive(self) -> str | bytes | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._is_half_closed:
            # Nothing more comes from this client.
            await self.over.wait()
            return None
        self._reading = asyncio.ensure_future(self._context.read())
        try:
            frame = await self._reading
        except grpc.aio.InternalError as exc:
            raise ConnectionResetError("the client is gone") from exc
        except asyncio.CancelledError:
            if self.over.is_set() and not _is_cancelled():
                return None
            raise
        if isinstance(frame, bytes):
            return frame
        self._is_half_closed = True
        return HALF_CLOSED

    async def send(self, reply: Text | Binary) -> None:
        try:
            await self._context.write(reply.data)
        except grpc.aio.InternalError as exc:
            raise ConnectionResetError("the client is gone") from exc

    async def hang_up(self, code: int, reason: str) -> None:
        # The call ends with its status when its method returns.
        self.over.set()
        if self._reading is not None:
            self._reading.cancel()


class _Whole:
    """`Link` over a call with one message, whose answer is kept until it ends."""

    def __init__(self, request: bytes) -> None:
        self._request: bytes | None = request
        self.answer = b""
        self.over = asyncio.Event()

    async def receive(self) -> str | bytes | None:
        request, self._request = self._request, None
        if request is None:
            await self.over.wait()
        return request

    async def send(self, reply: Text | Binary) -> None:
        if isinstance(reply, Binary):
            self.answer = reply.data

    async def hang_up(self, code: int, reason: str) -> None:
        self.over.set()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
