"""The server against a hub in memory: every error its status, and no client that costs more than its bounds."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from tests.protocols.echo_hub import EchoHub
from tests.protocols.grpc.client import PATIENCE, Call, Ended, client, connected, echoing, ended, failed

from asr_hub import errors
from asr_hub.access.grant import ANYBODY, Grant, Scope
from asr_hub.errors import ConfigError, HubError, RateLimited, Unauthorized
from asr_hub.model import SessionId
from asr_hub.protocols.grpc.failure import shortened
from asr_hub.protocols.grpc.server import MAX_WHOLE_BYTES, GrpcSettings
from asr_hub.protocols.grpc.talk import TalkSettings
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import AudioAck, Warning
from asr_hub.wire.status import STATUS

pytestmark = pytest.mark.e2e

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HubError)]


async def until(is_so: Callable[[], bool], changed: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await changed.wait()
            changed.clear()


def calls_left() -> set[str]:
    """Tasks of calls that are not over."""
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("grpc ")} - {"grpc health"}


class Refusing(EchoHub):
    """Refuses every session with one error."""

    def __init__(self, error: HubError) -> None:
        super().__init__()
        self.error = error

    def open(self, *args: Any, **options: Any) -> Any:
        raise self.error


async def test_every_class_of_the_tree_is_a_status_with_its_code_and_its_time_to_come_back() -> None:
    assert len(KINDS) > 15
    hub = Refusing(HubError("?"))
    async with echoing(hub) as stub:
        for kind in KINDS:
            hub.error = kind("do this instead")
            code = getattr(grpc.StatusCode, STATUS[kind].grpc)
            wanted = Ended(code, "do this instead", kind.code, kind.retry_after)
            assert await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(2)))) == wanted
            call = Call(stub)
            await call.say(start=pb.Start())
            assert await call.ended() == wanted
            # The same as on every other transport, before the status.
            (told,) = call.of("error")
            assert (told.code, told.message, told.retryable) == (kind.code, "do this instead", kind.retryable)
            assert (told.retry_after if told.HasField("retry_after") else None) == kind.retry_after


async def test_a_time_to_come_back_is_told_as_retry_info() -> None:
    async with echoing(Refusing(RateLimited("slower", retry_after=2.5))) as stub:
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(2))))
        assert (end.code, end.retry_after) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 2.5)


async def test_a_long_message_still_fits_into_the_headers() -> None:
    async with echoing(Refusing(HubError("說" * 5000))) as stub:
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(2))))
        assert end.details == shortened("說" * 5000)
        assert (len(end.details), end.reason) == (500, "internal")


async def test_a_defect_is_told_and_costs_one_call() -> None:
    async with echoing() as stub:
        call = Call(stub)
        await call.start()
        await call.say(audio=b"boom")
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.INTERNAL, "internal")
        assert "boom" not in end.details
        other = Call(stub)
        await other.start()
        await other.close()
        await other.rest()


# What a client may say, and when.

OPENING: dict[str, tuple[pb.StreamRequest, str]] = {
    "nothing": (pb.StreamRequest(), "unknown-message"),
    "audio": (pb.StreamRequest(audio=bytes(320)), "not-started"),
    "finalize": (pb.StreamRequest(finalize=pb.Finalize()), "not-started"),
    "a session without a name": (pb.StreamRequest(attach=pb.Attach()), "bad-value"),
    "an unknown role": (pb.StreamRequest(attach=pb.Attach(session="x", role=7)), "bad-value"),  # type: ignore[arg-type]
    "an unknown encoding": (
        pb.StreamRequest(start=pb.Start(format=pb.AudioFormat(encoding=7))),  # type: ignore[arg-type]
        "bad-value",
    ),
    "a language that is none": (pb.StreamRequest(start=pb.Start(language="no such thing!")), "bad-value"),
    "too many words": (pb.StreamRequest(start=pb.Start(hotwords=["word"] * 501)), "bad-value"),
    "too much": (pb.StreamRequest(start=pb.Start(hotwords=["w" * 70_000])), "text-too-large"),
    "a seq below 0": (pb.StreamRequest(attach=pb.Attach(session="x", seq=-1)), "bad-value"),
}


@pytest.mark.parametrize("name", OPENING)
async def test_a_call_that_opens_wrongly_is_told_and_ends(name: str) -> None:
    hub = EchoHub()
    request, code = OPENING[name]
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.call.write(request)
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, code)
        assert [error.code for error in call.of("error")] == [code]
        assert not hub.sessions


async def test_a_call_that_says_nothing_at_all_is_told_to_start() -> None:
    async with echoing() as stub:
        call = Call(stub)
        await call.call.done_writing()
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "not-started")


async def test_a_call_that_never_starts_is_ended() -> None:
    settings = GrpcSettings(talk=TalkSettings(start_timeout=0.05))
    async with echoing(settings=settings) as stub:
        call = Call(stub)
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "start-timeout")


async def test_what_is_refused_in_a_session_leaves_it_as_it_was() -> None:
    hub = EchoHub()
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        await call.say(start=pb.Start())
        assert (await call.until("error")).error.code == "already-started"
        await call.say(audio=b"")
        assert (await call.until("error")).error.code == "empty-audio"
        await call.call.write(pb.StreamRequest())
        assert (await call.until("error")).error.code == "unknown-message"
        await call.say(configure=pb.Configure(provider="nobody"))
        assert (await call.until("error")).error.code == "not-found"
        await call.say(audio=bytes(320))
        assert (await call.until("audio_ack")).audio_ack.audio_offset == 160
        await call.close()
        await call.rest()


async def test_who_is_refused_without_end_is_sent_away() -> None:
    async with echoing(limits=Limits(max_errors=3)) as stub:
        call = Call(stub)
        await call.start()
        for _ in range(4):
            await call.call.write(pb.StreamRequest())
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "too-many-errors")
        assert [error.code for error in call.of("error")] == ["unknown-message"] * 3 + ["too-many-errors"]


async def test_what_comes_after_close_is_refused_and_closed_still_comes() -> None:
    hub = EchoHub()
    hub.fill_after = 1
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        session = hub.sessions[call.session]
        session.close = lambda: None  # type: ignore[method-assign]
        await call.close()
        await call.say(audio=bytes(320))
        assert (await call.until("error")).error.code == "closing"
        await call.call.done_writing()
        type(session).close(session)
        await call.rest()
        assert call.of("closed")


async def test_half_a_sample_ends_the_call_and_not_the_session() -> None:
    hub = EchoHub()
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        await call.say(audio=bytes(3))
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "unsupported-audio")
        again = Call(stub)
        await again.attach(call.session)


@pytest.mark.parametrize(
    ("size", "code", "reason"),
    [
        (1024 * 1024 + 1, grpc.StatusCode.INVALID_ARGUMENT, "frame-too-large"),
        (MAX_WHOLE_BYTES + 1024 * 1024, grpc.StatusCode.RESOURCE_EXHAUSTED, ""),
    ],
)
async def test_a_giant_message_ends_the_call_and_not_the_session(size: int, code: grpc.StatusCode, reason: str) -> None:
    hub = EchoHub()
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        await call.call.write(pb.StreamRequest(audio=bytes(size)))
        end = await call.ended()
        assert (end.code, end.reason) == (code, reason)
        async with asyncio.timeout(PATIENCE):
            await left.wait()
        assert not hub.sessions[call.session].audio
        again = Call(stub)
        await again.attach(call.session)


async def test_what_is_no_protobuf_ends_its_call_only() -> None:
    hub = EchoHub()
    async with echoing(hub) as stub, client(stub.port) as channel:
        call = channel.stream_stream("/asr_hub.v1.AsrHubService/Stream")()
        await call.write(b"\xff\xff\xff\xff not a message")
        with pytest.raises(grpc.aio.AioRpcError):
            async with asyncio.timeout(PATIENCE):
                while await call.read() is not grpc.aio.EOF:
                    pass
                raise AssertionError("the call ended well")
        other = Call(stub)
        await other.start()
        assert len(hub.sessions) == 1


# Leaving.


async def test_a_half_closed_call_leaves_and_its_session_can_be_taken_up_again() -> None:
    hub = EchoHub()
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        await call.say(audio=bytes(320))
        await call.until("audio_ack")
        await call.call.done_writing()
        await call.rest()
        assert not hub.sessions[call.session].attached
        again = Call(stub)
        ready = await again.attach(call.session, seq=call.seq)
        assert ready.audio_offset == 160
        await again.close()
        await again.call.done_writing()
        await again.rest()
        assert [final.hypothesis.text for final in again.of("final")] == ["320 bytes"]


async def test_a_viewer_has_nothing_to_say_and_stays() -> None:
    hub = EchoHub()
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        viewer = Call(stub)
        await viewer.attach(call.session, role=pb.ROLE_VIEWER)
        await viewer.call.done_writing()
        await call.close()
        await viewer.rest()
        assert len(viewer.of("final")) == 1


async def test_a_cancelled_call_leaves_nothing_behind() -> None:
    hub = EchoHub()
    hub.fill_after = 1
    changed = asyncio.Event()
    hub.on_detach = lambda attachment: changed.set()
    full = asyncio.Event()
    hub.on_full = lambda session: full.set()
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        await call.say(audio=bytes(320))
        async with asyncio.timeout(PATIENCE):
            await full.wait()
        call.call.cancel()
        await until(lambda: not hub.sessions[call.session].attached, changed)
        assert await call.call.code() is grpc.StatusCode.CANCELLED
        assert not calls_left()


async def test_a_deadline_ends_the_call_and_frees_the_session() -> None:
    hub = EchoHub()
    changed = asyncio.Event()
    hub.on_detach = lambda attachment: changed.set()
    async with echoing(hub) as stub:
        call = Call(stub, timeout=1.0)
        await call.start()
        end = await call.ended()
        assert end.code is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: not hub.sessions[call.session].attached, changed)


DYING = """
import sys, time, grpc
from asr_hub.v1 import asr_hub_pb2 as pb, asr_hub_pb2_grpc as stubs

