"""The lane under bytes that no client would send: whatever comes, the connection ends cleanly."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.echo_hub import EchoHub
from tests.protocols.serving import echo
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from asr_hub.protocols.websocket import LaneSettings, websocket_lane
from asr_hub.wire.conversation import Limits
from asr_hub.wire.refusal import ENDINGS

pytestmark = pytest.mark.unit

HANDSHAKE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class FakeTransport(asyncio.Transport):
    """Remembers what is written, one entry per write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_over = False
        self.is_paused = False
        self.has_eof = False

    def write(self, data: Any) -> None:
        assert not self.has_eof, "written after the end"
        self.written.append(bytes(data))

    def write_eof(self) -> None:
        self.has_eof = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Scene:
    """A lane on a fake transport. Use within an event loop."""

    def __init__(self, hub: EchoHub, settings: LaneSettings | None = None) -> None:
        config = uvicorn.Config(echo, lifespan="off", log_config=None)
        config.load()
        self.failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: self.failures.append(context))
        self.hub = hub
        self.state = ServerState()
        self.transport = FakeTransport()
        self.lane: Any = websocket_lane(
            hub, limits=Limits(max_audio_bytes=4096, max_text_bytes=1024), settings=settings
        )(config, self.state, {})  # type: ignore[call-arg]
        self.lane.connection_made(self.transport)

    async def receive(self, *chunks: bytes) -> None:
        for chunk in chunks:
            if self.transport.is_over:
                return
            self.lane.data_received(chunk)
            await asyncio.sleep(0)

    async def end(self) -> None:
        if not self.transport.is_over:
            self.lane.eof_received()
        self.lane.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not self.failures
        assert len(self.lane._shared.wheel) == 0
        assert not self.state.connections
        assert all(not session.attached for session in self.hub.sessions.values())

    def said(self) -> list[Frame]:
        """What the server wrote after the handshake, read by the library's own client."""
        head, _, rest = b"".join(self.transport.written).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        client = ClientProtocol(parse_uri("ws://h/"), state=OPEN, max_size=None)
        client.receive_data(rest)
        assert client.parser_exc is None
        return [event for event in client.events_received() if isinstance(event, Frame)]


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    """Written by hand, so that it may be wrong. The mask is zero."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return bytes([(0x80 if fin else 0) | opcode]) + size + bytes(4) + data


def check(frames: list[Frame]) -> None:
    for number, one in enumerate(frames):
        if one.opcode is Opcode.CLOSE:
            assert number == len(frames) - 1, "something follows the close frame"
        elif one.opcode is Opcode.TEXT:
            message = json.loads(bytes(one.data))
            if message["type"] == "error":
                assert message["code"] in ENDINGS


def play(chunks: list[bytes], *, fill_after: int | None = None) -> None:
    async def main() -> None:
        hub = EchoHub()
        hub.fill_after = fill_after
        hub.on_full = lambda session: asyncio.get_running_loop().call_soon(session.make_room)  # type: ignore[assignment]
        scene = Scene(hub)
        await scene.receive(HANDSHAKE, *chunks)
        await scene.end()
        check(scene.said())

    asyncio.run(main())


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The same bytes in other pieces."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


cuts = st.lists(st.integers(0, 10_000), max_size=8)
texts = st.sampled_from(
    [
        b'{"type":"start"}',
        b'{"type":"attach","session":"websocket-1","role":"viewer"}',
        b'{"type":"finalize"}',
        b'{"type":"clear"}',
        b'{"type":"configure","language":"en"}',
        b'{"type":"close"}',
        b"{",
        b"\xff",
        b" " * 1100,
    ]
)
frames = st.one_of(
    st.builds(frame, st.just(Opcode.TEXT), texts),
    st.builds(frame, st.just(Opcode.BINARY), st.integers(0, 300).map(lambda n: bytes(2 * n))),
    st.builds(frame, st.sampled_from(Opcode), st.binary(max_size=100), st.booleans()),
    st.builds(frame, st.just(Opcode.CLOSE), st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00", b"\x00\x00"])),
    st.integers(4095, 4098).map(lambda size: frame(Opcode.BINARY, bytes(size))),
    st.just(b"\x82\x7f" + b"\xff" * 12),
    st.binary(max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(frames, max_size=12), cuts, st.booleans())
def test_any_frames_in_any_pieces(script: list[bytes], at: list[int], is_begun: bool) -> None:
    opening = frame(Opcode.TEXT, b'{"type":"start"}') if is_begun else b""
    play(cut(opening + b"".join(script), at))


@settings(max_examples=60, deadline=None)
@given(st.lists(frames, max_size=12), cuts, st.integers(1, 3))
def test_any_frames_into_a_session_that_fills_up(script: list[bytes], at: list[int], fill_after: int) -> None:
    play(cut(frame(Opcode.TEXT, b'{"type":"start"}') + b"".join(script), at), fill_after=fill_after)


def texts_of(frames: list[Frame]) -> list[bytes]:
    # Not pongs and the close code: a parser that is ahead of the session answers a close frame before what led to it.
    return [bytes(one.data) for one in frames if one.opcode is Opcode.TEXT]


def outcome(chunks: list[bytes], *, is_quick: bool) -> tuple[list[bytes], list[bytes], bool]:
    """What the session was given, what the client was told, and whether the connection was ended."""

    async def main() -> tuple[list[bytes], list[bytes], bool]:
        hub = EchoHub()
        scene = Scene(hub, LaneSettings(is_quick=is_quick))
        await scene.receive(HANDSHAKE, frame(Opcode.TEXT, b'{"type":"start"}'))
        await scene.receive(*chunks)
        has_ended = scene.transport.is_over or scene.transport.has_eof
        await scene.end()
        (session,) = hub.sessions.values()
        return session.frames, texts_of(scene.said()), has_ended

    return asyncio.run(main())


awkward = st.one_of(
    frames,
    st.sampled_from(
        [
            b"\x82\xfe\x00\x04" + bytes(4) + b"abcd",  # a length that should have been shorter
            b"\x82\xff" + (4).to_bytes(8) + bytes(4) + b"abcd",
            b"\x82\x04abcd",  # no mask
            b"\xc2\x84" + bytes(4) + b"abcd",  # a reserved bit
            b"\x02\x84" + bytes(4) + b"abcd",  # a first fragment
            b"\x80\x84" + bytes(4) + b"abcd",  # a last fragment
            b"\x89\x80" + bytes(4),
            b"\x88\x80" + bytes(4),
            b"\x82\x84\x01\x02\x03\x04abcd",
            b"\x82\x8a" + bytes(4) + b"\x82\x84" + bytes(4) + b"abcd",  # audio that looks like a frame
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(awkward, max_size=10), st.none() | cuts)
def test_the_way_past_the_parser_leads_to_the_same_place(script: list[bytes], at: list[int] | None) -> None:
    chunks = script if at is None else cut(b"".join(script), at)
    assert outcome(chunks, is_quick=True) == outcome(chunks, is_quick=False)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), cuts)
def test_any_bytes_after_the_handshake(data: bytes, at: list[int]) -> None:
    play(cut(data, at))


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda tail: b"GET /v1/stream " + tail),
        st.binary(max_size=100).map(lambda tail: b"GET /v1/stream HTTP/1.1\r\n" + tail + b"\r\n\r\n"),
        st.integers(0, len(HANDSHAKE)).map(lambda place: HANDSHAKE[:place] + b"\0" + HANDSHAKE[place:]),
    ),
    cuts,
)
def test_any_request_is_answered_or_hung_up_on(data: bytes, at: list[int]) -> None:
    async def main() -> None:
        scene = Scene(EchoHub())
        await scene.receive(*cut(data, at))
        if scene.lane._inner is None:
            if written := b"".join(scene.transport.written):
                assert written.startswith(b"HTTP/1.1 ")
            await scene.end()

    asyncio.run(main())


@settings(max_examples=50, deadline=None)
@given(cuts, st.binary(max_size=30))
def test_the_handshake_may_come_in_pieces_and_frames_right_behind_it(at: list[int], audio: bytes) -> None:
    async def main() -> None:
        hub = EchoHub()
        scene = Scene(hub)
        whole = HANDSHAKE + frame(Opcode.TEXT, b'{"type":"start"}') + frame(Opcode.BINARY, b"\0\0" + audio * 2)
        await scene.receive(*cut(whole, at))
        await asyncio.sleep(0)
        assert [session.frames for session in hub.sessions.values()] == [[b"\0\0" + audio * 2]]
        types = [json.loads(bytes(one.data))["type"] for one in scene.said()]
        assert types == ["ready", "audio-ack"]
        await scene.end()

    asyncio.run(main())


def test_a_request_without_end_is_hung_up_on() -> None:
    async def main() -> None:
        scene = Scene(EchoHub())
        await scene.receive(b"GET /v1/stream HTTP/1.1\r\n", *[b"x: " + b"y" * 1000 + b"\r\n"] * 100)
        assert scene.transport.is_over
        await scene.end()

    asyncio.run(main())


def test_what_is_said_in_one_turn_is_written_at_once() -> None:
    async def main() -> None:
        hub = EchoHub()
        scene = Scene(hub)
        await scene.receive(HANDSHAKE, frame(Opcode.TEXT, b'{"type":"start"}'))
        before = len(scene.transport.written)
        await scene.receive(frame(Opcode.BINARY, b"\0\0") * 5 + frame(Opcode.TEXT, b'{"type":"finalize"}'))
        assert len(scene.transport.written) == before + 1
        assert len(scene.said()) == 8
        await scene.end()

    asyncio.run(main())


def test_nothing_is_read_from_the_session_while_the_transport_is_full() -> None:
    async def main() -> None:
        hub = EchoHub()
        scene = Scene(hub)
        await scene.receive(HANDSHAKE, frame(Opcode.TEXT, b'{"type":"start"}'))
        scene.lane.pause_writing()
        await scene.receive(frame(Opcode.BINARY, b"\0\0") * 5)
        assert len(scene.said()) == 1
        scene.lane.resume_writing()
        scene.lane.pause_writing()
        await asyncio.sleep(0)
        assert len(scene.said()) == 1
        scene.lane.resume_writing()
        await asyncio.sleep(0)
        assert len(scene.said()) == 6
        await scene.end()

    asyncio.run(main())


def test_the_error_is_not_overtaken_by_a_reset() -> None:
    async def main() -> None:
        scene = Scene(EchoHub())
        await scene.receive(HANDSHAKE, frame(Opcode.TEXT, b'{"type":"start"}'), frame(Opcode.BINARY, bytes(5000))[:100])
        # Closing a socket with unread bytes resets it: only this side is closed, and the peer's bytes are still read.
        assert (scene.transport.has_eof, scene.transport.is_over) == (True, False)
        await scene.receive(bytes(4900), frame(Opcode.BINARY, b"\0\0"))
        *_, error, close = scene.said()
        assert json.loads(bytes(error.data))["code"] == "frame-too-large"
        assert close.opcode is Opcode.CLOSE
        await scene.end()

    asyncio.run(main())


def test_fragments_without_end_and_content_take_no_memory() -> None:
    async def main() -> None:
        scene = Scene(EchoHub())
        await scene.receive(HANDSHAKE, frame(Opcode.TEXT, b'{"type":"start"}'), frame(Opcode.BINARY, b"\0\0", False))
        await scene.receive(*[frame(Opcode.CONT, b"", False) * 1000] * 20)
        assert len(scene.lane._fragments) == 2
        await scene.end()

    asyncio.run(main())
