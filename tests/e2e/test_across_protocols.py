"""A session begun over one protocol, watched over others, and taken up again over a third."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hubs import scripted, until_empty
from tests.peers import PEERS
from tests.peers.base import Message, Peer
from tests.peers.grpc import GrpcPeer
from tests.peers.http import HttpPeer
from tests.peers.socket_io import SocketIoPeer
from tests.peers.websocket import WebSocketPeer
from tests.speech import silence, tone

from asr_hub.app import Serving, serving

pytestmark = pytest.mark.e2e

CONFIG = scripted(server={"port": 0, "grpc_port": 0})
TALK = b"".join(
    silence(0.3) + tone(0.4 + 0.2 * (n % 3), hertz=200 + 40 * n) + silence(0.8 + 0.1 * (n % 2)) for n in range(5)
)
BLOCK = 3200
VIEWERS = 100


def finals(messages: Sequence[Message]) -> list[tuple[Any, ...]]:
    return [
        (m["utterance"], m["hypothesis"]["text"], m["hypothesis"]["start"], m["hypothesis"]["end"])
        for m in messages
        if m["type"] == "final"
    ]


async def uninterrupted(hub: Serving) -> list[tuple[Any, ...]]:
    async with WebSocketPeer(hub) as peer:
        await peer.start()
        for at in range(0, len(TALK), BLOCK):
            await peer.send(TALK[at : at + BLOCK])
        await peer.tell("close")
        await peer.wait_for("closed")
        return finals(peer.messages)


async def moved(hub: Serving, legs: Sequence[tuple[type[Peer], int]]) -> tuple[str, list[Message]]:
    """Publish `TALK` in legs: over each protocol up to a byte, where its connection is cut. The last one closes."""
    session, seq, heard = "", 0, list[Message]()
    for number, (make, until) in enumerate(legs):
        is_last = number == len(legs) - 1
        async with make(hub) as peer:
            if number == 0:
                await peer.start()
            else:
                await peer.attach(session, seq=seq, take_over=True)
            at = 2 * peer.audio_offset
            while at < (len(TALK) if is_last else until):
                await peer.send(TALK[at : at + BLOCK])
                at += BLOCK
            if is_last:
                await peer.tell("close")
                await peer.wait_for("closed")
        session, seq = peer.session, peer.seq
        heard += peer.messages
    return session, heard


async def test_a_hundred_viewers_over_three_protocols_hear_what_the_publisher_hears() -> None:
    async with serving(CONFIG) as hub, AsyncExitStack() as stack:
        whole = await uninterrupted(hub)
        publisher = await stack.enter_async_context(WebSocketPeer(hub))
        await publisher.start()
        kinds = (HttpPeer, SocketIoPeer, GrpcPeer)
        viewers = [await stack.enter_async_context(kinds[number % len(kinds)](hub)) for number in range(VIEWERS)]
        await asyncio.gather(*(viewer.attach(publisher.session, role="viewer") for viewer in viewers))
        for at in range(0, len(TALK), BLOCK):
            await publisher.send(TALK[at : at + BLOCK])
        await publisher.tell("close")
        await asyncio.gather(*(peer.wait_for("closed") for peer in (publisher, *viewers)))
        assert finals(publisher.messages) == whole
        for viewer in viewers:
            assert finals(viewer.messages) == whole, viewer.protocol


async def test_a_publisher_that_drops_goes_on_over_grpc_and_then_over_http() -> None:
    third = len(TALK) // 3
    async with serving(CONFIG) as hub:
        whole = await uninterrupted(hub)
        _, heard = await moved(hub, [(WebSocketPeer, third), (GrpcPeer, 2 * third), (HttpPeer, len(TALK))])
        assert finals(heard) == whole
        await until_empty(hub.hub)


@given(
    legs=st.lists(st.tuples(st.sampled_from(PEERS), st.integers(0, len(TALK))), min_size=1, max_size=5),
)
@settings(max_examples=12, deadline=None)
def test_any_cuts_and_any_protocols_leave_the_finals_as_they_are(legs: list[tuple[type[Peer], int]]) -> None:
    async def run() -> None:
        async with serving(CONFIG) as hub:
            whole = await uninterrupted(hub)
            _, heard = await moved(hub, sorted(legs, key=lambda leg: leg[1]))
            assert finals(heard) == whole

    asyncio.run(run())


async def test_who_comes_late_over_any_protocol_hears_it_from_the_beginning() -> None:
    chance = random.Random(4)
    async with serving(CONFIG) as hub, AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(WebSocketPeer(hub))
        await publisher.start()
        cuts = sorted(chance.sample(range(0, len(TALK), BLOCK), len(PEERS)))
        viewers = list[Peer]()
        for at in range(0, len(TALK), BLOCK):
            if cuts and at >= cuts[0]:
                cuts.pop(0)
                viewer = await stack.enter_async_context(PEERS[len(viewers)](hub))
                viewers.append(await viewer.attach(publisher.session, role="viewer"))
            await publisher.send(TALK[at : at + BLOCK])
        await publisher.tell("close")
        await asyncio.gather(*(peer.wait_for("closed") for peer in (publisher, *viewers)))
        assert len(viewers) == len(PEERS)
        for viewer in viewers:
            assert finals(viewer.messages) == finals(publisher.messages), viewer.protocol