def said():
    yield pb.StreamRequest(start=pb.Start())
    time.sleep(3600)

channel = grpc.insecure_channel(sys.argv[1])
for response in stubs.AsrHubServiceStub(channel).Stream(said()):
    print(response.message.ready.session, flush=True)
"""


async def test_a_client_that_is_killed_leaves_the_session() -> None:
    hub = EchoHub()
    changed = asyncio.Event()
    hub.on_detach = lambda attachment: changed.set()
    async with echoing(hub) as stub:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", DYING, f"127.0.0.1:{stub.port}"), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                session = (await process.stdout.readline()).decode().strip()
        finally:
            process.kill()
            await process.wait()
        await until(lambda: not hub.sessions[SessionId(session)].attached, changed)


async def test_calls_are_told_that_the_hub_stops() -> None:
    hub = EchoHub()
    hub.fill_after = 1
    full = asyncio.Event()
    hub.on_full = lambda session: full.set()
    async with contextlib.AsyncExitStack() as stack:
        async with echoing(hub) as stub:
            other = await stack.enter_async_context(connected(stub.port))
            call = Call(other)
            await call.start()
            watching = other.Watch(pb.WatchRequest(session=call.session))
            await watching.read()
            recognizing = asyncio.create_task(failed(other.Recognize(pb.RecognizeRequest(audio=bytes(10**6)))))
            async with asyncio.timeout(PATIENCE):
                await full.wait()
        for end in (await call.ended(), await failed(watching_rest(watching)), await recognizing):
            assert (end.code, end.reason, end.retry_after) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "shutting-down", 1.0)


async def watching_rest(watching: Any) -> None:
    while await watching.read() is not grpc.aio.EOF:
        pass


# Flow control.


async def test_a_publisher_that_is_ahead_of_the_engine_waits() -> None:
    hub = EchoHub()
    hub.fill_after, hub.acknowledge = 1, False
    full = asyncio.Event()
    hub.on_full = lambda session: full.set()
    block, blocks = bytes(64 * 1024), 200
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        session = hub.sessions[call.session]
        speaking = asyncio.create_task(speak(call, block, blocks))
        for taken in range(1, 4):
            async with asyncio.timeout(PATIENCE):
                await full.wait()
            full.clear()
            # A whole call goes there and back: what could have been read by then is read.
            assert await failed(stub.Recognize(pb.RecognizeRequest()))
            assert len(session.frames) == taken
            assert not speaking.done()
            session.make_room()
        hub.on_full = lambda session: asyncio.get_running_loop().call_soon(session.make_room)
        session.make_room()
        await speaking
        await call.close()
        await call.rest()
        assert len(session.audio) == blocks * len(block)


async def speak(call: Call, block: bytes, blocks: int) -> None:
    for _ in range(blocks):
        await call.say(audio=block)


async def test_for_a_reader_that_reads_nothing_no_more_is_taken_from_the_session_and_it_is_told() -> None:
    hub = EchoHub()
    hub.keep = 50
    async with echoing(hub) as stub:
        call = Call(stub)
        await call.start()
        session = hub.sessions[call.session]
        (attachment,) = session.attached
        for _ in range(40):
            for _ in range(25):
                session.say(lambda seq: Warning(seq=seq, code="long", message="x" * 64 * 1024))
            # A whole call goes there and back: the server had its turn to read all it will.
            await failed(stub.Recognize(pb.RecognizeRequest()))
        assert session.last - attachment.last_seq > hub.keep
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow-client")
        # What fits into the window of HTTP/2 and the buffers of the kernel, and one look at the session.
        assert len(call.of("warning")) < 500


async def test_a_reader_that_is_stuck_is_let_go() -> None:
    hub = EchoHub()
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with echoing(hub, settings=GrpcSettings(talk=TalkSettings(stall_timeout=0.2))) as stub:
        call = Call(stub)
        await call.start()
        for _ in range(100):
            hub.sessions[call.session].say(lambda seq: Warning(seq=seq, code="long", message="x" * 64 * 1024))
        async with asyncio.timeout(PATIENCE):
            await left.wait()
        end = await call.ended()
        assert (end.code, end.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow-client")


async def test_an_error_comes_after_the_messages_whose_seq_it_repeats() -> None:
    hub = EchoHub()
    hub.acknowledge = False
    async with echoing(hub, limits=Limits(max_errors=1000)) as stub:
        call = Call(stub)
        await call.start()
        session = hub.sessions[call.session]
        for _ in range(100):
            await call.call.write(pb.StreamRequest())
            session.say(lambda seq: AudioAck(seq=seq, audio_offset=seq))
        await call.close()
        # Every message read is checked.
        await call.rest()
        assert len(call.of("error")) == 100


async def test_one_call_too_many_is_refused() -> None:
    async with echoing(settings=GrpcSettings(max_calls=1)) as stub:
        call = Call(stub)
        await call.start()
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(2))))
        assert end.code is grpc.StatusCode.RESOURCE_EXHAUSTED


# Recognize.


async def test_audio_is_heard_whole_and_in_order() -> None:
    hub = EchoHub()
    hub.fill_after = 2
    hub.on_full = lambda session: asyncio.get_running_loop().call_soon(session.make_room)
    audio = bytes(range(250)) * 4000
    async with echoing(hub, limits=Limits(max_audio_bytes=1001)) as stub:
        answer = await stub.Recognize(pb.RecognizeRequest(config=pb.Start(provider="echo"), audio=audio))
        (session,) = hub.sessions.values()
        assert bytes(session.audio) == audio
        assert {len(frame) for frame in session.frames} == {1000}
        (final,) = answer.finals
        assert final.hypothesis.text == f"{len(audio)} bytes"
        assert final.reason == pb.ENDPOINT_REASON_CLOSE
        assert answer.audio_offset == len(audio) // 2


async def test_half_a_sample_at_the_end_is_refused() -> None:
    async with echoing() as stub:
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=bytes(1001))))
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "unsupported-audio")


async def test_no_audio_is_refused() -> None:
    async with echoing() as stub:
        end = await failed(stub.Recognize(pb.RecognizeRequest(config=pb.Start())))
        assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "empty-audio")


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_who_does_not_wait_for_the_answer_frees_the_session_at_once(how: str) -> None:
    hub = EchoHub()
    hub.fill_after = 1
    full, left = asyncio.Event(), asyncio.Event()
    hub.on_full = lambda session: full.set()
    hub.on_detach = lambda attachment: left.set()
    async with echoing(hub) as stub:
        call = stub.Recognize(pb.RecognizeRequest(audio=bytes(10**6)), timeout=1.0 if how == "deadline" else None)
        async with asyncio.timeout(PATIENCE):
            await full.wait()
            if how == "cancel":
                call.cancel()
            await left.wait()
        (session,) = hub.sessions.values()
        assert b'"abandoned"' in session.said[session.last]
        assert await call.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


# Keys.


class Door:
    """Knows a few keys."""

    def admit(self, secret: str | None) -> Grant:
        match secret:
            case "all":
                return ANYBODY
            case "watch":
                return Grant(name="w", scopes=frozenset({Scope.WATCH}))
            case "often":
                raise RateLimited("too many requests", retry_after=3.0)
            case _:
                raise Unauthorized("no key, or a wrong one")


METADATA = [(("authorization", "Bearer all"),), (("authorization", "bearer all"),), (("x-api-key", "all"),)]


@pytest.mark.parametrize("metadata", METADATA)
async def test_a_key_comes_in_the_metadata(metadata: Any) -> None:
    async with echoing(door=Door()) as stub:
        await stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=metadata)
        call = Call(stub, metadata=metadata)
        await call.start()


WRONG: list[tuple[Any, grpc.StatusCode, str]] = [
    ((), grpc.StatusCode.UNAUTHENTICATED, "unauthorized"),
    ((("authorization", "Bearer wrong"),), grpc.StatusCode.UNAUTHENTICATED, "unauthorized"),
    ((("authorization-bin", b"Bearer all"),), grpc.StatusCode.UNAUTHENTICATED, "unauthorized"),
    ((("x-api-key", "often"),), grpc.StatusCode.RESOURCE_EXHAUSTED, "rate-limited"),
]


@pytest.mark.parametrize(("metadata", "code", "reason"), WRONG)
async def test_who_brings_no_good_key_is_refused_by_every_call(
    metadata: Any, code: grpc.StatusCode, reason: str
) -> None:
    hub = EchoHub()
    async with echoing(hub, door=Door()) as stub:
        for call in (
            stub.Stream(metadata=metadata),
            stub.Watch(pb.WatchRequest(session="x"), metadata=metadata),
            stub.Recognize(pb.RecognizeRequest(audio=bytes(2)), metadata=metadata),
            stub.ListProviders(pb.ListProvidersRequest(), metadata=metadata),
            stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata),
            stub.GetSession(pb.GetSessionRequest(session="x"), metadata=metadata),
            stub.CloseSession(pb.CloseSessionRequest(session="x"), metadata=metadata),
            stub.GetHotwords(pb.GetHotwordsRequest(), metadata=metadata),
            stub.SetHotwords(pb.SetHotwordsRequest(), metadata=metadata),
        ):
            end = await failed(call)
            assert (end.code, end.reason) == (code, reason)
            assert end.retry_after == (3.0 if reason == "rate-limited" else None)
        assert not hub.sessions


async def test_a_scope_that_is_missing_is_named() -> None:
    metadata = (("x-api-key", "watch"),)
    async with echoing(door=Door()) as stub:
        for call in (
            stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata),
            stub.SetHotwords(pb.SetHotwordsRequest(), metadata=metadata),
        ):
            end = await failed(call)
            assert (end.code, end.reason) == (grpc.StatusCode.PERMISSION_DENIED, "missing-scope")
            assert "admin" in end.details


# The port.


async def test_a_port_that_is_taken_is_named() -> None:
    from tests.protocols.grpc.client import Facts

    from asr_hub.access.door import OpenDoor
    from asr_hub.protocols.grpc.server import grpc_server

    where = {"host": "127.0.0.1"}
    async with grpc_server(EchoHub(), OpenDoor(), Facts(), port=0, **where) as server:
        with pytest.raises(ConfigError, match=r"server\.grpc_port"):
            async with grpc_server(EchoHub(), OpenDoor(), Facts(), port=server.port, **where):
                pass
        async with connected(server.port) as stub:
            await Call(stub).start()


def test_the_error_of_a_call_that_has_no_details_is_still_told() -> None:
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNKNOWN, grpc.aio.Metadata(), grpc.aio.Metadata(), details="?")
    assert ended(error) == Ended(grpc.StatusCode.UNKNOWN, "?", "", None)
