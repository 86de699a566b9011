"""Who is let in, what is hostile, and what is left of it: Socket.IO from outside of its libraries."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import logging
import random
from typing import Any

import httpx
import pytest
from tests.protocols.echo_hub import EchoHub
from tests.protocols.socket_io.serving import NATIVE, Client, Server, serve
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import RateLimited, Unauthorized
from asr_hub.protocols.origins import Pages
from asr_hub.protocols.socket_io.mount import MAX_CONNECTS, MAX_PACKETS, MAX_PACKETS_OUTSIDE, SocketIoSettings
from asr_hub.wire.conversation import Limits

pytestmark = pytest.mark.e2e

SAMPLES = b"\x01\x00" * 160
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])
QUERY = "EIO=4&transport=polling"


class Door:
    """One key, which may come five times."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.times = 0

    def admit(self, secret: str | None) -> Grant:
        self.seen.append(secret)
        if secret != "k-1":
            raise Unauthorized("no such key, or it has expired; ask for another")
        self.times += 1
        if self.times > 5:
            raise RateLimited("too many requests; come back later", retry_after=7.0)
        return ANYBODY


class Polls:
    """A client that polls, by hand."""

    def __init__(self, http: httpx.AsyncClient, sid: str) -> None:
        self.http = http
        self.sid = sid

    @classmethod
    async def open(cls, server: Server, http: httpx.AsyncClient) -> Polls:
        answer = await http.get(f"{server.url}/socket.io/?{QUERY}")
        assert answer.status_code == 200, answer.text
        return cls(http, json.loads(answer.text.split("\x1e")[0][1:])["sid"])

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        url = f"/socket.io/?{QUERY}&sid={self.sid}"
        return await self.http.post(url, content=body, headers=headers)

    async def get(self) -> httpx.Response:
        return await self.http.get(f"/socket.io/?{QUERY}&sid={self.sid}")


@contextlib.asynccontextmanager
async def http(server: Server) -> Any:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        yield client


