"""A session over each protocol, against a real hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from tests.hubs import scripted, until, until_empty
from tests.sdk.python.reach import PROTOCOLS, client
from tests.speech import silence, tone
from websockets.asyncio.server import ServerConnection, serve

from asr_hub.app import Serving, serving
from asr_hub.store.slices.sessions import select_sessions
from asr_hub_client import (
    AsyncClient,
    AudioFormat,
    Closed,
    Endpoint,
    Error,
    Final,
    Partial,
    Refused,
    Reset,
    SessionOver,
    SpeechStarted,
    Unreachable,
)
from asr_hub_client.messages import AnyServerMessage
from asr_hub_client.session import Protocol

pytestmark = pytest.mark.e2e

T = TypeVar("T")

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
MORE = tone(0.6, hertz=330) + silence(1.0)

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@every_protocol
async def test_speech_becomes_messages_and_a_text(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60):
        async with asr.session() as session:
            messages = [message async for message in session.stream(blocks(SPEECH + MORE))]
        kinds = [type(message) for message in messages]
        assert {SpeechStarted, Partial, Endpoint, Final, Closed} <= set(kinds)
        assert kinds[-1] is Closed
        finals = [message for message in messages if isinstance(message, Final)]
        assert [final.utterance for final in finals] == [1, 2]
        assert session.text == "\n".join(final.hypothesis.text for final in finals)
        assert session.closed is not None
        assert session.closed.audio_offset == len(SPEECH + MORE) // 2
    await until_empty(hub.hub)


@every_protocol
async def test_finalize_and_clear_are_answered_and_the_session_goes_on(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60), asr.session() as session:
        await session.send(silence(0.5) + tone(1.0))
        await session.finalize()
        messages = aiter(session)
        final = await first(messages, Final)
        assert final.reason == "finalize"
        assert final.hypothesis.text
        await session.send(tone(0.5))
        await session.clear()
        assert (await first(messages, Endpoint)).reason == "clear"
        closed = await session.close()
        assert closed.reason == "close"
        assert session.text == final.hypothesis.text


@every_protocol
async def test_a_session_can_be_changed_while_it_runs(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60), asr.session(partials=False) as session:
        await session.send(SPEECH)
        await session.finalize()
        seen = [type(message) for message in await up_to(aiter(session), Final, count=2)]
        assert Partial not in seen
        await session.configure(partials=True, hotwords=["Zermatt"])
        await session.send(SPEECH)
        await first(aiter(session), Partial)


@every_protocol
async def test_a_format_is_kept(hub: Serving, protocol: Protocol) -> None:
    format = AudioFormat(48_000, 2)
    mono = tone(1.0, rate=48_000)
    stereo = b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    async with client(hub, protocol) as asr, asyncio.timeout(60), asr.session(format=format, language="en") as session:
        assert session.ready.format == format
        with pytest.raises(ValueError, match="whole samples"):
            await session.send(b"123")
        await session.send(stereo)
        assert (await session.close()).audio_offset == 48_000


@every_protocol
async def test_who_watches_is_told_the_same(hub: Serving, protocol: Protocol) -> None:
    async with asyncio.timeout(60), client(hub, protocol) as asr, asr.session() as session, asr.watch(session.id) as it:
        await session.send(SPEECH)
        await session.close()
        finals = [final async for final in it.finals()]
        assert it.text == session.text == finals[0].hypothesis.text
        assert it.closed == session.closed


@every_protocol
async def test_a_refusal_is_a_named_error(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60):
        with pytest.raises(Refused) as refused:
            async with asr.session(provider="nobody"):
                pass
        assert refused.value.code == "unknown-provider"
        with pytest.raises(Refused) as refused:
            async with asr.watch("nothing"):
                pass
        assert refused.value.code == "unknown-session"


@every_protocol
async def test_audio_that_is_none_ends_the_session_with_a_named_error(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60):
        with pytest.raises(Refused) as refused:
            async with asr.session() as session:
                async for _ in session.stream([b"RIFF\0\0\0\0WAVEfmt " + bytes(3200)]):
                    pass
        assert refused.value.code == "container-in-raw-audio"


@every_protocol
async def test_after_the_end_nothing_is_taken(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60):
        async with asr.session() as session:
            await session.end()
            with pytest.raises(SessionOver):
                await session.send(silence(0.1))
        with pytest.raises(SessionOver):
            await session.finalize()
        assert [type(message) async for message in session][-1] is Closed


@every_protocol
async def test_an_exception_leaves_the_session_to_the_hub(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60):
        with pytest.raises(ZeroDivisionError):
            async with asr.session() as session:
                raise ZeroDivisionError
        assert session.closed is None
        assert hub.hub.sessions == 1


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "http"])
async def test_whoever_leaves_is_gone_at_once(hub: Serving, protocol: Protocol) -> None:
    async with client(hub, protocol) as asr, asyncio.timeout(60):
        async with asr.session() as session:
            await session.send(silence(0.1))
            state = await session.detach()
        assert state.session == session.id
        await until(hub.hub, lambda it: all(record.publisher_left_at is not None for record in select_sessions(it)))


async def test_a_refused_change_is_a_message(hub: Serving) -> None:
    async with client(hub, "websocket") as asr, asyncio.timeout(60), asr.session() as session:
        await session.configure(provider="nobody")
        assert (await first(aiter(session), Error)).code == "unknown-provider"
        await session.send(SPEECH)
        await session.close()
        assert session.text


async def test_what_nobody_reads_does_not_hold_up_the_audio(hub: Serving) -> None:
    async with (
        client(hub, "websocket", keep_seconds=2) as asr,
        asyncio.timeout(60),
        asr.session(levels=True) as session,
    ):
        for _ in range(4):
            await session.send(SPEECH)
        await session.close()
        assert len(session.transcript.finals) == 4


async def test_who_comes_too_late_for_what_was_said_is_told_where_it_stands() -> None:
    config = scripted(sessions={"history_messages": 64})
    async with asyncio.timeout(60), serving(config) as hub, client(hub, "http") as asr, asr.session() as session:
        for _ in range(30):
            await session.send(silence(0.3) + tone(0.5) + silence(0.8))
        await session.finalize()
        await up_to(aiter(session), Final, count=30)
        async with asr.watch(session.id, seq=1) as late:
            reset = await first(aiter(late), Reset)
            assert len(reset.finals) >= 30
            assert late.text == session.text
            await session.send(SPEECH)
            await first(aiter(late), Final)
        with pytest.raises(Refused) as refused:
            async with asr.watch(session.id, seq=1, protocol="websocket"):
                pass
        assert refused.value.code == "resume-gap"


async def test_no_hub_is_a_named_error() -> None:
    async with AsyncClient("http://127.0.0.1:9") as asr:
        for protocol in ("websocket", "http"):
            with pytest.raises(Unreachable):
                async with asr.session(protocol=protocol):
                    pass
        with pytest.raises(Unreachable):
            await asr.health()


async def test_another_server_is_a_named_error(hub: Serving) -> None:
    async with AsyncClient(f"{hub.url}/elsewhere") as asr:
        for protocol in ("websocket", "http"):
            with pytest.raises((Refused, Unreachable)):
                async with asr.session(protocol=protocol):
                    pass


async def test_a_first_answer_over_websocket_that_is_none_is_a_named_error() -> None:
    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("hello")
        await socket.wait_closed()

    async with asyncio.timeout(60), serve(answer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with AsyncClient(f"http://127.0.0.1:{port}") as asr:
            with pytest.raises(Unreachable, match="no message of the protocol"):
                async with asr.session():
                    pass


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (b"data: hello\n\n", "no message of the protocol"),
        (b"", "the event stream ended"),
        (b'data: {"type":"audio-ack","seq":1,"audio_offset":0}\n\n', "not with `ready`"),
    ],
)
async def test_an_event_stream_that_does_not_begin_with_ready_is_a_named_error(events: bytes, why: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + events)
        writer.close()
        await writer.wait_closed()

    async with asyncio.timeout(60), await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with AsyncClient(f"http://127.0.0.1:{port}", protocol="http") as asr:
            with pytest.raises(Unreachable, match=why):
                async with asr.watch("s"):
                    pass


@pytest.mark.parametrize("url", ["", "127.0.0.1:8765", "ftp://host", "http://"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a hub"):
        AsyncClient(url)


async def test_the_hub_tells_of_itself(hub: Serving) -> None:
    async with AsyncClient(hub.url) as asr:
        assert (await asr.health())["status"] == "ok"
        assert [provider["name"] for provider in await asr.providers()] == ["scripted"]
        assert await asr.hotwords() == []
        assert await asr.set_hotwords(["Zermatt"]) == await asr.hotwords() == ["Zermatt"]


def blocks(pcm: bytes, size: int = 6400) -> list[bytes]:
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


async def up_to(messages: AsyncIterator[AnyServerMessage], kind: type, *, count: int = 1) -> list[AnyServerMessage]:
    """The messages up to the one that is the last of `count` of this kind."""
    seen: list[AnyServerMessage] = []
    async for message in messages:
        seen.append(message)
        if sum(isinstance(it, kind) for it in seen) == count:
            return seen
    raise AssertionError(f"the session ended without {kind.__name__}: {seen}")


async def first(messages: AsyncIterator[AnyServerMessage], kind: type[T]) -> T:
    """The next message of this kind; those before it are passed over."""
    message = (await up_to(messages, kind))[-1]
    assert isinstance(message, kind)
    return message
