"""The native protocol over Socket.IO: the rules of the WebSocket, on both transports."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from tests.protocols.echo_hub import EchoHub, EchoSession
from tests.protocols.socket_io.serving import NATIVE, Client, serve

from asr_hub.model import EndpointReason, SessionId
from asr_hub.protocols.socket_io.mount import SocketIoSettings
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import SpeechStarted

pytestmark = pytest.mark.e2e

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])

SAMPLES = b"\x01\x00" * 160


async def begin(client: Client) -> Any:
    await client.emit("message", {"type": "start"})
    return await client.message("ready")


@TRANSPORTS
async def test_a_conversation_from_start_to_closed(transport: str) -> None:
    hub = EchoHub()
    async with serve(hub) as server, Client(server.url, NATIVE, transport=transport) as client:
        assert await client.call("message", {"type": "start", "format": {"sample_rate": 8000}}) == {"ok": True}
        ready = await client.message("ready")
        assert (ready["seq"], ready["format"]["sample_rate"]) == (0, 8000)
        assert await client.call("audio", SAMPLES) == {"ok": True}
        assert (await client.message("audio-ack"))["audio_offset"] == 160
        await client.emit("message", {"type": "finalize"})
        await client.emit("message", '{"type":"close"}')
        await client.gone()
        messages = client.of("message")
        assert [m["type"] for m in messages[2:]] == ["endpoint", "final", "endpoint", "final", "closed"]
        assert [m["seq"] for m in messages] == list(range(7))
        assert server.mount.clients == 0


@TRANSPORTS
async def test_200_audio_events_keep_their_order_while_the_session_has_room_for_one(transport: str) -> None:
    hub = EchoHub()
    hub.fill_after = 1

    def slowly(session: EchoSession) -> None:
        loop = asyncio.get_running_loop()
        # Later rounds of the loop, and for every event another number of them.
        rounds = len(session.frames) % 5

        def turn(left: int) -> None:
            loop.call_soon(turn, left - 1) if left else session.make_room()

        turn(rounds + 1)

    hub.on_full = slowly
    sent = [struct.pack("<160h", *[number] * 160) for number in range(1, 201)]
    async with serve(hub) as server, Client(server.url, NATIVE, transport=transport) as client:
        ready = await begin(client)
        for piece in sent:
            await client.emit("audio", piece)
        await client.emit("message", {"type": "close"})
        await client.gone()
        assert hub.sessions[ready["session"]].frames == sent
        assert client.of("message")[-1]["audio_offset"] == 200 * 160


@TRANSPORTS
async def test_a_client_whose_session_has_no_room_waits_and_nobody_else_does(transport: str) -> None:
    hub = EchoHub()
    hub.fill_after = 2
    full = asyncio.Event()
    hub.on_full = lambda session: full.set()
    async with (
        serve(hub) as server,
        Client(server.url, NATIVE, transport=transport) as held,
        Client(server.url, NATIVE, transport=transport) as free,
    ):
        session = hub.sessions[(await begin(held))["session"]]
        for _ in range(20):
            await held.emit("audio", SAMPLES)
        async with asyncio.timeout(60):
            await full.wait()
        hub.fill_after = None
        await begin(free)
        for number in range(1, 21):
            assert await free.call("audio", SAMPLES) == {"ok": True}
            await free.message("audio-ack", count=number)
        assert len(session.frames) == 2
        session.make_room()
        await held.message("audio-ack", count=20)


@TRANSPORTS
async def test_a_client_comes_back_to_its_session_and_misses_nothing(transport: str) -> None:
    hub = EchoHub()
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with serve(hub) as server:
        async with Client(server.url, NATIVE, transport=transport) as client:
            ready = await begin(client)
            await client.call("audio", SAMPLES)
            ack = await client.message("audio-ack")
        async with asyncio.timeout(60):
            await left.wait()
        session = hub.sessions[ready["session"]]
        session.end_utterance(EndpointReason.FINALIZE)
        async with Client(server.url, NATIVE, transport=transport) as again:
            await again.emit("message", {"type": "attach", "session": ready["session"], "seq": ack["seq"]})
            assert (await again.message("ready"))["audio_offset"] == 160
            await again.message("final")
            assert [m["seq"] for m in again.of("message")] == [1, 2, 3]


@TRANSPORTS
async def test_viewers_are_told_the_same_bytes(transport: str) -> None:
    hub = EchoHub()
    async with (
        serve(hub) as server,
        Client(server.url, NATIVE, transport=transport) as client,
        Client(server.url, NATIVE, transport=transport) as viewer,
    ):
        ready = await begin(client)
        await viewer.emit("message", {"type": "attach", "session": ready["session"], "role": "viewer"})
        await viewer.message("ready")
        await client.emit("audio", SAMPLES)
        await client.emit("message", {"type": "close"})
        await client.gone()
        await viewer.gone()
        assert viewer.of("message")[1:] == client.of("message")[1:]


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        ("message", ({"type": "start", "foo": 1},), "unknown-field"),
        ("message", ({"type": "begin"},), "unknown-message"),
        ("message", ([],), "wrong-type"),
        ("message", (7,), "wrong-type"),
        ("message", ("{",), "bad-json"),
        ("message", ({"type": "start", "hotwords": ["x" * 70_000]},), "text-too-large"),
        ("message", ({"type": "attach", "session": "s", "seq": 2**70},), "bad-value"),
        ("message", ({"type": "start"}, {"type": "close"}), "wrong-type"),
        ("message", (b'{"type":"start"}',), "wrong-type"),
        ("message", ({"type": "attach", "session": "nowhere"},), "not-found"),
        ("message", ({"type": "finalize"},), "not-started"),
        ("audio", (SAMPLES,), "not-started"),
        ("speak", (SAMPLES,), "unknown-message"),
    ],
)
async def test_a_wrong_first_event_is_named_and_ends_the_connection(
    event: str, args: tuple[Any, ...], code: str
) -> None:
    async with serve(EchoHub()) as server, Client(server.url, NATIVE) as client:
        await client.emit(event, *args)
        await client.gone()
        (error,) = client.of("message")
        assert (error["type"], error["code"], error["seq"]) == ("error", code, 0)


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        ("audio", ("AAAA",), "wrong-type"),
        ("audio", (), "wrong-type"),
        ("audio", (b"",), "empty-audio"),
        ("audio", (b'{"type":"close"}',), "text-in-binary"),
        ("message", ({"type": "start"},), "already-started"),
        ("message", ({"type": "configure", "provider": "none"},), "not-found"),
        ("shout", ({},), "unknown-message"),
    ],
)
async def test_a_wrong_event_in_a_session_is_named_to_the_ack_as_well_and_changes_nothing(
    event: str, args: tuple[Any, ...], code: str
) -> None:
    async with serve(EchoHub()) as server, Client(server.url, NATIVE) as client:
        await begin(client)
        await client.call("audio", SAMPLES)
        answer = await client.call(event, *args)
        error = await client.message("error")
        assert answer == error
        assert (error["code"], error["seq"]) == (code, 1)
        assert await client.call("audio", SAMPLES) == {"ok": True}


@pytest.mark.parametrize(
    ("audio", "code"), [(b"123", "unsupported-audio"), (b"x" * 5000, "frame-too-large"), (b"boom", "internal")]
)
async def test_what_ends_a_websocket_disconnects_the_namespace(audio: bytes, code: str) -> None:
    async with serve(EchoHub(), limits=Limits(max_audio_bytes=4096)) as server, Client(server.url, NATIVE) as client:
        await begin(client)
        await client.emit("audio", audio)
        await client.gone()
        assert client.of("message")[-1]["code"] == code
        assert server.mount.clients == 0


async def test_too_many_refused_events_end_the_connection() -> None:
    async with serve(EchoHub(), limits=Limits(max_errors=3)) as server, Client(server.url, NATIVE) as client:
        await begin(client)
        for _ in range(4):
            await client.emit("audio", "x")
        await client.gone()
        assert [m["code"] for m in client.of("message")[1:]] == ["wrong-type"] * 3 + ["too-many-errors"]


async def test_who_connects_and_says_nothing_is_disconnected() -> None:
    settings = SocketIoSettings(start_timeout=0.1)
    async with serve(EchoHub(), settings=settings) as server, Client(server.url, NATIVE) as client:
        await client.gone()
        assert client.of("message")[0]["code"] == "start-timeout"


async def test_a_client_that_cannot_be_told_everything_is_told_so() -> None:
    hub = EchoHub()
    hub.keep = 2
    async with serve(hub) as server, Client(server.url, NATIVE) as client:
        session = hub.sessions[SessionId((await begin(client))["session"])]
        for at in range(5):
            session.say(lambda seq, at=at: SpeechStarted(seq=seq, utterance=1, at=at))
        await client.gone()
        assert client.of("message")[-1]["code"] == "slow-client"


@TRANSPORTS
async def test_who_leaves_lets_go_of_the_session_even_while_it_is_held_up(transport: str) -> None:
    hub = EchoHub()
    hub.fill_after = 1
    left = asyncio.Event()
    full = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    hub.on_full = lambda session: full.set()
    settings = SocketIoSettings(ping_interval=0.2, ping_timeout=0.4)
    async with serve(hub, settings=settings) as server:
        async with Client(server.url, NATIVE, transport=transport) as client:
            ready = await begin(client)
            await client.emit("audio", SAMPLES)
            async with asyncio.timeout(60):
                await full.wait()
        # Whether it is alive cannot be seen while its audio is held up: with room it can.
        hub.sessions[ready["session"]].make_room()
        async with asyncio.timeout(60):
            await left.wait()
        assert server.mount.clients == 0
