"""Two thousand sessions, opened, used and dropped in every ugly way: nothing of them is left."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.hubs import scripted, until_empty
from tests.speech import silence, tone
from websockets.asyncio.client import ClientConnection, connect

from asr_hub.app import Serving, serving
from asr_hub.effects.recognition import Recogniser
from asr_hub.hub.attachment import Attachment
from asr_hub.hub.session import LiveSession
from asr_hub.store.slices.sessions import select_live_count

pytestmark = pytest.mark.chaos

SPEECH = silence(0.3) + tone(0.5)
SESSIONS = 2_000
AT_ONCE = 40

Way = Callable[[Serving], Awaitable[None]]


async def opened(hub: Serving) -> ClientConnection:
    socket = await connect(hub.stream_url, compression=None)
    await socket.send('{"type": "start"}')
    await socket.recv()
    return socket


async def nothing_but_tcp(hub: Serving) -> None:
    _, writer = await asyncio.open_connection(hub.host, hub.port)
    writer.transport.abort()


async def half_a_request(hub: Serving) -> None:
    _, writer = await asyncio.open_connection(hub.host, hub.port)
    writer.write(b"GET /v1/stream HTTP/1.1\r\nUpgrade: webso")
    await writer.drain()
    writer.transport.abort()


async def no_start(hub: Serving) -> None:
    socket = await connect(hub.stream_url, compression=None)
    socket.transport.abort()


async def start_and_gone(hub: Serving) -> None:
    (await opened(hub)).transport.abort()


async def gone_in_mid_utterance(hub: Serving) -> None:
    socket = await opened(hub)
    await socket.send(SPEECH)
    socket.transport.abort()


async def gone_in_mid_frame(hub: Serving) -> None:
    socket = await opened(hub)
    socket.transport.write(b"\x82\xfe\x10\x00\0\0\0\0" + bytes(100))
    socket.transport.abort()


async def garbage(hub: Serving) -> None:
    socket = await opened(hub)
    socket.transport.write(b"\xff" * 64)
    await socket.wait_closed()


async def finalize_and_gone(hub: Serving) -> None:
    socket = await opened(hub)
    await socket.send(SPEECH)
    await socket.send('{"type": "finalize"}')
    socket.transport.abort()


async def clear_and_gone(hub: Serving) -> None:
    socket = await opened(hub)
    await socket.send(SPEECH)
    await socket.send('{"type": "clear"}')
    socket.transport.abort()


async def close_unread(hub: Serving) -> None:
    socket = await opened(hub)
    await socket.send(SPEECH)
    await socket.send('{"type": "close"}')
    socket.transport.abort()


async def wrong_audio(hub: Serving) -> None:
    socket = await opened(hub)
    await socket.send(b"\0")
    await socket.wait_closed()


async def viewer_gone(hub: Serving) -> None:
    socket = await connect(hub.stream_url, compression=None)
    await socket.send('{"type": "start"}')
    session = json.loads(await socket.recv())["session"]
    viewer = await connect(hub.stream_url, compression=None)
    await viewer.send(json.dumps({"type": "attach", "session": session, "role": "viewer"}))
    viewer.transport.abort()
    await socket.send(SPEECH)
    socket.transport.abort()


async def polite(hub: Serving) -> None:
    async with await opened(hub) as socket:
        await socket.send(SPEECH)
        await socket.send('{"type": "close"}')
        async for _ in socket:
            pass


WAYS: tuple[Way, ...] = (
    nothing_but_tcp,
    half_a_request,
    no_start,
    start_and_gone,
    gone_in_mid_utterance,
    gone_in_mid_frame,
    garbage,
    finalize_and_gone,
    clear_and_gone,
    close_unread,
    wrong_audio,
    viewer_gone,
    polite,
)


async def use(hub: Serving, count: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await WAYS[number % len(WAYS)](hub)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(number))


async def settle(hub: Serving) -> None:
    """Until the last session has expired, and its log with it."""
    await until_empty(hub.hub, 60)
    async with asyncio.timeout(60):
        while hub.hub.kept_logs:  # noqa: ASYNC110 - they go by a timer, which tells nobody
            await asyncio.sleep(0.02)
    gc.collect()


def held() -> tuple[int, int, int]:
    """Tasks, file descriptors (sockets among them), threads."""
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), threading.active_count()


def resident() -> int:
    """Bytes"""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def alive() -> list[object]:
    """Every part of a session that something still refers to."""
    gc.collect()
    return [one for one in gc.get_objects() if type(one) in (LiveSession, Recogniser, Attachment)]


async def test_nothing_is_left_of_two_thousand_ugly_sessions() -> None:
    config = scripted(sessions={"resume_window_s": 0.3, "max_sessions": 500}, journal={"size": 1000})
    # Another test's failure report may hold some; they are kept, so that their ids cannot come again.
    others = alive()
    of_others = {id(one) for one in others}
    async with serving(config) as hub:
        await use(hub, SESSIONS // 2)
        await settle(hub)
        before, memory = held(), resident()
        await use(hub, SESSIONS // 2)
        await settle(hub)
        async with asyncio.timeout(30):
            # Sockets whose peers vanished are waited for, for the few seconds of a closing handshake.
            while any(now > then for now, then in zip(held(), before, strict=True)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        store = hub.hub.store
        assert select_live_count(store.state) == 0
        assert store.watched_sessions == 0
        assert len(store.state["transcripts"]) == 0
        async with asyncio.timeout(30):
            # The beat forgets a session that was marked after its end with its next round.
            while any(id(one) not in of_others for one in alive()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert resident() - memory < 16 * 2**20
