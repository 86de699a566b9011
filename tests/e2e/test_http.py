"""Sessions over plain HTTP against a real hub: httpx, httpx-sse and npm's EventSource, the scripted engine."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from httpx_sse import ServerSentEvent, aconnect_sse
from tests.client import Client, Message
from tests.hubs import scripted, until, until_empty
from tests.node import node, packages
from tests.speech import silence, tone

from asr_hub.access.grant import Grant, Scope
from asr_hub.app import Serving, ports, serving
from asr_hub.config.schema import Config
from asr_hub.errors import Unauthorized
from asr_hub.hub.hub import Hub
from asr_hub.model import SessionId
from asr_hub.protocols.http import application
from asr_hub.protocols.http_publisher import MAX_BODIES
from asr_hub.protocols.http_sessions import HttpSessions, HttpSettings
from asr_hub.protocols.sse import EventSettings
from asr_hub.store.slices.sessions import SessionWarned, select_session
from asr_hub.wire.messages import Start

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
MORE = tone(0.6, hertz=330) + silence(1.0)
QUICK = HttpSettings(events=EventSettings(retry_ms=20), resolution=0.02)


class Running:
    """A hub, a client of it, and what it keeps for HTTP."""

    def __init__(self, serving: Serving, http: httpx.AsyncClient, sessions: HttpSessions) -> None:
        self.serving = serving
        self.hub = serving.hub
        self.http = http
        self.sessions = sessions

    async def open(self, **start: Any) -> str:
        """The path of a new session."""
        answer = await self.http.post("/v1/sessions", json=start)
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/v1/sessions/{answer.json()['session']}"
        return answer.headers["location"]

    async def hear(self, path: str, audio: Any, **query: Any) -> int:
        """Post audio; the offset that the hub then has."""
        answer = await self.http.post(f"{path}/audio", content=audio, params=query)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["audio_offset"])

    async def refused(self, path: str, audio: Any, **query: Any) -> tuple[int, dict[str, Any]]:
        answer = await self.http.post(f"{path}/audio", content=audio, params=query)
        return answer.status_code, answer.json()["error"]

    def say(self, path: str, count: int = 1) -> None:
        """Facts that each become one message."""
        for n in range(count):
            session = SessionId(path.rpartition("/")[2])
            self.hub.dispatch(SessionWarned(at=time.time(), session=session, code="test", message=f"number {n}"))


@asynccontextmanager
async def running(
    monkeypatch: pytest.MonkeyPatch, config: Config | None = None, settings: HttpSettings = QUICK
) -> AsyncIterator[Running]:
    made: list[HttpSessions] = []

    def make(*arguments: Any, **options: Any) -> HttpSessions:
        made.append(HttpSessions(*arguments, **{**options, "settings": settings}))
        return made[0]

    monkeypatch.setattr(ports, "HttpSessions", make)
    async with (
        serving(config or scripted()) as hub,
        httpx.AsyncClient(base_url=hub.url, timeout=60, limits=httpx.Limits(max_connections=None)) as http,
    ):
        yield Running(hub, http, made[0])
    (sessions,) = made
    assert (len(sessions.publishers), len(sessions.watchers), len(sessions.wheel)) == (0, 0, 0)


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    async with running(monkeypatch) as one:
        yield one


class Watch:
    """Reads the events of a session until it is told to stop, or they end."""

    def __init__(self, hub: Running, path: str, **query: Any) -> None:
        self._hub = hub
        self._path = path
        self._query = query
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None]
        self.events: list[ServerSentEvent] = []
        self.headers = httpx.Headers()

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._read())
        await self.wait_for(lambda: bool(self.events))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def done(self) -> None:
        """The hub has ended the stream, properly."""
        async with asyncio.timeout(60):
            await self._task

    async def wait_for(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not wanted():
                assert not self._task.done() or self._task.result() is not None, self.types
                self._changed.clear()
                await self._changed.wait()

    async def wait_for_type(self, type: str, count: int = 1) -> Message:
        await self.wait_for(lambda: self.types.count(type) >= count)
        return [message for message in self.messages if message["type"] == type][count - 1]

    @property
    def types(self) -> list[str]:
        return [event.event for event in self.events]

    @property
    def messages(self) -> list[Message]:
        return [json.loads(event.data) for event in self.events]

    async def _read(self) -> None:
        url = f"{self._path}/events"
        async with aconnect_sse(self._hub.http, "GET", url, params=self._query, timeout=None) as source:
            self.headers = source.response.headers
            async for event in source.aiter_sse():
                self.events.append(event)
                self._changed.set()


def check_order(messages: list[Message]) -> None:
    """`seq` goes up by one, plus what was skipped."""
    seq = messages[0]["seq"]
    for message in messages[1:]:
        assert message["seq"] == seq + 1 + message.get("skipped", 0)
        seq = message["seq"]


def of(messages: list[Message], type: str) -> list[Message]:
    """Those of one type, without what depends on how fast they were read."""
    return [{k: v for k, v in message.items() if k != "skipped"} for message in messages if message["type"] == type]


# A session from its opening to its end.


async def test_a_session_from_its_opening_to_its_end(hub: Running) -> None:
    path = await hub.open(language="en")
    async with Watch(hub, path) as watch:
        assert await hub.hear(path, SPEECH) == 40_000
        final = await watch.wait_for_type("final")
        assert final["hypothesis"]["text"]
        assert (await hub.http.delete(path)).status_code == 202
        await watch.done()
    assert watch.types[0] == "ready"
    assert watch.types[-1] == "closed"
    assert watch.messages[0]["role"] == "viewer"
    assert watch.headers["cache-control"] == "no-cache"
    assert watch.headers["x-accel-buffering"] == "no"
    assert [event.retry for event in watch.events] == [20] + [None] * (len(watch.events) - 1)
    assert [int(event.id) for event in watch.events] == [message["seq"] for message in watch.messages]
    assert watch.types == [message["type"] for message in watch.messages]
    check_order(watch.messages)
    assert hub.hub.sessions == 0


async def test_an_empty_body_opens_a_session_with_the_defaults(hub: Running) -> None:
    answer = await hub.http.post("/v1/sessions")
    ready = answer.json()
    assert (answer.status_code, ready["type"], ready["role"]) == (201, "ready", "publisher")
    assert ready["format"] == {"sample_rate": 16000, "channels": 1, "encoding": "pcm_s16le"}
    assert (ready["audio_offset"], ready["seq"]) == (0, 0)


async def test_http_and_websocket_are_told_the_same(hub: Running) -> None:
    path = await hub.open()
    session = path.rpartition("/")[2]
    async with Watch(hub, path) as watch, Client.attaching(hub.serving.stream_url, session, role="viewer") as viewer:
        await hub.hear(path, SPEECH + MORE)
        await hub.http.delete(path)
        await viewer.wait_for("closed")
        await watch.done()
    for type in ("speech-started", "endpoint", "final", "closed"):
        assert of(watch.messages, type) == of(viewer.messages, type) != []
    assert len(of(watch.messages, "final")) == 2


async def test_finalize_and_clear_are_answered_by_events(hub: Running) -> None:
    path = await hub.open()
    async with Watch(hub, path) as watch:
        await hub.hear(path, silence(0.5) + tone(1.0))
        answer = await hub.http.post(f"{path}/finalize")
        assert (answer.status_code, answer.json()) == (202, {"session": path[13:], "audio_offset": 24_000})
        assert (await watch.wait_for_type("final"))["reason"] == "finalize"
        await hub.hear(path, MORE[:9600])
        assert (await hub.http.post(f"{path}/clear")).status_code == 202
        assert (await watch.wait_for_type("endpoint", 2))["reason"] == "clear"


async def test_configure_holds_from_the_next_utterance_on(hub: Running) -> None:
    path = await hub.open(partials=True)
    async with Watch(hub, path) as watch:
        answer = await hub.http.patch(path, json={"partials": False, "language": "en"})
        assert (answer.status_code, answer.json()["audio_offset"]) == (202, 0)
        await hub.hear(path, SPEECH)
        await watch.wait_for_type("final")
        assert "partial" not in watch.types


# Audio.


async def test_a_chunk_that_comes_again_is_heard_once(hub: Running) -> None:
    whole = await hub.open()
    await hub.hear(whole, SPEECH + MORE)
    again = await hub.open()
    pcm = SPEECH + MORE
    async with Watch(hub, whole) as once, Watch(hub, again) as twice:
        await hub.hear(again, pcm[:30_000], offset=0)
        assert await hub.hear(again, pcm[:30_000], offset=0) == 15_000
        assert await hub.hear(again, pcm[20_000:60_000], offset=10_000) == 30_000
        assert await hub.hear(again, pcm[:10_000], offset=0) == 30_000
        assert await hub.hear(again, pcm[60_000:], offset=30_000) == len(pcm) // 2
        assert await hub.hear(again, b"") == len(pcm) // 2
        finals = [[await w.wait_for_type("final", n) for n in (1, 2)] for w in (once, twice)]
    texts = [[(m["hypothesis"]["text"], m["hypothesis"]["end"]) for m in each] for each in finals]
    assert texts[0] == texts[1]


async def test_a_gap_is_told_with_the_place_to_send_from(hub: Running) -> None:
    path = await hub.open()
    await hub.hear(path, SPEECH)
    status, error = await hub.refused(path, MORE, offset=40_001)
    assert (status, error["code"], error["audio_offset"]) == (409, "audio-gap", 40_000)
    assert "40000" in error["message"]
    assert await hub.hear(path, MORE, offset=40_000) == 40_000 + len(MORE) // 2


async def test_one_body_lasts_as_long_as_the_speech(hub: Running) -> None:
    path = await hub.open()

    async with Watch(hub, path) as watch:

        async def speak() -> AsyncIterator[bytes]:
            yield silence(0.5) + tone(1.0)
            # What was said is told while the body goes on.
            await watch.wait_for_type("partial")
            await hub.http.post(f"{path}/finalize")
            await watch.wait_for_type("final")
            yield MORE

        assert await hub.hear(path, speak()) == 24_000 + len(MORE) // 2
        await watch.wait_for_type("final", 2)


async def test_pieces_may_split_samples(hub: Running) -> None:
    path = await hub.open(format={"channels": 2})
    stereo = b"".join(SPEECH[at : at + 2] * 2 for at in range(0, len(SPEECH), 2))

    async def odd() -> AsyncIterator[bytes]:
        at = 0
        for size in (1, 1, 3, 5, 7, 1001, 64_003):
            yield stereo[at : at + size]
            at += size
        yield stereo[at:]

    async with Watch(hub, path) as watch:
        assert await hub.hear(path, odd()) == len(SPEECH) // 2
        final = await watch.wait_for_type("final")
    mono = await hub.open()
    async with Watch(hub, mono) as watch:
        await hub.hear(mono, SPEECH)
        assert (await watch.wait_for_type("final"))["hypothesis"]["text"] == final["hypothesis"]["text"]


async def test_half_a_sample_at_the_end_is_told_and_the_session_goes_on(hub: Running) -> None:
    path = await hub.open()
    status, error = await hub.refused(path, silence(0.5) + b"x")
    assert (status, error["code"], error["audio_offset"]) == (415, "odd-byte-count", 8000)
    assert await hub.hear(path, silence(0.5), offset=8000) == 16_000


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/plain"])
async def test_a_body_that_is_plainly_no_audio_is_refused_by_its_type(hub: Running, kind: str) -> None:
    path = await hub.open()
    answer = await hub.http.post(f"{path}/audio", content=SPEECH, headers={"Content-Type": kind})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (415, "unsupported-audio")


async def test_a_file_is_no_raw_audio(hub: Running) -> None:
    path = await hub.open()
    status, error = await hub.refused(path, b"RIFF\x00\x10\x00\x00WAVEfmt " + SPEECH)
    assert (status, error["code"], error["audio_offset"]) == (415, "container-in-raw-audio", 0)
    await until_empty(hub.hub)
    assert len(hub.sessions.publishers) == 0
    status, error = await hub.refused(path, SPEECH)
    assert (status, error["code"], error["audio_offset"]) == (400, "closing", 0)


async def test_messages_and_compressed_bodies_are_no_audio(hub: Running) -> None:
    path = await hub.open()
    status, error = await hub.refused(path, b'{"type":"finalize"}')
    assert (status, error["code"], error["audio_offset"]) == (400, "text-in-binary", 0)
    answer = await hub.http.post(f"{path}/audio", content=SPEECH, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported-audio")


async def test_a_fast_sender_waits_and_memory_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    config = scripted(sessions={"audio_buffer_s": 1.0})
    async with running(monkeypatch, config) as hub:
        path = await hub.open()
        most = 0
        accept = Hub.mark

        def mark(self: Any, live: Any) -> None:
            nonlocal most
            most = max(most, live.channel.size)
            accept(self, live)

        monkeypatch.setattr(Hub, "mark", mark)
        assert await hub.hear(path, silence(120.0)) == 120 * 16_000
        # A full buffer, and the one piece that filled it.
        assert most <= 2 * 32_000


async def test_what_was_taken_of_a_body_that_broke_off_stays_taken(hub: Running) -> None:
    path = await hub.open()
    async with Watch(hub, path) as watch:
        _, writer = await asyncio.open_connection(hub.serving.host, hub.serving.port)
        head = f"POST {path}/audio HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent = silence(0.5) + tone(1.0)
        writer.write(head.encode() + b"%x\r\n%b\r\n" % (len(sent), sent))
        await watch.wait_for_type("audio-ack")
        await watch.wait_for_type("partial")
        writer.transport.abort()
        # The next body waits for the end of the one before it, and goes on where that broke off.
        offset = await hub.hear(path, b"")
        assert 0 < offset <= 24_000
        assert await hub.hear(path, (sent + MORE)[2 * (offset - 100) :], offset=offset - 100) == 24_000 + len(MORE) // 2
        await watch.wait_for_type("final")


# One publisher at a time.


async def test_a_session_is_taken_over_from_a_websocket_and_back(hub: Running) -> None:
    async with Client(hub.serving.stream_url) as client:
        await client.send(SPEECH)
        await client.wait_for("final")
        path = f"/v1/sessions/{client.session}"
        status, error = await hub.refused(path, MORE)
        assert (status, error["code"], error["audio_offset"]) == (409, "second-publisher", 40_000)
        assert (await hub.http.post(f"{path}/finalize")).json()["error"]["code"] == "second-publisher"
        assert await hub.hear(path, MORE, take_over=1) == 40_000 + len(MORE) // 2
        assert (await client.wait_for("error"))["code"] == "taken-over"
        assert len(hub.sessions.publishers) == 1
        await client.connect()
        assert client.audio_offset == 40_000 + len(MORE) // 2
        assert len(hub.sessions.publishers) == 0
        assert (await hub.refused(path, MORE))[1]["code"] == "second-publisher"


async def test_a_body_on_its_way_is_told_that_its_session_was_taken_over(hub: Running) -> None:
    path = await hub.open()
    async with stuck(hub, path, silence(1.0)) as reader:
        await until(hub.hub, lambda state: _offset(state, path) >= 16_000)
        async with Client.attaching(hub.serving.stream_url, path[13:], take_over=True) as client:
            assert client.audio_offset == 16_000
            answer = await reader.readuntil(b"}}")
    assert answer.startswith(b"HTTP/1.1 409")
    assert b'"taken-over"' in answer
    assert b'"audio_offset": 16000' in answer


async def test_who_listens_only_at_the_end_of_a_body_is_told_what_was_wrong_with_it(hub: Running) -> None:
    path = await hub.open()

    async def file() -> AsyncIterator[bytes]:
        yield b"RIFF\x00\x10\x00\x00WAVEfmt "
        for _ in range(100):
            yield SPEECH

    status, error = await hub.refused(path, file())
    assert (status, error["code"]) == (415, "container-in-raw-audio")


async def test_who_speaks_on_into_a_refused_body_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, settings=HttpSettings(linger=0.1, resolution=0.02)) as hub:
        path = await hub.open()
        async with stuck(hub, path, b"RIFF\x00\x10\x00\x00WAVEfmt ") as reader:
            answer = await reader.readuntil(b"}}")
            assert answer.startswith(b"HTTP/1.1 415")
            assert await reader.read() == b""


def _offset(state: Any, path: str) -> int:
    record = select_session(state, SessionId(path[13:]))
    return record.audio_offset if record is not None else 0


async def test_a_newer_request_may_end_a_body_that_is_stuck(hub: Running) -> None:
    path = await hub.open()
    async with stuck(hub, path, silence(1.0)) as reader:
        await until(hub.hub, lambda state: _offset(state, path) >= 16_000)
        assert await hub.hear(path, SPEECH, offset=16_000, take_over=1) == 16_000 + 40_000
        answer = await reader.readuntil(b"}}")
    assert answer.startswith(b"HTTP/1.1 409")
    assert b'"taken-over"' in answer
    assert b"connection: close" in answer.lower()


@asynccontextmanager
async def stuck(hub: Running, path: str, audio: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A body that begins with `audio` and never ends."""
    reader, writer = await asyncio.open_connection(hub.serving.host, hub.serving.port)
    head = f"POST {path}/audio HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"%x\r\n%b\r\n" % (len(audio), audio))
    try:
        yield reader
    finally:
        writer.transport.abort()