def raw(server: Server, query: str = "EIO=4&transport=websocket", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/socket.io/?{query}", compression=None, **options)


async def joined(socket: ClientConnection, namespace: str = NATIVE) -> None:
    assert str(await socket.recv()).startswith("0{")
    await socket.send(f"40{namespace}," if namespace != "/" else "40")
    while not str(await socket.recv()).startswith("40"):
        pass


# Keys and origins.


@TRANSPORTS
@pytest.mark.parametrize("namespace", ["/", NATIVE])
async def test_a_key_comes_with_auth_a_header_or_the_query(namespace: str, transport: str) -> None:
    door = Door()
    async with serve(EchoHub(), door=door) as server:
        for url, options in (
            (server.url, {"auth": {"token": "k-1"}}),
            (server.url, {"headers": {"Authorization": "Bearer k-1"}}),
            (server.url, {"headers": {"X-API-Key": "k-1"}}),
            (f"{server.url}/?token=k-1", {}),
        ):
            client = Client(url, namespace, transport=transport)
            await client.connect(**options)
            async with asyncio.timeout(60):
                await client.__aexit__()
        assert door.seen == ["k-1"] * 4


@TRANSPORTS
@pytest.mark.parametrize("namespace", ["/", NATIVE])
@pytest.mark.parametrize("auth", [None, {}, {"token": "k-2"}, {"token": 7}, ["k-1"], "k-1"])
async def test_without_a_good_key_the_connection_is_refused_by_name(
    namespace: str, transport: str, auth: object
) -> None:
    async with serve(EchoHub(), door=Door()) as server:
        client = Client(server.url, namespace, transport=transport)
        with pytest.raises(Exception, match="One or more namespaces failed to connect"):
            await client.connect(auth=auth)
        (error,) = client.of("connect_error")
        code = "wrong-type" if auth == {"token": 7} else "unauthorized"
        assert error["data"]["code"] == code
        assert error["message"] == error["data"]["message"]
        await client.__aexit__()
        assert server.mount.clients == 0


async def test_a_key_over_its_limit_is_told_when_to_come_back() -> None:
    door = Door()
    door.times = 5
    async with serve(EchoHub(), door=door) as server:
        client = Client(server.url)
        with pytest.raises(Exception, match="failed to connect"):
            await client.connect(auth={"token": "k-1"})
        assert client.of("connect_error")[0]["data"] == {
            "code": "rate-limited",
            "message": "too many requests; come back later",
            "retryable": True,
            "retry_after": 7.0,
        }
        await client.__aexit__()


async def test_a_defect_of_the_door_is_told_as_one() -> None:
    class Broken:
        def admit(self, secret: str | None) -> Grant:
            raise RuntimeError("a defect")

    async with serve(EchoHub(), door=Broken()) as server:
        client = Client(server.url)
        with pytest.raises(Exception, match="failed to connect"):
            await client.connect()
        assert client.of("connect_error")[0]["data"]["code"] == "internal"
        await client.__aexit__()


async def test_a_foreign_page_is_refused_with_a_status_on_both_transports() -> None:
    async with serve(EchoHub()) as server, http(server) as client:
        answer = await client.get(f"/socket.io/?{QUERY}", headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign-origin")
        assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(InvalidStatus) as caught:
            async with raw(server, origin="https://evil.example"):
                pass
        response = caught.value.response
        assert response.status_code == 403
        assert json.loads(response.body)["error"]["code"] == "foreign-origin"


async def test_an_allowed_page_may_read_the_answer() -> None:
    settings = SocketIoSettings(pages=Pages(("https://asr.example.org",)))
    async with serve(EchoHub(), settings=settings) as server, http(server) as client:
        origin = {"Origin": "https://asr.example.org"}
        answer = await client.get(f"/socket.io/?{QUERY}", headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://asr.example.org"
        asked = await client.options(f"/socket.io/?{QUERY}", headers=origin)
        assert asked.status_code == 200
        assert "POST" in asked.headers["access-control-allow-methods"]
        local = await client.get(f"/socket.io/?{QUERY}", headers={"Origin": "http://localhost:3000"})
        assert local.status_code == 403


# Requests that are none.


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=3&transport=polling", "unsupported-version"),
        ("transport=polling", "unsupported-version"),
        ("", "unsupported-version"),
        ("EIO=4&transport=carrier-pigeon", "bad-value"),
        ("EIO=4&transport=polling&j=0", "bad-request"),
        ("EIO=4&transport=polling&sid=nobody", "unknown-connection"),
        ("EIO=4&transport=polling&" + "a=1&" * 200, "bad-value"),
    ],
)
async def test_a_request_that_cannot_be_served_has_a_named_400(query: str, code: str) -> None:
    async with serve(EchoHub()) as server, http(server) as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, f"/socket.io/?{query}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        with pytest.raises(InvalidStatus) as caught:
            async with raw(server, query):
                pass
        assert caught.value.response.status_code == 400


async def test_everything_else_is_the_applications() -> None:
    async with serve(EchoHub()) as server, http(server) as client:
        assert (await client.get("/health")).status_code == 204
        assert (await client.get("/socket.io.js")).status_code == 204
        assert (await client.get("/socket.io/socket.io.js")).status_code == 204
        assert (await client.delete(f"/socket.io/?{QUERY}")).status_code == 400


# Hostile clients.


@pytest.mark.parametrize(
    "frames",
    [
        ["42/v1/stream,[7]"],
        ["42/v1/stream,[" + "[" * 50_000],
        ['42/v1/stream,["disconnect"]'],
        ['42/v1/stream,["connect",{},{"token":"k"}]'],
        ['459999999-/v1/stream,["audio",{"_placeholder":true,"num":0}]'],
        ['451-/v1/stream,["audio",{"_placeholder":true,"num":9}]', b"12"],
        ['451-/v1/stream,["audio",{"_placeholder":true,"num":0}]', "42/v1/stream,[]"],
    ],
    ids=lambda frames: repr(frames)[:50],
)
async def test_a_packet_that_is_none_is_told_and_ends_the_connection(frames: list[str | bytes]) -> None:
    async with serve(EchoHub()) as server, raw(server) as socket:
        await joined(socket)
        for frame in frames:
            await socket.send(frame)
        assert '"code":"bad-frame"' in str(await socket.recv())
        assert str(await socket.recv()) == "41/v1/stream,"
        assert server.mount.clients == 0


@pytest.mark.parametrize("frame", ["", "x", "²", "4" + "[" * 100_000, b""], ids=lambda frame: repr(frame)[:20])
async def test_a_frame_that_is_not_of_engine_io_hurts_nobody(frame: str | bytes) -> None:
    async with serve(EchoHub()) as server, Client(server.url, NATIVE) as other, raw(server) as socket:
        await joined(socket)
        await socket.send(frame)
        with contextlib.suppress(ConnectionClosed):
            await socket.send('42/v1/stream,1["message",{"type":"start"}]')
            await socket.recv()
        assert await other.call("message", {"type": "start"}) == {"ok": True}
        assert await other.call("audio", SAMPLES) == {"ok": True}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"\xff\xfe", 400, "bad-frame"),
        (b"x", 400, "bad-frame"),
        (b"bAAA", 400, "bad-frame"),
        (b"\x1e", 400, "bad-frame"),
        (b"2", 400, "bad-frame"),
        (b"9", 400, "bad-frame"),
        (b"1\x1e40/v1/stream,", 400, "bad-frame"),
        (b"d=42", 400, "bad-frame"),
        (b"\x1e".join([b"3"] * (MAX_PACKETS + 1)), 400, "bad-frame"),
        (b"4" * 100_000, 413, "frame-too-large"),
    ],
    ids=[
        "no-utf8",
        "no-packet",
        "no-base64",
        "empty",
        "ping",
        "unknown",
        "after-its-end",
        "jsonp",
        "too-many",
        "too-large",
    ],
)
async def test_a_request_that_would_be_lost_is_refused_and_ends_the_connection(
    body: bytes, status: int, code: str
) -> None:
    async with serve(EchoHub(), limits=Limits(max_audio_bytes=4096)) as server, http(server) as client:
        polls = await Polls.open(server, client)
        await polls.post("40/v1/stream,")
        assert server.mount.clients == 1
        answer = await polls.post(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert server.mount.clients == 0


CONNECTS = pytest.mark.parametrize("connect", ["40/v1/stream,", '4"0/v1/stream,"', "4\u0660/v1/stream,"], ids=ascii)


@pytest.mark.parametrize(
    ("packet", "few"),
    [
        ("40/v1/stream,", MAX_CONNECTS),
        ("40/nowhere,", MAX_CONNECTS),
        ('42["x"]', MAX_PACKETS_OUTSIDE),
        ("41", MAX_PACKETS_OUTSIDE),
        ("3", MAX_PACKETS_OUTSIDE),
    ],
)
async def test_who_is_in_no_namespace_says_little_in_one_request(packet: str, few: int) -> None:
    door = Door()
    async with serve(EchoHub(), door=door) as server, http(server) as client:
        taken: list[Any] = []
        told = server.mount.sio.eio.handlers["message"]

        async def watch(sid: str, data: Any) -> None:
            taken.append(data)
            await told(sid, data)

        server.mount.sio.eio.on("message", watch)
        polls = await Polls.open(server, client)
        assert (await polls.post("\x1e".join([packet] * few))).status_code == 200
        before = len(taken), len(door.seen)
        for many in (few + 1, MAX_PACKETS_OUTSIDE + 1, MAX_PACKETS):
            polls = await Polls.open(server, client)
            answer = await polls.post("\x1e".join([packet] * many))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad-frame")
            assert polls.sid not in server.mount.sio.environ
        assert (len(taken), len(door.seen)) == before


@CONNECTS
async def test_one_request_connects_a_few_times_and_no_more(connect: str) -> None:
    hub, door = EchoHub(), Door()
    async with serve(hub, door=door) as server, http(server) as client:
        polls = await Polls.open(server, client)
        await polls.post('40/v1/stream,{"token":"k-1"}')
        assert server.mount.clients == 1
        few = [connect] * MAX_CONNECTS
        assert (await polls.post("\x1e".join(["41/v1/stream,", '40/v1/stream,{"token":"k-1"}', *few[1:]]))).is_success
        assert server.mount.clients == 1
        before = len(door.seen)
        answer = await polls.post("\x1e".join(["41/v1/stream,", *few, connect]))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad-frame")
        assert len(door.seen) == before
        assert server.mount.clients == 0


@pytest.mark.parametrize("packet", ['42["x"]', '42/nowhere,["x"]', "41", "43/v1/stream,[]"])
async def test_others_have_their_turn_while_a_large_request_is_worked_off(packet: str) -> None:
    async with serve(EchoHub()) as server, http(server) as client:
        sio = server.mount.sio
        taken: collections.Counter[int] = collections.Counter()
        turns = 0

        def watched(real: Any) -> Any:
            async def watch(*args: Any) -> None:
                taken[turns] += 1
                await real(*args)

            return watch

        for name in ("_handle_event", "_handle_disconnect", "_handle_ack"):
            setattr(sio, name, watched(getattr(sio, name)))

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        polls = await Polls.open(server, client)
        await polls.post("40/v1/stream,")
        turning = asyncio.create_task(turn())
        assert (await polls.post("\x1e".join([packet] * 1000))).status_code == 200
        turning.cancel()
        await asyncio.wait([turning])
        assert taken.total() == 1000
        assert max(taken.values()) < 100


async def test_a_request_of_as_many_packets_as_are_taken_is_worked_off() -> None:
    hub = EchoHub()
    hub.acknowledge = False
    async with serve(hub) as server, http(server) as client:
        polls = await Polls.open(server, client)
        await polls.post("40/v1/stream,")
        start = '42/v1/stream,["message",{"type":"start"}]'
        header = '451-/v1/stream,["audio",{"_placeholder":true,"num":0}]'
        pieces = [header, "bAQA="] * 1000
        assert (await polls.post("\x1e".join([start, *pieces]))).status_code == 200
        (session,) = hub.sessions.values()
        assert session.frames == [b"\x01\x00"] * 1000


async def test_a_body_in_chunks_is_read_whole() -> None:
    async def chunks() -> Any:
        for piece in ('40/v1/stream,\x1e42/v1/stream,["message"', ',{"type":"start"}]'):
            yield piece.encode()

    hub = EchoHub()
    async with serve(hub) as server, http(server) as client:
        polls = await Polls.open(server, client)
        assert (await polls.post(chunks())).status_code == 200
        assert len(hub.sessions) == 1


async def test_two_requests_at_once_are_not_two_orders_of_one_stream() -> None:
    hub = EchoHub()
    hub.fill_after = 1
    full = asyncio.Event()
    hub.on_full = lambda session: full.set()
    async with serve(hub) as server, http(server) as client:
        polls = await Polls.open(server, client)
        start = '40/v1/stream,\x1e42/v1/stream,["message",{"type":"start"}]'
        audio = '451-/v1/stream,["audio",{"_placeholder":true,"num":0}]\x1ebAQA='
        first = asyncio.create_task(polls.post(f"{start}\x1e{audio}"))
        async with asyncio.timeout(60):
            await full.wait()
        second = await polls.post(audio)
        assert second.status_code == 400
        await first
        assert server.mount.clients == 0


async def test_a_connection_without_a_namespace_is_ended() -> None:
    settings = SocketIoSettings(start_timeout=0.1)
    async with serve(EchoHub(), settings=settings) as server, raw(server) as socket:
        assert str(await socket.recv()).startswith("0{")
        async with asyncio.timeout(60):
            assert await socket.recv() == "1"
        assert not server.mount.sio.environ


@TRANSPORTS
async def test_a_client_that_answers_no_ping_lets_go_of_its_session(transport: str) -> None:
    hub = EchoHub()
    left = asyncio.Event()
    hub.on_detach = lambda attachment: left.set()
    settings = SocketIoSettings(ping_interval=0.1, ping_timeout=0.2)
    async with serve(hub, settings=settings) as server, http(server) as client, raw(server) as socket:
        if transport == "websocket":
            await joined(socket)
            await socket.send('42/v1/stream,["message",{"type":"start"}]')
        else:
            polls = await Polls.open(server, client)
            await polls.post('40/v1/stream,\x1e42/v1/stream,["message",{"type":"start"}]')
        async with asyncio.timeout(60):
            await left.wait()
        (session,) = hub.sessions.values()
        assert session.over_at is None


async def test_a_client_that_fetches_no_answers_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_hub.protocols.socket_io.mount.MAX_WAITING", 100)
    async with serve(EchoHub()) as server, http(server) as client:
        polls = await Polls.open(server, client)
        await polls.post("40/v1/stream,")
        await polls.post('42/v1/stream,["message",{"type":"start"}]')
        audio = ['451-/v1/stream,1["audio",{"_placeholder":true,"num":0}]', "bAQA="]
        answers = [await polls.post("\x1e".join(audio * 90)) for _ in range(3)]
        assert [answer.status_code for answer in answers][:1] == [200]
        assert answers[-1].status_code in (400, 413)
        assert server.mount.clients == 0


async def test_200_ugly_connections_leave_nothing() -> None:
    hub = EchoHub()
    chance = random.Random(4)
    settings = SocketIoSettings(ping_interval=0.5, ping_timeout=0.5, start_timeout=0.5)
    pieces = (
        ["40", "40/v1/stream,", '40/v1/stream,{"token":"k"}', "40/nowhere,", "41", "41/v1/stream,"],
        ['42/v1/stream,["message",{"type":"start"}]', '42["start_recording"]', '42["stop_recording"]'],
        ['451-["audio_data",{"_placeholder":true,"num":0}]', '451-/v1/stream,["audio",{"_placeholder":true,"num":0}]'],
        [b"\x01\x00" * 80, b"", "", "1", "2probe", "3", "5", "6", "x", "42[", '42/v1/stream,["disconnect"]'],
    )
    flat = [piece for group in pieces for piece in group]

    async def ugly(server: Server, client: httpx.AsyncClient, seed: int) -> None:
        chance = random.Random(seed)
        with contextlib.suppress(ConnectionClosed, OSError, httpx.HTTPError):
            if seed % 4:
                async with raw(server, open_timeout=60) as socket:
                    for _ in range(chance.randint(1, 12)):
                        await socket.send(chance.choice(flat))
                    socket.transport.abort()
            else:
                polls = await Polls.open(server, client)
                for _ in range(chance.randint(1, 4)):
                    parts = [chance.choice(flat) for _ in range(chance.randint(1, 6))]
                    await polls.post("\x1e".join(it for it in parts if isinstance(it, str)))

    async with serve(hub, settings=settings) as server, http(server) as polling:
        for _ in range(20):
            await asyncio.gather(*(ugly(server, polling, chance.randrange(10**6)) for _ in range(10)))
        sio = server.mount.sio
        async with asyncio.timeout(120):
            # Silence and pings end what no other test could wait for.
            while sio.environ or server.mount.clients:  # noqa: ASYNC110  the library has no event for it
                await asyncio.sleep(0.05)
        assert not any(session.attached for session in hub.sessions.values())
        assert not sio._binary_packet
        assert not any(participants for rooms in sio.manager.rooms.values() for participants in rooms.values())
        async with Client(server.url, NATIVE) as client:
            assert await client.call("message", {"type": "start"}) == {"ok": True}
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not {name for name in names if name.startswith("socketio")}


# Many clients, many nodes, the end.


async def test_every_message_is_for_one_client_and_nodes_know_nothing_of_each_other() -> None:
    hubs = EchoHub(), EchoHub()
    told: list[tuple[int, int]] = []

    def watched(number: int, server: Server) -> None:
        manager = server.mount.sio.manager
        emit = manager.emit

        async def watch(event: str, data: Any, namespace: str, room: str, **options: Any) -> None:
            told.append((number, len(list(manager.get_participants(namespace, room)))))
            await emit(event, data, namespace, room, **options)

        manager.emit = watch

    async with serve(hubs[0]) as first, serve(hubs[1]) as second:
        for number, server in enumerate((first, second)):
            watched(number, server)
        async with Client(first.url, NATIVE) as a, Client(first.url, NATIVE) as b, Client(second.url, NATIVE) as c:
            for client in (a, b, c):
                await client.emit("message", {"type": "start"})
                await client.message("ready")
            count = {number: sum(1 for it, _ in told if it == number) for number in (0, 1)}
            for number in range(1, 11):
                await a.call("audio", SAMPLES)
                await a.message("audio-ack", count=number)
            assert len(b.of("message")) == len(c.of("message")) == 1
            assert sum(1 for it, _ in told if it == 0) == count[0] + 10
            assert sum(1 for it, _ in told if it == 1) == count[1]
    assert {participants for _, participants in told} == {1}


@TRANSPORTS
async def test_clients_are_told_when_the_hub_stops(transport: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        hub = EchoHub()
        async with serve(hub) as server:
            native = await stack.enter_async_context(Client(server.url, NATIVE, transport=transport))
            recorder = await stack.enter_async_context(Client(server.url, transport=transport))
            await native.emit("message", {"type": "start"})
            await native.message("ready")
            await recorder.emit("start_recording")
            await recorder.wait_for("recording_started")
        await native.gone()
        await recorder.gone()
        assert native.of("message")[-1]["code"] == "shutting-down"
        assert recorder.of("error")[-1]["code"] == "shutting-down"
        assert not any(session.attached for session in hub.sessions.values())


async def test_neither_keys_nor_audio_nor_text_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    door = Door()
    async with serve(EchoHub(), door=door) as server:
        client = Client(server.url)
        await client.connect(auth={"token": "k-1"})
        await client.emit("start_recording", {"hotwords": ["secretive"]})
        await client.emit("audio_data", {"audio": "c2VjcmV0aXZl"})
        await client.emit("audio_data", "secretive!")
        await client.wait_for("error")
        await client.emit("stop_recording")
        await client.wait_for("final_result")
        await client.__aexit__()
        stranger = Client(server.url)
        with pytest.raises(Exception, match="failed to connect"):
            await stranger.connect(auth={"token": "secretive"})
        await stranger.__aexit__()
    ours = [record for record in caplog.records if record.name.startswith("asr_hub")]
    text = "\n".join(record.getMessage() + str(record.__dict__) for record in ours)
    for secret in ("k-1", "secretive", "c2VjcmV0aXZl", "bytes"):
        assert secret not in text
