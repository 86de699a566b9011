"""The socket is cut, again and again; what was heard must not change."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.client import Client
from tests.hubs import scripted
from tests.speech import clip, needs_clips, silence, tone
from websockets.exceptions import ConnectionClosed

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config

pytestmark = pytest.mark.chaos

TALK = b"".join(
    silence(0.3) + tone(0.4 + 0.2 * (n % 4), hertz=200 + 40 * n) + silence(0.8 + 0.1 * (n % 3)) for n in range(8)
)

Finals = list[tuple[int, str, int, int]]


def finals(client: Client) -> Finals:
    return [
        (m["utterance"], m["hypothesis"]["text"], m["hypothesis"]["start"], m["hypothesis"]["end"])
        for m in client.of("final")
    ]


async def uninterrupted(hub: Serving, pcm: bytes) -> Finals:
    async with Client(hub.stream_url) as client:
        for at in range(0, len(pcm), 6400):
            await client.send(pcm[at : at + 6400])
        await client.send({"type": "close"})
        await client.wait_for("closed", seconds=900)
        return finals(client)


async def interrupted(hub: Serving, pcm: bytes, cuts: list[int], block: int) -> tuple[Finals, int]:
    """Send `pcm`, and cut the socket each time the byte of a cut has been sent."""
    waiting = sorted(cuts)
    async with Client(hub.stream_url) as client:
        at = 0
        while at < len(pcm):
            if waiting and at >= waiting[0]:
                waiting.pop(0)
                await client.cut()
                await client.connect()
                at = 2 * client.audio_offset
                continue
            await client.send(pcm[at : at + block])
            at += block
        await client.send({"type": "close"})
        for _ in waiting:
            await client.cut()
            await client.connect()
            # What was on its way when the socket was cut is lost, the close as well as audio. The hub may be done.
            with contextlib.suppress(ConnectionClosed):
                if client.audio_offset * 2 < len(pcm):
                    await client.send(pcm[2 * client.audio_offset :])
                await client.send({"type": "close"})
        await client.wait_for("closed", seconds=900)
        return finals(client), client.resumes


@given(
    cuts=st.lists(st.integers(0, len(TALK)), max_size=6),
    block=st.sampled_from([640, 3200, 6402, 32000]),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_cuts_leave_the_finals_as_they_are(cuts: list[int], block: int) -> None:
    async def run() -> None:
        async with serving(scripted()) as hub:
            whole = await uninterrupted(hub, TALK)
            assert len(whole) == 8
            assert (await interrupted(hub, TALK, cuts, block))[0] == whole

    asyncio.run(run())


FAST_SPHINX = {
    "provider": "sphinx",
    "providers": {"sphinx": {"kind": "pocketsphinx", "settings": {"final": "streaming"}}},
    "server": {"port": 0},
}


@needs_clips
@pytest.mark.data
@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_fifty_cuts_in_the_long_clip_leave_the_finals_as_they_are() -> None:
    pcm = clip("longform_shared.flac").pcm()
    chance = random.Random(455)
    cuts = [chance.randrange(len(pcm)) for _ in range(50)]
    async with serving(Config.model_validate(FAST_SPHINX)) as hub:
        whole, (broken, resumes) = await asyncio.gather(uninterrupted(hub, pcm), interrupted(hub, pcm, cuts, 6400))
    assert resumes == 50
    assert len(whole) > 20
    assert broken == whole