async def test_bodies_take_turns_and_one_too_many_is_refused(hub: Running) -> None:
    path = await hub.open()
    async with stuck(hub, path, silence(1.0)):
        await until(hub.hub, lambda state: _offset(state, path) >= 16_000)
        # With the one that is stuck there is place for all but one of these; whichever comes last has none.
        url, again = f"{path}/audio?offset=16000", silence(1.0)
        posts = [asyncio.create_task(hub.http.post(url, content=again)) for _ in range(MAX_BODIES)]
        done, _ = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        (refused,) = [task.result() for task in done]
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate-limited")
        assert refused.headers["retry-after"] == "1"
    answers = [await post for post in posts]
    assert sorted(answer.status_code for answer in answers) == [200] * (MAX_BODIES - 1) + [429]
    # The same second of audio, posted by all of them, was heard once.
    assert {answer.json()["audio_offset"] for answer in answers if answer.status_code == 200} == {32_000}


async def test_a_session_that_closes_ends_the_body_on_its_way(hub: Running) -> None:
    path = await hub.open()
    async with stuck(hub, path, silence(1.0)) as reader:
        await until(hub.hub, lambda state: _offset(state, path) >= 16_000)
        assert (await hub.http.delete(path)).status_code == 202
        answer = await reader.readuntil(b"}}")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"closing"' in answer
    assert b'"audio_offset": 16000' in answer


