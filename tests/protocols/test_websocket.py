"""The native protocol over real sockets: uvicorn on one side, the `websockets` client on the other."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop
from tests.protocols.echo_hub import EchoAttachment, EchoHub, EchoSession
from tests.protocols.serving import Server, hear, say, serve, start
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from asr_hub.model import EndpointReason, Hypothesis, Role
from asr_hub.protocols.origins import Pages
from asr_hub.protocols.websocket import LaneSettings
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import Partial

pytestmark = pytest.mark.e2e

Client = ClientConnection


@pytest.fixture
def hub() -> EchoHub:
    return EchoHub()


@pytest.fixture
async def server(hub: EchoHub) -> AsyncIterator[Server]:
    async with serve(hub) as running:
        yield running


async def ending(client: Client) -> tuple[dict[str, Any], int | None]:
    """The last message, and the code of the close frame behind it."""
    last: dict[str, Any] = {}
    try:
        while True:
            last = json.loads(await client.recv())
    except ConnectionClosed as closed:
        return last, closed.rcvd.code if closed.rcvd else None


async def whole_session(server: Server) -> None:
    async with server.connect() as client:
        ready = await start(client, format={"sample_rate": 8000})
        assert (ready["seq"], ready["role"], ready["audio_offset"], ready["version"]) == (0, "publisher", 0, 1)
        await client.send(bytes(1600))
        assert (await hear(client, "audio-ack"))[0]["audio_offset"] == 800
        await say(client, "finalize")
        endpoint, final = await hear(client, "endpoint", "final")
        assert (endpoint["reason"], endpoint["at"], final["hypothesis"]["text"]) == ("finalize", 100, "1600 bytes")
        await say(client, "clear")
        assert (await hear(client, "endpoint"))[0]["reason"] == "clear"
        await say(client, "close")
        _, _, closed = await hear(client, "endpoint", "final", "closed")
        assert (closed["seq"], closed["audio_offset"]) == (7, 800)
        assert (await ending(client))[1] == 1000


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_session_from_start_to_closed(hub: EchoHub, http: str) -> None:
    async with serve(hub, http=http) as server:
        await whole_session(server)
    assert all(not session.attached for session in hub.sessions.values())


def test_a_session_on_uvloop() -> None:
    async def main() -> None:
        hub = EchoHub()
        async with serve(hub, limits=Limits(max_audio_bytes=100_000)) as server:
            await whole_session(server)
            async with server.connect() as client:
                await start(client)
                await client.send(bytes(3_000_000))
                message, code = await ending(client)
                assert (message["code"], code) == ("frame-too-large", 1009)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# The handshake.


async def test_what_comes_right_behind_start_is_refused_after_ready(server: Server) -> None:
    async with server.connect() as client:
        # One write, so that the hub reads both at once.
        client.transport.pause_reading()
        for text in ('{"type":"start"}', "{nope"):
            client.protocol.send_text(text.encode())
        client.transport.write(b"".join(client.protocol.data_to_send()))
        client.transport.resume_reading()
        _, error = await hear(client, "ready", "error")
        assert error["code"] == "bad-json"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["asr-hub.v1"], "asr-hub.v1"),
        (["token.k", "asr-hub.v1"], "asr-hub.v1"),
        (["binary", "other"], "binary"),
    ],
)
async def test_a_subprotocol_is_chosen_where_one_is_offered(
    server: Server, offered: list[str] | None, chosen: str | None
) -> None:
    subprotocols = [Subprotocol(one) for one in offered] if offered else None
    async with server.connect(subprotocols=subprotocols) as client:
        assert client.subprotocol == chosen
        await start(client)


@pytest.mark.parametrize(
    ("allowed", "origin", "is_welcome"),
    [
        (None, None, True),
        (None, "http://localhost:3000", True),
        (None, "https://127.0.0.1", True),
        (None, "http://localhost.evil.example", False),
        (None, "https://evil.example", False),
        (None, "null", False),
        (("https://asr.example.org",), "https://asr.example.org", True),
        (("https://asr.example.org",), "https://asr.example.org.evil", False),
        (("https://asr.example.org",), None, True),
        (("*",), "https://anyone.example", True),
    ],
)
async def test_pages_of_other_origins_are_refused(
    hub: EchoHub, allowed: tuple[str, ...] | None, origin: str | None, is_welcome: bool
) -> None:
    async with serve(hub, settings=LaneSettings(pages=Pages(allowed))) as server:
        if is_welcome:
            async with server.connect(origin=origin) as client:
                await start(client)
        else:
            with pytest.raises(InvalidStatus) as caught:
                await server.connect(origin=origin)
            assert caught.value.response.status_code == 403


HANDSHAKE = (
    b"GET /v1/stream?x=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"", b"", 101),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", 400),
        (b"Sec-WebSocket-Key: dGhl", b"Sec-WebSocket-Key: dG", 400),
        (b"Version: 13", b"Version: 12", 400),
        (b"GET", b"POST", 405),
    ],
)
async def test_a_failed_handshake_has_a_real_status(
    hub: EchoHub, http: str, old: bytes, new: bytes, status: int
) -> None:
    async with serve(hub, http=http) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE.replace(old, new))
        line = await reader.readline()
        assert int(line.split()[1]) == status
        if status != 101:
            await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_nothing_is_compressed_and_nothing_waits_for_more(server: Server) -> None:
    async with server.connect(compression="deflate") as client:
        await start(client)
        assert client.protocol.extensions == []
        (connection,) = server.uvicorn.server_state.connections
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_every_other_path_goes_to_the_application(server: Server, hub: EchoHub) -> None:
    async with server.connect("/other?x=1") as other, server.connect() as client:
        await other.send("hello")
        assert await other.recv() == "/other hello"
        await start(client)
        await other.send("again")
        assert await other.recv() == "/other again"
    assert len(hub.sessions) == 1


# Refusals.

Act = Callable[[Client], Awaitable[Any]]


async def nothing(client: Client) -> None:
    pass


async def overfull(client: Client) -> None:
    for _ in range(33):
        await say(client, "start")


FATAL: list[tuple[str, Act, Act, str, int]] = [
    ("bad json before ready", nothing, lambda c: c.send("{"), "bad-json", 1007),
    ("unknown field before ready", nothing, lambda c: say(c, "start", lang="en"), "unknown-field", 1008),
    ("unknown message before ready", nothing, lambda c: say(c, "begin"), "unknown-message", 1008),
    ("audio first", nothing, lambda c: c.send(b"\0\0"), "not-started", 1008),
    ("command first", nothing, lambda c: say(c, "close"), "not-started", 1008),
    ("provider", nothing, lambda c: say(c, "start", provider="x"), "not-found", 1008),
    ("session", nothing, lambda c: say(c, "attach", session="x"), "not-found", 1008),
    ("text too large", start, lambda c: c.send(" " * 65_537), "text-too-large", 1009),
    ("audio too large", start, lambda c: c.send(bytes(2_000_000)), "frame-too-large", 1009),
    ("many errors", start, overfull, "too-many-errors", 1008),
    ("not utf-8", start, lambda c: c.send(b"\xff", text=True), "bad-utf8", 1007),
    ("half a sample", start, lambda c: c.send(b"\0"), "unsupported-audio", 1003),
    ("defect", start, lambda c: c.send(b"boom"), "internal", 1011),
]


@pytest.mark.parametrize(("before", "act", "code", "close_code"), [row[1:] for row in FATAL], ids=[r[0] for r in FATAL])
async def test_a_fatal_error_is_told_before_the_close(
    server: Server, hub: EchoHub, before: Act, act: Act, code: str, close_code: int
) -> None:
    async with server.connect() as client:
        await before(client)
        await act(client)
        message, got = await ending(client)
        assert (message["type"], message["code"], got) == ("error", code, close_code)
    assert all(not session.attached for session in hub.sessions.values())


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.send("{"), "bad-json"),
        (lambda c: say(c, "begin"), "unknown-message"),
        (lambda c: say(c, "configure", lang="en"), "unknown-field"),
        (lambda c: say(c, "configure", language="?"), "bad-value"),
        (lambda c: say(c, "configure", provider="x"), "not-found"),
        (lambda c: say(c, "start"), "already-started"),
        (lambda c: c.send(b""), "empty-audio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_other_errors_leave_the_session_as_it_was(server: Server, hub: EchoHub, act: Act, code: str) -> None:
    async with server.connect() as client:
        await start(client)
        await client.send(b"\0\0")
        (ack,) = await hear(client, "audio-ack")
        await act(client)
        (error,) = await hear(client, "error")
        assert (error["code"], error["scope"], error["seq"]) == (code, "connection", ack["seq"])
        await client.send(b"\1\1")
        assert (await hear(client, "audio-ack"))[0]["audio_offset"] == 2


async def test_a_full_hub_says_when_to_come_back(server: Server, hub: EchoHub) -> None:
    hub.max_sessions = 0
    async with server.connect() as client:
        await say(client, "start")
        # A client that does not wait for `ready` has its audio on the way already.
        await client.send(bytes(320))
        message, code = await ending(client)
    assert (message["code"], message["retryable"], message["retry_after"], code) == ("overloaded", True, 2.5, 1013)


async def test_a_defect_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with server.connect() as client:
            await start(client)
            await client.send(b"boom")
            message, _ = await ending(client)
    assert "a defect" in caplog.text
    assert "a defect" not in message["message"]


async def test_configure_reaches_the_session(server: Server, hub: EchoHub) -> None:
    async with server.connect() as client:
        ready = await start(client)
        await say(client, "configure", language="en-US", hotwords=["Matterhorn"])
        await say(client, "finalize")
        await hear(client, "endpoint", "final")
        (configured,) = hub.sessions[ready["session"]].configured
        assert (configured.language, configured.hotwords) == ("en-US", ("Matterhorn",))


# Frames.


async def test_fragments_are_joined_and_pings_between_them_are_answered(server: Server, hub: EchoHub) -> None:
    async with server.connect() as client:
        ready = await start(client)

        async def pieces() -> AsyncIterator[bytes]:
            yield b"ab"
            await (await client.ping())
            yield b""
            yield b"cdef"

        async def letters() -> AsyncIterator[str]:
            for letter in '{"type":"finalize"}':
                yield letter

        await client.send(pieces())
        await client.send(letters())
        await hear(client, "audio-ack", "endpoint", "final")
        assert hub.sessions[ready["session"]].frames == [b"abcdef"]


async def test_what_comes_before_the_clients_close_frame_counts(server: Server, hub: EchoHub) -> None:
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with server.connect() as client:
        ready = await start(client)
        client.transport.pause_reading()
        for _ in range(20):
            await client.send(b"\0\0")
        client.transport.resume_reading()
        await client.close()
        assert client.close_code == 1000
    await left.wait()
    assert len(hub.sessions[ready["session"]].frames) == 20


async def test_masking_is_demanded(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x82\x02\0\0")
    answer = await reader.read()
    assert b'"bad-frame"' in answer
    assert answer[answer.rindex(b"\x88") :][2:4] == (1002).to_bytes(2)
    writer.close()
    await writer.wait_closed()


# Coming and going.


async def test_a_publisher_that_was_cut_off_comes_back_to_what_it_missed(server: Server, hub: EchoHub) -> None:
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    first = await server.connect()
    ready = await start(first)
    await first.send(bytes(320))
    (ack,) = await hear(first, "audio-ack")
    first.transport.abort()
    await left.wait()
    hub.sessions[ready["session"]].end_utterance(EndpointReason.SILENCE)
    async with server.connect() as second:
        await say(second, "attach", session=ready["session"], seq=ack["seq"])
        again, endpoint, final = await hear(second, "ready", "endpoint", "final")
        assert (again["audio_offset"], again["role"]) == (160, "publisher")
        assert [endpoint["seq"], final["seq"]] == [2, 3]


async def test_one_publishes_and_many_watch(server: Server) -> None:
    async with server.connect() as speaker, server.connect() as watcher, server.connect() as rival:
        ready = await start(speaker)
        await say(watcher, "attach", session=ready["session"], role="viewer")
        await hear(watcher, "ready")
        await say(rival, "attach", session=ready["session"])
        message, code = await ending(rival)
        assert (message["code"], code) == ("conflict", 1008)
        await speaker.send(bytes(320))
        assert await hear(speaker, "audio-ack") == await hear(watcher, "audio-ack")
        await watcher.send(bytes(320))
        await say(watcher, "close")
        assert [one["code"] for one in await hear(watcher, "error", "error")] == ["viewer-may-not"] * 2
        await say(speaker, "close")
        await hear(watcher, "endpoint", "final", "closed")
        assert [(await ending(one))[1] for one in (speaker, watcher)] == [1000, 1000]


async def test_a_seq_that_was_not_said_yet_is_refused(server: Server) -> None:
    async with server.connect() as speaker, server.connect() as other:
        ready = await start(speaker)
        await say(other, "attach", session=ready["session"], role="viewer", seq=5)
        message, code = await ending(other)
        assert (message["code"], code) == ("protocol", 1008)


async def test_a_server_that_stops_says_so(hub: EchoHub) -> None:
    async with serve(hub) as server, server.connect() as client, server.connect("/other") as other:
        await start(client)
        await client.send(bytes(320))
        await hear(client, "audio-ack")
        # In the same turn as the stop: what was said before must still arrive.
        next(iter(hub.sessions.values())).end_utterance(EndpointReason.SILENCE)
        stopping = asyncio.ensure_future(server.stop())
        _, _, error = await hear(client, "endpoint", "final", "error")
        assert (error["code"], error["retryable"]) == ("shutting-down", True)
        assert (await ending(client))[1] == 1012
        assert (await ending(other))[1] == 1012
        await stopping


# Back-pressure.


async def test_a_session_without_room_makes_its_client_wait(server: Server, hub: EchoHub) -> None:
    full = asyncio.Event()
    hub.fill_after, hub.acknowledge = 1, False
    hub.on_full = lambda session: full.set()
    size, count = 500_000, 100
    async with server.connect() as client:
        ready = await start(client)
        session = hub.sessions[ready["session"]]

        async def send() -> None:
            for number in range(count):
                await client.send(bytes([number]) * size)

        sending = asyncio.ensure_future(send())
        await full.wait()
        # The hub is alive for others meanwhile.
        for _ in range(5):
            async with server.connect() as other:
                await start(other)
        assert len(session.frames) == 1
        assert not sending.done()
        (lane,) = [one for one in server.uvicorn.server_state.connections if one._attachment]
        assert not lane._transport.is_reading()
        assert sum(len(data) for _, data in lane._held) < 600_000
        hub.on_full = lambda session: asyncio.get_running_loop().call_soon(session.make_room)  # type: ignore[assignment]
        session.make_room()
        await sending
        await say(client, "finalize")
        await hear(client, "endpoint", "final")
    assert [frame[0] for frame in session.frames] == list(range(count))
    assert {len(frame) for frame in session.frames} == {size}


async def test_what_came_with_the_frame_that_filled_the_session_is_kept_in_order(server: Server, hub: EchoHub) -> None:
    hub.fill_after = 3
    hub.on_full = lambda session: asyncio.get_running_loop().call_soon(session.make_room)  # type: ignore[assignment]
    frames = [bytes([number, number]) for number in range(200)]
    async with server.connect() as client:
        ready = await start(client)
        session = hub.sessions[ready["session"]]
        for frame in frames:
            await client.send(frame)
        await say(client, "finalize")
        await say(client, "close")
        got = [json.loads(message)["type"] async for message in client]
        assert got == ["audio-ack"] * 200 + ["endpoint", "final"] * 2 + ["closed"]
        assert client.close_code == 1000
    assert session.frames == frames


async def test_a_session_that_fills_for_good_still_says_good_bye(server: Server, hub: EchoHub) -> None:
    hub.fill_after = 1
    full = asyncio.Event()
    hub.on_full = lambda session: full.set()
    async with server.connect() as client:
        ready = await start(client)
        await client.send(bytes(2))
        await client.send(bytes(2))
        await full.wait()
        hub.sessions[ready["session"]].close()
        message, code = await ending(client)
        assert (message["type"], code) == ("closed", 1000)


def large(session: EchoSession) -> None:
    text = "x" * 100_000
    session.say(lambda seq: Partial(seq=seq, utterance=0, hypothesis=Hypothesis(text=text, start=0, end=0)))


async def talk_past(client: Client, session: EchoSession) -> None:
    """Say more than the sockets between can hold, to a client that does not read."""
    client.transport.pause_reading()
    for _ in range(300):
        large(session)
        await asyncio.sleep(0)


async def test_a_client_that_reads_slowly_misses_nothing_while_it_is_kept(server: Server, hub: EchoHub) -> None:
    async with server.connect() as client:
        ready = await start(client)
        await talk_past(client, hub.sessions[ready["session"]])
        client.transport.resume_reading()
        got = [json.loads(await client.recv())["seq"] for _ in range(300)]
        assert got == list(range(1, 301))


async def test_a_client_that_reads_too_slowly_is_told(server: Server, hub: EchoHub) -> None:
    hub.keep = 5
    async with server.connect() as client:
        ready = await start(client)
        session = hub.sessions[ready["session"]]
        await talk_past(client, session)
        client.transport.resume_reading()
        message, code = await ending(client)
        assert (message["code"], message["retryable"], code) == ("slow-client", True, 1013)
        assert message["seq"] < session.last
    async with server.connect() as client:
        await say(client, "attach", session=ready["session"], seq=session.last)
        await hear(client, "ready")


# The clock. These settings are short, and each test waits for what must happen and for nothing else.

BRISK = LaneSettings(
    ping_interval=0.02, ping_timeout=0.02, start_timeout=0.02, stall_timeout=0.02, close_timeout=0.02, resolution=0.01
)


async def raw(server: Server, *messages: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that answers neither pings nor close frames. Its mask is zero."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**16)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    for message in messages:
        writer.write(b"\x81" + bytes([0x80 | len(message)]) + bytes(4) + message)
    return reader, writer


async def test_a_peer_is_pinged_and_hung_up_on_when_it_is_gone(hub: EchoHub) -> None:
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with serve(hub, settings=BRISK) as server:
        reader, writer = await raw(server, b'{"type":"start"}')
        for _ in range(3):
            await reader.readuntil(b"\x89\x00")
            writer.write(b"\x8a\x80\0\0\0\0")
        assert not left.is_set()
        await reader.read()
        await left.wait()
        writer.close()


async def test_a_client_of_the_library_is_kept_alive(hub: EchoHub) -> None:
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with serve(hub, settings=BRISK) as server:
        async with server.connect(ping_interval=None) as client:
            await start(client)
            reader, writer = await raw(server, b'{"type":"start"}')
            await reader.read()
            # By the time that the mute one was hung up on, this one has answered as many pings.
            await client.send(b"\0\0")
            await hear(client, "audio-ack")
        writer.close()


async def test_who_never_starts_is_shown_out(hub: EchoHub) -> None:
    async with serve(hub, settings=BRISK) as server, server.connect() as client:
        message, code = await ending(client)
        assert (message["code"], code) == ("start-timeout", 1008)


async def test_who_does_not_answer_the_close_frame_is_cut_off(hub: EchoHub) -> None:
    async with serve(hub, settings=BRISK) as server:
        reader, writer = await raw(server, b"{")
        answer = await reader.read()
        assert b'"bad-json"' in answer
        assert answer.endswith(b"\x88\x02\x03\xef")
        writer.close()


async def test_who_reads_nothing_at_all_is_cut_off(hub: EchoHub) -> None:
    left = asyncio.Event()
    seen: list[EchoAttachment] = []

    def note(attachment: EchoAttachment) -> None:
        seen.append(attachment)
        left.set()

    hub.on_detach = note
    async with serve(hub, settings=BRISK) as server:
        async with server.connect(ping_interval=None, close_timeout=0.05) as client:
            ready = await start(client)
            await talk_past(client, hub.sessions[ready["session"]])
            await left.wait()
        assert seen[0].role is Role.PUBLISHER
        assert seen[0].last_seq < 300
