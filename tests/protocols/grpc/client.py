"""A gRPC client of the generated code, and the server it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2
from tests.protocols.echo_hub import EchoHub

from asr_hub.access.door import OpenDoor
from asr_hub.protocols.grpc.server import GrpcSettings, grpc_server
from asr_hub.protocols.port import DoorPort, HubPort
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.v1 import asr_hub_pb2_grpc as stubs
from asr_hub.wire.conversation import Limits

PATIENCE = 60
"""Seconds that anything may take on a busy machine."""


class Ended(NamedTuple):
    """How a call ended."""

    code: grpc.StatusCode
    details: str
    reason: str
    """Of ErrorInfo: the hub's code."""
    retry_after: float | None
    """Seconds, of RetryInfo."""


def client(port: int | None, **options: Any) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", **options)


class Stub(stubs.AsrHubServiceStub):
    """The generated client, and where it is connected to."""

    def __init__(self, channel: grpc.aio.Channel, port: int | None) -> None:
        super().__init__(channel)
        self.port = port


@asynccontextmanager
async def connected(port: int | None) -> AsyncIterator[Stub]:
    async with client(port) as channel:
        yield Stub(channel, port)


@asynccontextmanager
async def echoing(
    hub: HubPort | None = None,
    *,
    door: DoorPort | None = None,
    limits: Limits | None = None,
    settings: GrpcSettings | None = None,
) -> AsyncIterator[Stub]:
    """A server in front of a hub in memory, and its client."""
    async with (
        grpc_server(
            hub or EchoHub(),
            door or OpenDoor(),
            Facts(),
            host="127.0.0.1",
            port=0,
            limits=limits,
            settings=settings,
        ) as server,
        connected(server.port) as stub,
    ):
        yield stub


class Facts:
    """Knows how the hub is, and no more."""

    def health(self) -> Any:
        return _Health()


class _Health:
    status = "ok"
    default_provider = "echo"
    providers = {"echo": "ready"}  # noqa: RUF012


class Call:
    """One call of `Stream`. Every message read is checked: `seq` goes up by one, plus what was skipped."""

    def __init__(self, stub: Stub, **options: Any) -> None:
        self.call = stub.Stream(**options)
        self.seq: int | None = None
        self.session = ""
        self.messages: list[pb.ServerMessage] = []

    async def start(self, **start: Any) -> pb.Ready:
        await self.say(start=pb.Start(**start))
        return (await self.until("ready")).ready

    async def attach(self, session: str, **attach: Any) -> pb.Ready:
        await self.say(attach=pb.Attach(session=session, **attach))
        return (await self.until("ready")).ready

    async def say(self, **request: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.call.write(pb.StreamRequest(**request))

    async def speak(self, pcm: bytes, block: int = 3200) -> None:
        for at in range(0, len(pcm), block):
            await self.say(audio=pcm[at : at + block])

    async def close(self) -> None:
        await self.say(close=pb.Close())

    async def read(self) -> pb.ServerMessage | None:
        """The next message; nothing at the end. Raises AioRpcError."""
        async with asyncio.timeout(PATIENCE):
            response = await self.call.read()
        if response is grpc.aio.EOF:
            return None
        message: pb.ServerMessage = response.message
        self._count(message)
        self.messages.append(message)
        return message

    async def until(self, kind: str) -> pb.ServerMessage:
        """The next message of a kind."""
        while (message := await self.read()) is not None:
            if message.WhichOneof("message") == kind:
                return message
        raise AssertionError(f"the call ended without {kind}; last: {self.messages[-1:]}")

    async def rest(self) -> list[pb.ServerMessage]:
        """Everything to the end, which is a good one."""
        while await self.read() is not None:
            pass
        assert await self.call.code() is grpc.StatusCode.OK
        return self.messages

    async def ended(self) -> Ended:
        """How the call ends, after everything that still comes."""
        try:
            while await self.read() is not None:
                pass
        except grpc.aio.AioRpcError as error:
            return ended(error)
        return Ended(await self.call.code(), "", "", None)

    def of(self, kind: str) -> list[Any]:
        return [getattr(m, kind) for m in self.messages if m.WhichOneof("message") == kind]

    @property
    def texts(self) -> list[str]:
        return [final.hypothesis.text for final in self.of("final")]

    def _count(self, message: pb.ServerMessage) -> None:
        kind = message.WhichOneof("message")
        is_aside = kind == "error" and message.error.scope == pb.ERROR_SCOPE_CONNECTION
        if kind == "ready":
            self.seq, self.session = message.seq, message.ready.session
        elif is_aside:
            assert message.seq == (self.seq or 0), message
        else:
            assert message.seq == (self.seq or 0) + 1 + message.skipped, (message, self.seq)
            self.seq = message.seq


def ended(error: grpc.aio.AioRpcError) -> Ended:
    """What a client can tell from a failed call."""
    reason, retry_after = "", None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = status_pb2.Status.FromString(value)
        assert (status.code, status.message) == (error.code().value[0], error.details())
        for detail in status.details:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                assert info.domain == "asr-hub"
                reason = info.reason
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.ToMilliseconds() / 1000
    return Ended(error.code(), error.details() or "", reason, retry_after)


async def failed(call: Any) -> Ended:
    """How a unary call, or a stream that says nothing, fails."""
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await call if hasattr(call, "__await__") else await call.read()
    except grpc.aio.AioRpcError as error:
        return ended(error)
    raise AssertionError(f"the call did not fail: {answer}")
