"""What a call may cost before it is let in, and while its request comes: no more than its bounds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.protocols.echo_hub import EchoHub
from tests.protocols.grpc.client import PATIENCE, Call, client, echoing, failed

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import Unauthorized
from asr_hub.protocols.grpc.reception import ReceptionSettings
from asr_hub.protocols.grpc.server import MAX_WHOLE_BYTES, GrpcSettings
from asr_hub.v1 import asr_hub_pb2 as pb

pytestmark = pytest.mark.e2e

KEY = (("x-api-key", "all"),)
UNARY = ["Watch", "Recognize", "ListProviders", "ListSessions", "GetSession", "CloseSession", "GetHotwords"]


class Door:
    """Knows one key, and one token that is for one session; counts whom it let in."""

    def __init__(self) -> None:
        self.admitted = 0
        self.changed = asyncio.Event()

    def admit(self, secret: str | None) -> Grant:
        if secret not in ("all", "one"):
            raise Unauthorized("no key, or a wrong one")
        self.admitted += 1
        self.changed.set()
        return ANYBODY if secret == "all" else Grant(name="one", session="x")

    async def until(self, admitted: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.admitted < admitted:
                await self.changed.wait()
                self.changed.clear()


def unsent(channel: grpc.aio.Channel, method: str, metadata: Any = None) -> Any:
    """A call that has begun, and whose request does not come until it is written."""
    return channel.stream_unary(method)(metadata=metadata)


def of_hub(method: str) -> str:
    return f"/asr_hub.v1.AsrHubService/{method}"


def bounded(**bounds: Any) -> GrpcSettings:
    return GrpcSettings(reception=ReceptionSettings(**bounds))


@pytest.mark.parametrize("method", [*UNARY, "SetHotwords", "Stream"])
async def test_who_has_no_key_is_sent_away_before_the_request_is_read(method: str) -> None:
    async with echoing(door=Door()) as stub, client(stub.port) as channel:
        end = await failed(unsent(channel, of_hub(method)))
        assert (end.code, end.reason) == (grpc.StatusCode.UNAUTHENTICATED, "unauthorized")


async def test_a_call_is_one_request_of_its_key() -> None:
    door = Door()
    async with echoing(door=door) as stub:
        await stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=KEY)
        assert door.admitted == 1
        call = Call(stub, metadata=KEY)
        await call.start()
        await stub.Watch(pb.WatchRequest(session=call.session), metadata=KEY).read()
        assert door.admitted == 3


@pytest.mark.parametrize("method", UNARY)
async def test_a_request_that_does_not_come_ends_its_call(method: str) -> None:
    settings = bounded(receive_timeout=0.05)
    async with echoing(settings=settings) as stub, client(stub.port) as channel:
        end = await failed(unsent(channel, of_hub(method)))
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "start-timeout")


@pytest.mark.parametrize(("audio", "reason"), [(None, "not-started"), (b"\xff\xff\xff\xff", "bad-value")])
async def test_a_request_that_is_none_is_refused(audio: bytes | None, reason: str) -> None:
    async with echoing() as stub, client(stub.port) as channel:
        call = unsent(channel, of_hub("Recognize"))
        if audio is not None:
            await call.write(audio)
        await call.done_writing()
        end = await failed(call)
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_one_recognize_too_many_is_refused_and_told_when_to_come_back() -> None:
    door, hub = Door(), EchoHub()
    async with echoing(hub, door=door, settings=bounded(max_whole=1)) as stub, client(stub.port) as channel:
        first = unsent(channel, of_hub("Recognize"), KEY)
        await door.until(1)
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=KEY))
        assert (end.code, end.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded")
        assert end.retry_after
        await Call(stub, metadata=KEY).start()
        await first.write(pb.RecognizeRequest(audio=bytes(2)).SerializeToString())
        await first.done_writing()
        async with asyncio.timeout(PATIENCE):
            await first
        await stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=KEY)


async def test_requests_beyond_those_that_may_come_at_once_wait_their_turn() -> None:
    door = Door()
    settings = bounded(max_receiving=1)
    async with echoing(door=door, settings=settings) as stub, client(stub.port) as channel:
        first = unsent(channel, of_hub("GetHotwords"), (("x-api-key", "one"),))
        await door.until(1)
        second = unsent(channel, of_hub("GetHotwords"), (("x-api-key", "one"),))
        await second.write(b"")
        await second.done_writing()
        await door.until(2)
        await first.write(b"")
        await first.done_writing()
        for call in (first, second):
            assert (await failed(call)).reason == "foreign-session"


async def test_health_watches_without_a_key_leave_room_for_those_who_have_one() -> None:
    settings = GrpcSettings(max_calls=4, reception=ReceptionSettings(max_health_watches=2))
    async with echoing(door=Door(), settings=settings) as stub, client(stub.port) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for watch in watches:
            async with asyncio.timeout(PATIENCE):
                await watch.read()
        for _ in range(5):
            end = await failed(health.Watch(health_pb2.HealthCheckRequest()))
            assert (end.code, end.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded")
            assert end.retry_after
        # Nor do they keep a probe from its answer.
        await health.Check(health_pb2.HealthCheckRequest())
        await Call(stub, metadata=KEY).start()
        await stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=KEY)


async def test_reflections_without_a_key_leave_room_for_those_who_have_one() -> None:
    settings = GrpcSettings(max_calls=4, reception=ReceptionSettings(max_reflections=2))
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with echoing(door=Door(), settings=settings) as stub, client(stub.port) as channel:
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        streams = [reflect() for _ in range(2)]
        for stream in streams:
            await stream.write(asked)
            async with asyncio.timeout(PATIENCE):
                assert (await stream.read()).list_services_response.service
        for _ in range(5):
            end = await failed(reflect())
            assert (end.code, end.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded")
        await Call(stub, metadata=KEY).start()
        await streams[0].done_writing()
        assert await streams[0].read() is grpc.aio.EOF
        await reflect().write(asked)


async def test_a_reflection_that_asks_nothing_more_is_ended() -> None:
    async with echoing(settings=bounded(keyless_timeout=0.05)) as stub, client(stub.port) as channel:
        stream = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(grpc.aio.AioRpcError):
                while await stream.read() is not grpc.aio.EOF:
                    pass
            assert await stream.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_health_check_whose_request_does_not_come_is_ended() -> None:
    async with echoing(settings=bounded(keyless_timeout=0.05)) as stub, client(stub.port) as channel:
        end = await failed(unsent(channel, "/grpc.health.v1.Health/Check"))
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "start-timeout")


@pytest.mark.parametrize("method", ["ListSessions", "GetHotwords", "SetHotwords"])
async def test_what_is_about_the_whole_hub_is_not_for_a_token_of_one_session(method: str) -> None:
    async with echoing(door=Door()) as stub:
        asked = getattr(pb, f"{method}Request")()
        end = await failed(getattr(stub, method)(asked, metadata=(("x-api-key", "one"),)))
        assert (end.code, end.reason) == (grpc.StatusCode.PERMISSION_DENIED, "foreign-session")


async def test_a_request_that_is_too_large_ends_its_call_only() -> None:
    async with echoing(settings=bounded(max_whole=1)) as stub:
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(MAX_WHOLE_BYTES + 2**20))))
        assert end.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await stub.Recognize(pb.RecognizeRequest(audio=bytes(2)))


@pytest.mark.parametrize("how", ["cancel", "drop"])
async def test_who_goes_while_the_request_comes_frees_the_place_and_is_no_defect(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door()
    async with echoing(door=door, settings=bounded(max_whole=1)) as stub:
        async with client(stub.port, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = unsent(channel, of_hub("Recognize"), KEY)
            await door.until(1)
            if how == "cancel":
                call.cancel()
            else:
                await channel.close()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=KEY)
                    break
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not caplog.records


async def test_who_leaves_a_watch_or_a_reflection_frees_the_place_and_is_no_defect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = bounded(max_health_watches=1, max_reflections=1)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with echoing(settings=settings) as stub, client(stub.port) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        for _ in range(3):
            async with asyncio.timeout(PATIENCE):
                while (first := watch(health_pb2.HealthCheckRequest())) and await began(first) is None:
                    pass
                while (second := reflect()) and await began(second, asked) is None:
                    pass
            first.cancel()
            second.cancel()
    assert not caplog.records


async def began(call: Any, request: Any = None) -> Any:
    """The first answer; nothing where there is no place yet."""
    try:
        if request is not None:
            await call.write(request)
        return await call.read()
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    except asyncio.InvalidStateError:
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return None
