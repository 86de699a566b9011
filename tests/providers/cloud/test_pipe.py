"""Audio between a session and the network."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import ProviderError
from asr_hub.providers.cloud.pipe import AudioPipe

pytestmark = pytest.mark.unit


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50), st.integers(1, 50))
def test_the_reader_sees_every_byte_in_pieces_of_its_own_size(written: list[bytes], size: int, limit: int) -> None:
    async def go() -> list[bytes]:
        pipe = AudioPipe(limit)
        pieces = []

        async def write() -> None:
            for piece in written:
                await pipe.put(piece)
            pipe.end()

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            while piece := await pipe.read(size):
                pieces.append(piece)
        assert await pipe.read(size) == b"" and pipe.taken == sum(map(len, pieces))
        return pieces

    pieces = asyncio.run(go())
    assert b"".join(pieces) == b"".join(written)
    assert all(len(piece) == size for piece in pieces[:-1])


async def test_the_writer_waits_while_nobody_reads_and_is_let_go_when_nobody_will() -> None:
    pipe = AudioPipe(10)
    await pipe.put(bytes(10))
    waiting = asyncio.create_task(pipe.put(bytes(1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await pipe.read(1)
    await waiting
    waiting = asyncio.create_task(pipe.put(bytes(1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    pipe.break_off()
    await waiting
    await pipe.put(bytes(1000))


async def test_nothing_comes_after_the_end() -> None:
    pipe = AudioPipe(10)
    pipe.end()
    with pytest.raises(ProviderError, match="after the end"):
        await pipe.put(b"\0\0")