async def test_a_publisher_that_is_silent_for_long_makes_place(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = HttpSettings(publisher_idle=0.1, resolution=0.02)
    async with running(monkeypatch, scripted(sessions={"resume_window_s": 60}), settings) as hub:
        path = await hub.open()
        await until(hub.hub, lambda state: _has_left(state, path))
        assert len(hub.sessions.publishers) == 0
        async with Client.attaching(hub.serving.stream_url, path[13:]):
            pass


def _has_left(state: Any, path: str) -> bool:
    record = select_session(state, SessionId(path[13:]))
    return record is not None and record.publisher_left_at is not None


async def test_a_session_that_nobody_feeds_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = HttpSettings(publisher_idle=0.1, resolution=0.02)
    async with running(monkeypatch, scripted(sessions={"resume_window_s": 0.2}), settings) as hub:
        path = await hub.open()
        async with Watch(hub, path) as watch:
            await watch.done()
        assert watch.messages[-1]["reason"] == "expired"
        assert (await hub.http.post(f"{path}/finalize")).status_code == 404


async def test_a_publisher_that_does_not_read_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, scripted(sessions={"history_messages": 64})) as hub:
        path = await hub.open()
        hub.say(path, 500)
        assert await hub.hear(path, SPEECH) == 40_000
        assert (await hub.http.post(f"{path}/finalize")).status_code == 202


