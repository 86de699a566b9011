"""npm's socket.io-client against a session that is slow to take its audio."""

from __future__ import annotations

import asyncio
import struct

import pytest
from tests.node import node
from tests.protocols.echo_hub import EchoHub, EchoSession
from tests.protocols.socket_io.serving import serve

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("transport", ["websocket", "polling", "upgrade"])
async def test_200_audio_events_of_a_browser_keep_their_order(transport: str) -> None:
    hub = EchoHub()
    hub.fill_after = 1

    def slowly(session: EchoSession) -> None:
        loop = asyncio.get_running_loop()

        def turn(left: int) -> None:
            loop.call_soon(turn, left - 1) if left else session.make_room()

        turn(1 + len(session.frames) % 5)

    hub.on_full = slowly
    async with serve(hub) as server:
        said = await node("socket_io.mjs", server.url, transport, "count")
    (session,) = hub.sessions.values()
    assert session.frames == [struct.pack("<160h", *[number] * 160) for number in range(1, 201)]
    messages = [payload for name, payload in said["events"] if name == "message"]
    assert [message["seq"] for message in messages] == list(range(len(messages)))
    assert messages[-1]["audio_offset"] == 200 * 160
    assert said["reason"] == "io server disconnect"
