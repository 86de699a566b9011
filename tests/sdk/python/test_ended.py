"""A session that the hub ends by itself: what it took is heard, and what it did not take is not passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from tests.hubs import scripted, until, until_empty
from tests.sdk.python.reach import PROTOCOLS, client
from tests.speech import silence, tone

from asr_hub.app import Serving, serving
from asr_hub.store.slices.sessions import select_sessions
from asr_hub_client import AsyncClient, Client, Closed, Final, SessionLost, SessionOver
from asr_hub_client.messages import AnyServerMessage
from asr_hub_client.session import Protocol

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
SAID = SPEECH * 8

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture
async def slow() -> AsyncIterator[Serving]:
    """A hub whose engine is behind, so that audio is on its way when the session ends."""
    config = scripted({"faults": {"cost": 0.1}}, server={"port": 0, "grpc_port": 0})
    async with serving(config) as running:
        yield running


async def heard(hub: Serving) -> None:
    """Wait until the hub has taken an utterance."""
    await until(hub.hub, lambda it: any(one.audio_offset >= len(SPEECH) // 2 for one in select_sessions(it)), 60)


async def shut_down(hub: Serving) -> None:
    await hub.hub.drain(60)


async def stop_once_heard(hub: Serving) -> None:
    await heard(hub)
    await shut_down(hub)


async def close_from_elsewhere(hub: Serving) -> None:
    (session,) = hub.hub.records()
    async with httpx.AsyncClient(base_url=hub.url) as rest:
        (await rest.delete(f"/v1/sessions/{session.id}")).raise_for_status()
    await until_empty(hub.hub, 60)


@every_protocol
@pytest.mark.parametrize("end", [shut_down, close_from_elsewhere])
async def test_what_the_hub_did_not_take_comes_back(
    slow: Serving, protocol: Protocol, end: Callable[[Serving], Coroutine[Any, Any, None]]
) -> None:
    seen: list[AnyServerMessage] = []
    async with asyncio.timeout(60), client(slow, protocol) as asr:
        with pytest.raises(SessionLost) as lost:
            async with asr.session() as session:
                await session.send(SAID)
                await heard(slow)
                await end(slow)
                async for message in session:
                    seen.append(message)
    closed = seen[-1]
    assert isinstance(closed, Closed)
    assert any(isinstance(message, Final) for message in seen)
    assert session.closed == closed
    assert 0 < closed.audio_offset < len(SAID) // 2
    assert lost.value.audio == SAID[closed.audio_offset * 2 :]
    assert lost.value.reason == closed.reason
    assert closed.reason in str(lost.value)


async def test_every_call_tells_of_audio_that_was_not_taken(slow: Serving) -> None:
    async with asyncio.timeout(60), client(slow) as asr:
        with pytest.raises(SessionLost, match="shutdown"):
            async with asr.session() as session:
                await session.send(SAID)
                await heard(slow)
                await shut_down(slow)
        missing = SAID[(session.closed or pytest.fail("it is not over")).audio_offset * 2 :]
        for call in (session.close(), session.finalize()):
            with pytest.raises(SessionLost) as lost:
                await call
            assert lost.value.audio == missing
        with pytest.raises(SessionLost) as lost:
            await session.send(SPEECH)
        assert lost.value.audio == missing + SPEECH
        with pytest.raises(SessionLost):
            async for _ in session.finals():
                pass


async def test_leaving_does_not_tell_again_what_was_dealt_with(slow: Serving) -> None:
    async with asyncio.timeout(60), client(slow) as asr, asr.session() as session:
        await session.send(SAID)
        await heard(slow)
        await shut_down(slow)
        with pytest.raises(SessionLost):
            await session.close()


async def test_a_stream_gives_all_messages_before_it_tells(slow: Serving) -> None:
    seen: list[AnyServerMessage] = []
    given = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield SPEECH

    async with asyncio.timeout(60), client(slow, keep_seconds=10) as asr, asr.session() as session:
        stopping = asyncio.create_task(stop_once_heard(slow))
        with pytest.raises(SessionLost) as lost:
            async for message in session.stream(source()):
                seen.append(message)
        await stopping
    closed = seen[-1]
    assert isinstance(closed, Closed)
    assert lost.value.audio == (SPEECH * given)[closed.audio_offset * 2 :]


async def test_a_program_without_a_loop_is_told_too(slow: Serving) -> None:
    def speak() -> bytes:
        with Client(slow.url) as asr, asr.session() as session:
            try:
                while True:
                    session.send(SPEECH)
            except SessionLost as lost:
                assert lost.reason == "shutdown"
                return lost.audio

    async with asyncio.timeout(60):
        speaking = asyncio.create_task(asyncio.to_thread(speak))
        await heard(slow)
        await shut_down(slow)
        assert await speaking


@every_protocol
async def test_an_end_that_costs_no_audio_is_no_error(hub: Serving, protocol: Protocol) -> None:
    async with asyncio.timeout(60), client(hub, protocol) as asr, asr.session() as session:
        await session.send(SPEECH)
        await session.finalize()
        await anext(session.finals())
        await shut_down(hub)
        assert [type(message) async for message in session][-1] is Closed
        closed = await session.close()
        assert (closed.reason, closed.audio_offset) == ("shutdown", len(SPEECH) // 2)
        with pytest.raises(SessionOver, match="shutdown"):
            await session.send(SPEECH)


async def test_a_session_that_expires_costs_no_audio() -> None:
    async with (
        asyncio.timeout(60),
        serving(scripted(sessions={"idle_timeout_s": 0.2})) as hub,
        client(hub) as asr,
        asr.session() as session,
    ):
        await session.send(tone(0.5))
        assert [type(message) async for message in session][-1] is Closed
    assert session.closed is not None
    assert session.closed.reason != "close"


async def test_a_protocol_that_there_is_none_of_is_told() -> None:
    nobody: Any = "ws"
    every = "websocket, http, socketio, grpc"
    for client_ in (AsyncClient, Client):
        with pytest.raises(ValueError, match=f"'ws' is no protocol .* {every}"):
            client_(protocol=nobody)
    async with AsyncClient() as asr:
        with pytest.raises(ValueError, match=every):
            async with asr.session(protocol=nobody):
                pass
