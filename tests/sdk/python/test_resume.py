"""Connections break, sessions move, hubs go away: what was said is heard once, and the caller is told the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace

import httpx
import msgspec
import pytest
from tests.hubs import scripted, until_empty
from tests.sdk.python.proxy import Proxy, proxy
from tests.sdk.python.reach import PROTOCOLS, client
from tests.speech import silence, tone

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub_client import AsyncClient, Endpoint, Final, Refused, SessionLost, SessionOver, SessionState
from asr_hub_client.messages import AnyServerMessage, AudioAck, Partial
from asr_hub_client.session import Protocol

pytestmark = pytest.mark.e2e

TALK = b"".join(
    silence(0.3) + tone(0.4 + 0.2 * (n % 3), hertz=200 + 40 * n) + silence(0.8 + 0.1 * (n % 2)) for n in range(6)
)

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def blocks(pcm: bytes, size: int = 6400) -> list[bytes]:
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


async def heard(hub: Serving, pcm: bytes) -> str:
    """What is heard of `pcm` without any trouble."""
    async with client(hub) as asr, asr.session() as session:
        await session.send(pcm)
        await session.close()
        return session.text


def through(hub: Serving, wire: Proxy, protocol: Protocol, **settings: float) -> AsyncClient:
    return AsyncClient(f"http://127.0.0.1:{wire.port}", protocol=protocol, grpc=f"127.0.0.1:{wire.port}", **settings)


def target(hub: Serving, protocol: Protocol) -> int:
    if protocol == "grpc":
        assert hub.grpc_port is not None
        return hub.grpc_port
    return hub.port


async def numbered(messages: AsyncIterator[AnyServerMessage]) -> list[AnyServerMessage]:
    """The messages, which are checked to come once and in order."""
    seen: list[AnyServerMessage] = []
    place = 0
    async for message in messages:
        assert message.seq == place + 1 + (message.skipped or 0)
        place = message.seq
        seen.append(message)
    return seen


@every_protocol
async def test_cuts_leave_what_is_heard_as_it_is(hub: Serving, protocol: Protocol) -> None:
    async with asyncio.timeout(120), proxy(target(hub, protocol)) as wire:
        wire.limits = [20_000, 60_000, 5_000, 40_000]
        async with through(hub, wire, protocol) as asr, asr.session() as session:
            messages = await numbered(session.stream(blocks(TALK)))
        assert session.resumes >= 2
        finals = [message.utterance for message in messages if isinstance(message, Final)]
        assert finals == list(range(1, len(finals) + 1))
        assert session.text == await heard(hub, TALK)
        assert session.closed is not None
        assert session.closed.audio_offset == len(TALK) // 2


@every_protocol
async def test_cuts_while_the_caller_listens_are_not_seen(hub: Serving, protocol: Protocol) -> None:
    async with (
        asyncio.timeout(120),
        proxy(target(hub, protocol)) as wire,
        through(hub, wire, protocol) as asr,
        asr.session() as session,
    ):
        messages = aiter(session)
        await session.send(silence(0.3) + tone(1.0))
        async for message in messages:
            if isinstance(message, Partial):
                break
        wire.cut()
        await session.send(silence(1.0) + tone(0.5))
        async for message in messages:
            if isinstance(message, Final):
                break
        wire.cut()
        await session.close()
        assert len(session.transcript.finals) == 2
        assert session.resumes == 2


async def test_a_close_that_was_cut_off_is_said_again(hub: Serving) -> None:
    async with (
        asyncio.timeout(120),
        proxy(hub.port) as wire,
        through(hub, wire, "websocket") as asr,
        asr.session() as session,
    ):
        await session.send(TALK)
        wire.cut()
        assert (await session.close()).audio_offset == len(TALK) // 2


@pytest.mark.parametrize(
    "way", [("websocket", "http", "grpc", "socketio"), ("grpc", "websocket", "socketio", "http", "websocket")]
)
async def test_a_session_goes_on_over_other_protocols(hub: Serving, way: tuple[Protocol, ...]) -> None:
    pieces = blocks(TALK, -(-len(TALK) // len(way) // 2) * 2)
    async with asyncio.timeout(120), client(hub, way[0]) as asr, asr.session() as session:
        await session.send(pieces[0])
        for protocol, piece in zip(way[1:], pieces[1:], strict=True):
            await session.move(protocol)
            assert session.protocol == protocol
            await session.send(piece)
        await session.close()
        assert session.text == await heard(hub, TALK)
        assert session.resumes == len(way) - 1


@every_protocol
async def test_a_session_is_taken_up_again_by_another_client(hub: Serving, protocol: Protocol) -> None:
    half = len(TALK) // 4 * 2
    async with asyncio.timeout(120):
        async with client(hub) as asr, asr.session() as session:
            await session.send(TALK[:half])
            state = await session.detach()
        assert isinstance(state, SessionState)
        async with client(hub, protocol) as asr, asr.resume(state) as session:
            await session.send(TALK[half:])
            await session.close()
            assert session.text == await heard(hub, TALK)


@every_protocol
async def test_a_command_without_an_answer_is_said_by_who_takes_the_session_up(
    hub: Serving, protocol: Protocol
) -> None:
    async with asyncio.timeout(120):
        async with client(hub) as asr, asr.session() as session:
            await session.send(tone(1.0))
            await session.finalize()
            await session.send(silence(0.5))
            state = await session.detach()
        state = msgspec.json.decode(msgspec.json.encode(state), type=SessionState)
        async with client(hub, protocol) as asr, asr.resume(state) as session:
            async for message in session:
                if isinstance(message, Endpoint):
                    break
            assert (message.reason, message.at) == ("finalize", 1000)
            assert (await session.close()).audio_offset == 24_000


async def test_an_end_without_an_answer_is_said_by_who_takes_the_session_up(hub: Serving) -> None:
    async with asyncio.timeout(120), client(hub) as asr:
        async with asr.session() as session:
            await session.send(tone(1.0))
            await session.end()
            state = await session.detach()
        async with asr.resume(state) as session:
            with pytest.raises(SessionOver):
                await session.send(tone(0.1))
            assert (await session.close()).audio_offset == 16_000


async def test_a_hub_that_does_not_come_back_is_told_with_the_audio_that_was_not_heard() -> None:
    config = scripted(sessions={"resume_window_s": 1.0})
    async with (
        asyncio.timeout(120),
        serving(config) as hub,
        proxy(hub.port) as wire,
        through(hub, wire, "websocket") as asr,
    ):
        with pytest.raises(SessionLost) as lost:
            async with asr.session() as session:
                await session.send(TALK)
                async for message in session:
                    if isinstance(message, AudioAck) and message.audio_offset > 16_000:
                        break
                wire.is_refusing = True
                wire.cut()
                await session.send(tone(0.1))
                await session.close()
        said = TALK + tone(0.1)
        assert lost.value.audio == said[2 * lost.value.state.audio_offset :]
        assert 0 < len(lost.value.audio) < len(said)


async def test_a_session_that_is_gone_is_lost_at_once() -> None:
    async with asyncio.timeout(120), proxy(0) as wire:
        async with serving(scripted()) as hub:
            wire.targets = [hub.port]
            asr = through(hub, wire, "websocket")
            session = asr.session()
            await session.__aenter__()
            await session.send(silence(0.5))
        async with asr, serving(scripted()) as other:
            wire.targets = [other.port]
            with pytest.raises(SessionLost, match="cannot be taken up again"):
                await session.close()
            await session.__aexit__(None, None, None)


@every_protocol
async def test_the_end_that_nobody_was_there_to_hear_is_told_afterwards(hub: Serving, protocol: Protocol) -> None:
    async with asyncio.timeout(120), client(hub, protocol) as asr:
        async with asr.session() as session:
            await session.send(silence(0.3) + tone(1.5))
            await first_ack(session)
            state = await session.detach()
        async with httpx.AsyncClient(base_url=hub.url) as rest:
            assert (await rest.delete(f"/v1/sessions/{state.session}")).status_code == 202
        await until_empty(hub.hub)
        async with asr.resume(state) as session:
            closed = await session.close()
            assert closed.audio_offset >= 16_000
            assert session.text


async def first_ack(session: AsyncIterable[AnyServerMessage]) -> AudioAck:
    async for message in session:
        if isinstance(message, AudioAck):
            return message
    raise AssertionError("nothing was acknowledged")


async def test_another_way_can_be_tried_while_one_is_blocked(hub: Serving) -> None:
    async with asyncio.timeout(120), proxy(0) as nowhere, client(hub) as asr, asr.session() as session:
        await session.send(TALK)
        nowhere.is_refusing = True
        asr._address = replace(asr._address, grpc=f"127.0.0.1:{nowhere.port}")
        moving = asyncio.create_task(session.move("grpc"))
        await nowhere.has_refused.wait()
        await session.move("http")
        assert session.protocol == "http"
        moving.cancel()
        await session.close()
        assert session.text == await heard(hub, TALK)


@every_protocol
async def test_more_than_is_allowed_is_lost_with_its_audio(protocol: Protocol) -> None:
    key = new_key()
    keys = {"short": {"id": key.id, "hash": key.sha256, "audio_s_per_hour": 2.5}}
    config = scripted(server={"port": 0, "grpc_port": 0}, access={"keys": keys})
    async with asyncio.timeout(120), serving(config) as hub, client(hub, protocol, key=key.secret) as asr:
        with pytest.raises(SessionLost, match="not taken up again within 60 s: this key has sent") as lost:
            async with asr.session() as session:
                await session.send(silence(10))
                await session.close()
        assert len(lost.value.audio) == 320_000 - 2 * lost.value.state.audio_offset > 0


async def test_audio_waits_for_room_while_there_is_no_connection(hub: Serving) -> None:
    async with (
        asyncio.timeout(120),
        proxy(hub.port) as wire,
        through(hub, wire, "websocket", keep_seconds=2) as asr,
        asr.session() as session,
    ):
        wire.is_refusing = True
        wire.cut()
        sending = asyncio.create_task(session.send(silence(10)))
        await asyncio.sleep(0)
        assert not sending.done()
        assert len(session.state.audio) == 64_000
        wire.is_refusing = False
        await sending
        assert (await session.close()).audio_offset == 160_000


async def test_another_client_that_takes_over_ends_this_one(hub: Serving) -> None:
    async with asyncio.timeout(120), client(hub) as asr:
        with pytest.raises(Refused) as refused:
            async with asr.session() as session:
                await session.send(silence(0.2))
                async with asr.resume(session.state) as other:
                    async for _ in session:
                        pass
        assert refused.value.code == "taken-over"
        assert session.resumes == 0
        assert other.closed is None
