"""Recording clients over Socket.IO, on both transports."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import pytest
from tests.protocols.echo_hub import EchoHub, EchoSession
from tests.protocols.socket_io.serving import Client, serve

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import HubError, RateLimited, Unauthorized
from asr_hub.model import SessionId
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import Closed

pytestmark = pytest.mark.e2e

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])

SAMPLES = b"\x01\x00" * 160


async def begin(client: Client, options: Any = None) -> Any:
    count = len(client.of("recording_started")) + 1
    await client.emit("start_recording", *([] if options is None else [options]))
    return await client.wait_for("recording_started", count=count)


@TRANSPORTS
async def test_two_recordings_on_one_connection(transport: str) -> None:
    hub = EchoHub()
    async with serve(hub) as server, Client(server.url, transport=transport) as client:
        connected = await client.wait_for("connected")
        assert connected == await client.wait_for("session")
        assert connected["session_id"]
        assert not hub.sessions
        for number in (1, 2):
            started = await begin(client, {"sample_rate": 8000})
            for _ in range(number):
                await client.emit("audio_data", SAMPLES)
            await client.emit("stop_recording")
            result = await client.wait_for("final_result", count=number)
            assert result["paraformer"] == result["llm_merged"] == f"{320 * number} bytes"
            assert result["session_id"] == started["session_id"]
            assert result["duration_ms"] == 20 * number
        names = [name for name, _ in client.events if name != "transcription"]
        assert names[:2] == ["connected", "session"]
        assert names[2:] == ["recording_started", "recording_stopped", "final_result"] * 2


@TRANSPORTS
async def test_audio_in_every_shape_arrives_whole_and_in_order(transport: str) -> None:
    hub = EchoHub()
    pieces = [struct.pack("<4h", *[number] * 4) for number in range(1, 41)]
    async with serve(hub) as server, Client(server.url, transport=transport) as client:
        started = await begin(client)
        for number, piece in enumerate(pieces):
            text = base64.b64encode(piece).decode()
            await client.emit("audio_data", [piece, {"audio": piece}, text, {"audio": text}][number % 4])
        await client.emit("stop_recording")
        await client.wait_for("final_result")
        assert hub.sessions[SessionId(started["session_id"])].frames == pieces


@TRANSPORTS
async def test_200_audio_events_keep_their_order_while_the_session_has_room_for_one(transport: str) -> None:
    hub = EchoHub()
    hub.fill_after = 1

    def slowly(session: EchoSession) -> None:
        loop = asyncio.get_running_loop()

        def turn(left: int) -> None:
            loop.call_soon(turn, left - 1) if left else session.make_room()

        turn(1 + len(session.frames) % 5)

    hub.on_full = slowly
    sent = [struct.pack("<160h", *[number] * 160) for number in range(1, 201)]
    async with serve(hub) as server, Client(server.url, transport=transport) as client:
        started = await begin(client)
        for piece in sent:
            await client.emit("audio_data", piece)
        await client.emit("stop_recording")
        result = await client.wait_for("final_result")
        assert hub.sessions[SessionId(started["session_id"])].frames == sent
        assert result["paraformer"] == f"{200 * 320} bytes"


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        ("audio_data", (SAMPLES,), "not-started"),
        ("stop_recording", (), "not-started"),
        ("start_recording", ("en",), "wrong-type"),
        ("start_recording", ({"provider": "none"},), "not-found"),
        ("start_recording", ({"hotwords": ["\n"]},), "bad-value"),
        ("begin", (), "unknown-message"),
    ],
)
async def test_mistakes_before_a_recording_are_named_and_a_recording_may_follow(
    event: str, args: tuple[Any, ...], code: str
) -> None:
    async with serve(EchoHub()) as server, Client(server.url) as client:
        answer = await client.call(event, *args)
        assert answer == await client.wait_for("error")
        assert answer["code"] == code
        await begin(client)
        await client.emit("stop_recording")
        assert (await client.wait_for("final_result"))["paraformer"] == "0 bytes"


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        ("start_recording", (), "already-started"),
        ("audio_data", (), "wrong-type"),
        ("audio_data", (7,), "wrong-type"),
        ("audio_data", ("?",), "bad-value"),
        ("audio_data", (b"",), "empty-audio"),
        ("audio_data", (b"x" * 5000,), "frame-too-large"),
        ("audio_data", (b"boom",), "internal"),
    ],
)
async def test_mistakes_in_a_recording_are_named_and_lose_nothing(event: str, args: tuple[Any, ...], code: str) -> None:
    async with serve(EchoHub(), limits=Limits(max_audio_bytes=4096)) as server, Client(server.url) as client:
        await begin(client)
        await client.call("audio_data", SAMPLES)
        assert (await client.call(event, *args))["code"] == code
        await client.call("audio_data", SAMPLES)
        await client.emit("stop_recording")
        assert (await client.wait_for("final_result"))["paraformer"] == "640 bytes"
        assert [it["code"] for it in client.of("error")] == [code]


async def test_audio_that_comes_after_stop_is_no_error() -> None:
    hub = EchoHub()
    async with serve(hub) as server, Client(server.url) as client:
        started = await begin(client)
        session = hub.sessions[SessionId(started["session_id"])]
        session.close = lambda: None  # type: ignore[method-assign]
        await client.emit("stop_recording")
        assert await client.call("audio_data", SAMPLES) == {"ok": True}
        assert await client.call("stop_recording") == {"ok": True}
        session.close = lambda: EchoSession.close(session)  # type: ignore[method-assign]
        session.close()
        assert (await client.wait_for("final_result"))["paraformer"] == "0 bytes"
        assert not client.of("error")


async def test_a_session_that_the_hub_closes_ends_the_recording_with_its_result() -> None:
    hub = EchoHub()
    async with serve(hub) as server, Client(server.url) as client:
        session = hub.sessions[SessionId((await begin(client))["session_id"])]
        await client.call("audio_data", SAMPLES)
        session.over_at = session.last + 1
        session.say(lambda seq: Closed(seq=seq, reason="shutdown", audio_offset=160))
        assert (await client.wait_for("recording_stopped"))["reason"] == "shutdown"
        assert (await client.wait_for("final_result"))["reason"] == "shutdown"


async def test_a_key_without_audio_left_gets_the_result_of_what_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = EchoHub()
    async with serve(hub) as server, Client(server.url) as client:
        session = hub.sessions[SessionId((await begin(client))["session_id"])]
        await client.call("audio_data", SAMPLES)

        def push(audio: bytes) -> bool:
            raise RateLimited("no audio is left; come back later", code="audio-quota", retry_after=9.0)

        monkeypatch.setattr(session.attached[0], "push", push)
        assert (await client.call("audio_data", SAMPLES))["retry_after"] == 9.0
        assert (await client.wait_for("recording_stopped"))["reason"] == "rate-limited"
        assert (await client.wait_for("final_result"))["paraformer"] == "320 bytes"


class Door:
    """Lets everybody in, until it is told to refuse."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.refusal: HubError | None = None

    def admit(self, secret: str | None) -> Grant:
        self.seen.append(secret)
        if self.refusal is not None:
            raise self.refusal
        return ANYBODY