# What is refused.


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[]", 400, "wrong-type"),
        (b"nonsense", 400, "bad-json"),
        (b"{", 400, "bad-json"),
        (b"{,}", 400, "bad-json"),
        (b'{"language":"en"}}', 400, "bad-json"),
        (b'{"language":"\xff"}', 400, "bad-utf8"),
        (b'{"lang":"en"}', 400, "unknown-field"),
        (b'{"language":5}', 400, "wrong-type"),
        (b'{"language":"not a language"}', 400, "bad-value"),
        (b'{"provider":""}', 400, "bad-value"),
        (b'{"provider":"nobody"}', 404, "unknown-provider"),
        (b'{"format":{"encoding":"opus"}}', 400, "bad-value"),
        (b'{"format":{"sample_rate":1}}', 415, "unsupported-rate"),
        (b'{"type":"attach","session":"x"}', 400, "unknown-message"),
        (b'{"type":"close"}', 400, "unknown-message"),
        (b"[" * 60_000, 400, "wrong-type"),
        (b'{"hotwords":["' + b"x" * 70_000 + b'"]}', 413, "text-too-large"),
    ],
)
async def test_a_session_is_refused_by_name(hub: Running, body: bytes, status: int, code: str) -> None:
    answer = await hub.http.post("/v1/sessions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert hub.hub.sessions == 0


async def test_other_requests_are_refused_by_name(hub: Running) -> None:
    path = await hub.open()
    http = hub.http
    told = {
        "configure": await http.patch(path, json={"format": {}}),
        "provider": await http.patch(path, json={"provider": "nobody"}),
        "offset": await http.post(f"{path}/audio", params={"offset": -1}),
        "no number": await http.post(f"{path}/audio", params={"offset": "x"}),
        "too large": await http.post(f"{path}/audio", params={"offset": 10**30}),
        "last id": await http.get(f"{path}/events", headers={"Last-Event-ID": "x"}),
        "other digits": await http.get(f"{path}/events", headers={"Last-Event-ID": "\u00b2".encode("latin-1")}),
        "not said": await http.get(f"{path}/events", headers={"Last-Event-ID": "99"}),
        "nobody": await http.get("/v1/sessions/nobody/events"),
        "nobody speaks": await http.post("/v1/sessions/nobody/audio", content=b"xx"),
        "unprintable": await http.post("/v1/sessions/a%00b/finalize"),
    }
    assert {name: (answer.status_code, answer.json()["error"]["code"]) for name, answer in told.items()} == {
        "configure": (400, "unknown-field"),
        "provider": (404, "unknown-provider"),
        "offset": (400, "bad-value"),
        "no number": (400, "bad-value"),
        "too large": (400, "bad-value"),
        "last id": (400, "bad-value"),
        "other digits": (400, "bad-value"),
        "not said": (400, "stale-seq"),
        "nobody": (404, "unknown-session"),
        "nobody speaks": (404, "unknown-session"),
        "unprintable": (400, "bad-value"),
    }
    assert await hub.hear(path, SPEECH) == 40_000


class Keys:
    """A door that knows a few keys."""

    def __init__(self, **grants: Grant) -> None:
        self._grants = grants

    def admit(self, secret: str | None) -> Grant:
        if secret not in self._grants:
            raise Unauthorized("bring a key")
        return self._grants[secret]


async def test_a_kept_publisher_serves_nobody_but_its_own_key(hub: Running) -> None:
    keys = Keys(
        mine=Grant(name="mine"),
        other=Grant(name="other"),
        watch=Grant(name="mine", scopes=frozenset({Scope.WATCH})),
        elsewhere=Grant(name="mine", session="another"),
    )
    sessions = HttpSessions(hub.hub, keys)
    api: FastAPI = application(sessions.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://hub") as http:

        async def told(secret: str, method: str, path: str, **request: Any) -> tuple[int, str]:
            answer = await http.request(method, path, headers={"Authorization": f"Bearer {secret}"}, **request)
            error = answer.json()["error"]
            assert "audio_offset" not in error
            return answer.status_code, error["code"]

        assert await told("nobody", "POST", "/v1/sessions") == (401, "unauthorized")
        assert await told("watch", "POST", "/v1/sessions") == (403, "missing-scope")
        path = (await http.post("/v1/sessions", headers={"X-API-Key": "mine"})).headers["location"]
        assert len(sessions.publishers) == 1
        for audio in (f"{path}/audio", f"{path}/finalize", f"{path}/clear"):
            assert await told("nobody", "POST", audio) == (401, "unauthorized")
            assert await told("other", "POST", audio) == (403, "foreign-session")
            assert await told("watch", "POST", audio) == (403, "missing-scope")
            assert await told("elsewhere", "POST", audio) == (403, "foreign-session")
        assert await told("other", "PATCH", path, json={}) == (403, "foreign-session")
        assert await told("elsewhere", "GET", f"{path}/events?seq=0") == (403, "foreign-session")
        assert (await http.post(f"{path}/audio?token=mine", content=SPEECH)).json()["audio_offset"] == 40_000
    sessions.close()
    assert len(sessions.publishers) == 0


async def test_openapi_describes_every_route(hub: Running) -> None:
    paths = (await hub.http.get("/openapi.json")).json()["paths"]
    start = paths["/v1/sessions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(start["properties"]) == set(Start.__struct_fields__)
    assert set(start["properties"]["format"]["properties"]) == {"sample_rate", "channels", "encoding"}
    ready = paths["/v1/sessions"]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    assert "audio_offset" in ready["properties"]
    assert "$ref" not in json.dumps([start, ready])
    assert "text/event-stream" in paths["/v1/sessions/{session}/events"]["get"]["responses"]["200"]["content"]
    audio = paths["/v1/sessions/{session}/audio"]["post"]
    assert {parameter["name"] for parameter in audio["parameters"]} == {"session", "offset", "take_over"}
    assert "application/octet-stream" in audio["requestBody"]["content"]
    assert audio["responses"]["409"]["content"]["application/json"]["schema"]["$ref"].endswith("/AudioErrorView")
    assert set(paths["/v1/sessions/{session}"]) >= {"patch"}


# Events.


async def test_a_reader_comes_back_and_misses_nothing(hub: Running) -> None:
    path = await hub.open()
    async with Watch(hub, path) as first:
        await hub.hear(path, SPEECH)
        await first.wait_for_type("final")
    await hub.hear(path, MORE)
    await hub.http.delete(path)
    await until_empty(hub.hub)
    seq = first.messages[-1]["seq"]
    async with Watch(hub, path, seq=seq) as second:
        await second.done()
    assert second.messages[0]["seq"] == seq
    check_order(first.messages + second.messages[1:])
    assert second.types[-1] == "closed"
    answer = await hub.http.get(f"{path}/events", headers={"Last-Event-ID": str(second.messages[-1]["seq"])})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_the_header_counts_more_than_the_query(hub: Running) -> None:
    path = await hub.open()
    hub.say(path, 5)
    async with hub.http.stream("GET", f"{path}/events?seq=1", headers={"Last-Event-ID": "3"}) as answer:
        async for line in answer.aiter_lines():
            assert line == "id: 3"
            break


async def test_a_reader_whose_place_is_gone_is_told_where_the_session_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, scripted(sessions={"history_messages": 64})) as hub:
        path = await hub.open()
        async with Watch(hub, path) as witness:
            await hub.hear(path, SPEECH + MORE)
            finals = [(await witness.wait_for_type("final", n))["hypothesis"] for n in (1, 2)]
        hub.say(path, 100)
        async with Watch(hub, path, seq=1) as late:
            reset = await late.wait_for_type("reset")
            hub.say(path)
            warning = await late.wait_for_type("warning")
            await hub.http.delete(path)
            await late.done()
        assert late.types == ["ready", "reset", "warning", "closed"]
        assert late.messages[0]["seq"] == reset["seq"] == warning["seq"] - 1
        assert [(said["utterance"], said["hypothesis"]["text"]) for said in reset["finals"]] == [
            (n, final["text"]) for n, final in enumerate(finals, 1)
        ]
        assert reset["partial"] is None
        assert (reset["provider"], reset["audio_offset"]) == ("scripted", len(SPEECH + MORE) // 2)
        # The session is over, and its transcript is still told, and then its end.
        async with Watch(hub, path, seq=1) as latest:
            await latest.done()
        assert latest.types == ["ready", "reset", "closed"]
        assert latest.messages[1]["finals"] == reset["finals"]
        answer = await hub.http.get(f"{path}/events", params={"seq": latest.messages[-1]["seq"]})
        assert answer.status_code == 204


async def test_a_reset_has_the_current_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, scripted(sessions={"history_messages": 64})) as hub:
        path = await hub.open()
        async with Watch(hub, path) as witness:
            await hub.hear(path, silence(0.5) + tone(1.0))
            await witness.wait_for_type("partial")
        hub.say(path, 100)
        async with Watch(hub, path, seq=1) as late:
            reset = await late.wait_for_type("reset")
        assert reset["finals"] == []
        assert reset["partial"]["utterance"] == 1
        assert reset["partial"]["hypothesis"]["text"]


@asynccontextmanager
async def deaf(hub: Running, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """A reader of events that reads no further than the first, in a kernel that keeps little for it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (hub.serving.host, hub.serving.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    writer.write(f"GET {path}/events HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
    await reader.readuntil(b"event: ready")
    try:
        yield reader
    finally:
        writer.transport.abort()


async def flood(hub: Running, path: str, is_enough: Callable[[], bool]) -> None:
    session = SessionId(path[13:])
    for _ in range(3000):
        hub.hub.dispatch(SessionWarned(at=time.time(), session=session, code="flood", message="x" * 50_000))
        for _ in range(5):
            await asyncio.sleep(0)
        if is_enough():
            return
    pytest.fail("the reader was never held back")


async def test_a_reader_that_falls_behind_costs_nothing_and_is_told_where_to_go_on(hub: Running) -> None:
    path = await hub.open()
    async with deaf(hub, path) as reader:
        (watcher,) = hub.sessions.watchers._all
        before = watcher._attachment
        log = hub.hub._live[SessionId(path[13:])].log
        await flood(hub, path, lambda: watcher._is_sending and watcher._attachment.last_seq < log.floor)
        assert watcher._attachment is before
        seen = b""
        async with asyncio.timeout(60):
            while b"event: reset" not in seen:
                seen = seen[-20:] + await reader.read(2**16)
        assert watcher._attachment is not before
    # One at a time, and it is let go like any other.
    session = SessionId(path[13:])
    await until(hub.hub, lambda state: select_session(state, session).viewers == 0)


async def test_a_reader_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = HttpSettings(events=EventSettings(heartbeat=0.1, stall_timeout=0.2), resolution=0.02)
    async with running(monkeypatch, settings=settings) as hub:
        path = await hub.open()
        async with deaf(hub, path):
            await flood(hub, path, lambda: any(watcher._is_sending for watcher in hub.sessions.watchers._all))
            session = SessionId(path[13:])
            await until(hub.hub, lambda state: select_session(state, session).viewers == 0, 30)
            assert len(hub.sessions.watchers) == 0


async def test_quiet_streams_have_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = HttpSettings(events=EventSettings(heartbeat=0.1), resolution=0.02)
    async with running(monkeypatch, settings=settings) as hub:
        path = await hub.open()
        async with hub.http.stream("GET", f"{path}/events", timeout=60) as answer:
            beats = 0
            async for line in answer.aiter_lines():
                beats += line == ":"
                if beats == 3:
                    break


async def test_readers_that_leave_are_noticed(hub: Running) -> None:
    path = await hub.open()
    session = SessionId(path[13:])
    async with Watch(hub, path), Watch(hub, path):
        await until(hub.hub, lambda state: select_session(state, session).viewers == 2)
    await until(hub.hub, lambda state: select_session(state, session).viewers == 0)
    assert len(hub.sessions.watchers) == 0


async def test_streams_end_properly_when_the_hub_drains(hub: Running) -> None:
    path = await hub.open()
    async with Watch(hub, path) as watch:
        await hub.hear(path, silence(0.5) + tone(1.0))
        await hub.hub.drain(30)
        await watch.done()
    assert watch.types[-2:] == ["final", "closed"]
    answer = await hub.http.post("/v1/sessions")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
    assert int(answer.headers["retry-after"]) > 0


async def test_streams_and_bodies_end_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(monkeypatch) as hub:
        path = await hub.open()
        async with Watch(hub, path) as watch, stuck(hub, path, silence(1.0)) as reader:
            await until(hub.hub, lambda state: _offset(state, path) >= 16_000)
            hub.sessions.close()
            await watch.done()
            assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 503")
        assert (await hub.http.get(f"{path}/events")).status_code == 503
        assert (await hub.http.post("/v1/sessions")).status_code == 503
    assert not [record for record in caplog.records if "Cancel" in record.message or record.exc_info]


# The clients that other people wrote.


class Cutting:
    """A TCP proxy that breaks its first connections off after so many bytes of the answer."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self._port = port
        self._cuts = cuts
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.cut = 0

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        limit = self._cuts[self.connections] if self.connections < len(self._cuts) else 2**30
        self.connections += 1
        there, onwards = await asyncio.open_connection("127.0.0.1", self._port)
        up = asyncio.create_task(_pump(reader, onwards))
        try:
            while data := await there.read(min(4096, limit)):
                writer.write(data)
                await writer.drain()
                limit -= len(data)
                if not limit:
                    self.cut += 1
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            up.cancel()
            onwards.transport.abort()
            # What was sent before the cut arrives, so that each cut is somewhere else.
            writer.close()
        await asyncio.gather(up, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass


async def test_npm_eventsource_survives_cuts_and_stops_at_the_end(hub: Running) -> None:
    packages()
    path = await hub.open()
    async with Watch(hub, path) as witness:
        await hub.hear(path, SPEECH + MORE + SPEECH)
        await witness.wait_for_type("final", 3)
        await hub.http.delete(path)
        await witness.done()
    # In the head, in the middle of events, and between them.
    proxy = Cutting(hub.serving.port, [100, 900, 1500, 1200])
    async with proxy as port:
        told = await node("eventsource.mjs", f"http://127.0.0.1:{port}{path}/events")
    assert proxy.cut == 4
    assert told["code"] == 204
    assert told["opened"] >= 4
    seen = [json.loads(event["data"]) for event in told["seen"] if event["type"] != "ready"]
    check_order([{"seq": 0}, *seen])
    for type in ("final", "endpoint", "speech-started", "closed"):
        assert of(seen, type) == of(witness.messages, type)
    assert all(event["id"] == str(json.loads(event["data"])["seq"]) for event in told["seen"])


async def test_npm_eventsource_reads_a_live_session(hub: Running) -> None:
    packages()
    path = await hub.open()
    session = SessionId(path[13:])
    script = asyncio.create_task(node("eventsource.mjs", f"{hub.serving.url}{path}/events"))
    try:
        await until(hub.hub, lambda state: select_session(state, session).viewers == 1, 60)
        async with Watch(hub, path) as witness:
            await hub.hear(path, SPEECH)
            await witness.wait_for_type("final")
            await hub.http.delete(path)
            told = await script
            await witness.done()
    finally:
        script.cancel()
        await asyncio.wait((script,))
    types = [event["type"] for event in told["seen"]]
    assert (types[0], types[-1], told["code"]) == ("ready", "closed", 204)
    assert "message" not in types
    assert of([json.loads(event["data"]) for event in told["seen"]], "final") == of(witness.messages, "final")


# The cost of many watchers.


async def test_a_thousand_watchers_cost_one_encoding_and_one_wake_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from asr_hub.hub import log
    from asr_hub.protocols.sse import Watcher

    watchers, events = 1000, 3
    async with running(monkeypatch, settings=HttpSettings()) as hub:
        path = await hub.open()
        peers = [await _listen(hub, path) for _ in range(watchers)]
        counts = {"encoded": 0, "woken": 0, "timers": 0}

        def counted(name: str, call: Any) -> Any:
            @functools.wraps(call)
            def count(*arguments: Any, **options: Any) -> Any:
                counts[name] += 1
                return call(*arguments, **options)

            return count

        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patch:
            patch.setattr(log, "encode", counted("encoded", log.encode))
            patch.setattr(Watcher, "_next", counted("woken", Watcher._next))
            patch.setattr(loop, "call_at", counted("timers", loop.call_at))
            for _ in range(events):
                hub.say(path)
                async with asyncio.timeout(120):
                    for reader, _ in peers:
                        assert b"event: warning" in await reader.readuntil(b"\n\n")
        assert counts["encoded"] == events
        assert counts["woken"] == watchers * events
        # The pump's, the wheel's and this test's own: none per watcher.
        assert counts["timers"] < watchers
        names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
        assert "_shutdown_watcher" not in names
        assert "EventSourceResponse._ping" not in names
        refused = await hub.http.get(f"{path}/events")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        for _, writer in peers:
            writer.transport.abort()
        session = SessionId(path[13:])
        await until(hub.hub, lambda state: select_session(state, session).viewers == 0, 60)
        assert len(hub.sessions.watchers) == 0


async def _listen(hub: Running, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(hub.serving.host, hub.serving.port)
    writer.write(f"GET {path}/events HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
    await reader.readuntil(b"\n\n")
    return reader, writer
