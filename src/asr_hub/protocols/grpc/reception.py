"""
Where every call comes in: it is let in and counted before its request is read.

gRPC's own way is to read a unary request whole, and then to call who answers it. Here every call comes as a stream of
requests, which is the same on the wire, and its one request is read when somebody may send it, and for so long only.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import grpc
import msgspec
from google.protobuf.message import DecodeError

from asr_hub.access.grant import Grant
from asr_hub.errors import HubError, Overloaded, ProtocolError
from asr_hub.protocols.admission import secret_of
from asr_hub.protocols.grpc.failure import abort
from asr_hub.protocols.port import DoorPort

CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/"
WHOLE = "/asr_hub.v1.AsrHubService/Recognize"


class ReceptionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls are taken in at the same time, over all connections. Times are in seconds."""

    max_whole: int = 16
    """`Recognize` and its like, each with up to 16 MiB from its first byte to its answer; one more is refused."""
    max_receiving: int = 8
    """Other calls with a key whose request has begun to come; one more waits."""
    max_checks: int = 64
    """Of health; one more is refused. This and what follows needs no key."""
    max_health_watches: int = 64
    """Apart from checks, so that who watches does not keep a probe from its answer."""
    max_reflections: int = 4
    max_keyless_receiving: int = 4
    """Checks whose request has begun to come, and as many watches; one more waits."""
    receive_timeout: float = 60.0
    """From being let in to the whole request."""
    keyless_timeout: float = 10.0
    """The same without a key; for reflection, to each request."""


class Reception(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """
    Lets calls in, or ends them with the status of the error that they or their answer met.

    `whole` are the calls whose one message has all their audio; `secret` finds the key in the metadata of a call.
    """

    def __init__(
        self,
        door: DoorPort,
        settings: ReceptionSettings,
        *,
        whole: Sequence[str] = (WHOLE,),
        secret: Callable[[Mapping[str, str]], str | None] = lambda metadata: secret_of(metadata, {}),
    ) -> None:
        self._door = door
        self._secret = secret
        receive, keyless = settings.receive_timeout, settings.keyless_timeout
        self._usual = _Entry(True, None, asyncio.Semaphore(settings.max_receiving), receive)
        self._others = {
            **dict.fromkeys(whole, _Entry(True, _Bound(settings.max_whole), None, receive)),
            CHECK: self._keyless(settings.max_checks, settings),
            HEALTH_WATCH: self._keyless(settings.max_health_watches, settings),
            REFLECTION: _Entry(False, _Bound(settings.max_reflections), None, keyless),
        }

    @staticmethod
    def _keyless(most: int, settings: ReceptionSettings) -> _Entry:
        room = asyncio.Semaphore(settings.max_keyless_receiving)
        return _Entry(False, _Bound(most), room, settings.keyless_timeout)

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """What gRPC is to call, before it reads anything; nothing where there is no such method."""
        called = await continuation(details)
        if called is None:
            return None
        entry = next((one for at, one in self._others.items() if details.method.startswith(at)), self._usual)

        async def answer(requests: object, context: Any) -> Any:
            try:
                return await self._let_in(entry, called, requests, context)
            except HubError as error:
                await abort(context, error)
            except grpc.aio.AbortError:
                raise
            except Exception:  # noqa: BLE001  the edge: a defect ends one call, and is told
                _log.exception("grpc.defect")
                await abort(context, HubError("the hub failed; its log has the details"))

        make = (
            grpc.stream_stream_rpc_method_handler if called.response_streaming else grpc.stream_unary_rpc_method_handler
        )
        return make(answer, called.request_deserializer, called.response_serializer)

    async def _let_in(self, entry: _Entry, called: Any, requests: object, context: Any) -> Any:
        """The answer; nothing where it was written as it came. Raises HubError."""
        if entry.asks_for_key:
            metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
            _grant.set(self._door.admit(self._secret(metadata)))
        with entry.bound.one() if entry.bound is not None else contextlib.nullcontext():
            if called.request_streaming:
                request = requests if entry.asks_for_key else _each(context, entry.seconds)
            else:
                request = await _whole(context, entry)
            ask = called.stream_stream or called.unary_stream or called.stream_unary or called.unary_unary
            if not inspect.isasyncgenfunction(ask):
                return await ask(request, context)
            async for message in ask(request, context):
                await context.write(message)
            return None


def admitted() -> Grant:
    """Who makes the call that this task answers."""
    return _grant.get()


class _Bound:
    """So many at the same time."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Raises Overloaded."""
        if not self._left:
            raise Overloaded("the hub has as many of these calls as it takes; come back later")
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


class _Entry(NamedTuple):
    """How a kind of call comes in."""

    asks_for_key: bool
    bound: _Bound | None
    """Of the calls that run."""
    room: asyncio.Semaphore | None
    """Of those whose request comes; without it the first bound is enough."""
    seconds: float
    """To the whole request."""


async def _whole(context: Any, entry: _Entry) -> Any:
    """The one request of a call. Raises Overloaded, ProtocolError."""
    async with _turn(entry.room, entry.seconds) if entry.room is not None else contextlib.nullcontext():
        request = await _next(context, entry.seconds)
    if request is grpc.aio.EOF:
        raise ProtocolError("the call ended before its request; send one", code="not-started")
    return request


async def _each(context: Any, seconds: float) -> AsyncIterator[Any]:
    """The requests of a call, as they come. Raises ProtocolError."""
    while (request := await _next(context, seconds)) is not grpc.aio.EOF:
        yield request


async def _next(context: Any, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await context.read()
    except TimeoutError:
        raise ProtocolError(
            f"no whole request came in {seconds:g} s; make the call when it is there", code="start-timeout"
        ) from None
    except DecodeError:
        raise ProtocolError("the request is no protobuf message; send the one of the call", code="bad-value") from None


@contextlib.asynccontextmanager
async def _turn(room: asyncio.Semaphore, seconds: float) -> AsyncIterator[None]:
    """Raises Overloaded where there is no room for so long."""
    try:
        async with asyncio.timeout(seconds):
            await room.acquire()
    except TimeoutError:
        raise Overloaded("too many requests are on their way to the hub; come back later") from None
    try:
        yield
    finally:
        room.release()


_grant: ContextVar[Grant] = ContextVar("grant")

_log = logging.getLogger(__name__)