@TRANSPORTS
@pytest.mark.parametrize(
    "refusal",
    [
        Unauthorized("this key has expired; get a new one", code="expired"),
        RateLimited("too many requests; come back later", retry_after=7.0),
    ],
    ids=lambda refusal: refusal.code,
)
async def test_each_recording_is_let_in_anew(transport: str, refusal: HubError) -> None:
    hub, door = EchoHub(), Door()
    async with serve(hub, door=door) as server:
        client = Client(server.url, transport=transport)
        await client.connect(auth={"token": "k-1"})
        await begin(client)
        await client.emit("stop_recording")
        await client.wait_for("final_result")
        assert door.seen == ["k-1"] * 2
        door.refusal = refusal
        answer = await client.call("start_recording")
        assert answer == await client.wait_for("error")
        assert (answer["code"], answer["retry_after"]) == (refusal.code, refusal.retry_after)
        assert len(hub.sessions) == 1
        door.refusal = None
        await begin(client)
        assert door.seen == ["k-1"] * 4
        await client.__aexit__()


async def test_a_recorder_shows_no_key() -> None:
    async with serve(EchoHub(), door=Door()) as server:
        client = Client(server.url)
        await client.connect(auth={"token": "k-secretive"})
        await begin(client)
        (recorder,) = server.mount._clients.values()
        assert "secretive" not in repr((recorder, vars(recorder)))
        await client.__aexit__()


@TRANSPORTS
async def test_a_recorder_that_vanishes_has_its_session_closed(transport: str) -> None:
    hub = EchoHub()
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    async with serve(hub) as server:
        async with Client(server.url, transport=transport) as client:
            session = hub.sessions[SessionId((await begin(client))["session_id"])]
            await client.call("audio_data", SAMPLES)
        async with asyncio.timeout(60):
            await left.wait()
        assert session.over_at is not None
        assert server.mount.clients == 0


async def test_who_only_makes_mistakes_is_disconnected() -> None:
    async with serve(EchoHub(), limits=Limits(max_errors=3)) as server, Client(server.url) as client:
        for _ in range(4):
            await client.emit("audio_data", SAMPLES)
        await client.gone()
        assert [it["code"] for it in client.of("error")] == ["not-started"] * 3 + ["too-many-errors"]
