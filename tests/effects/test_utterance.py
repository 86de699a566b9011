"""Whoever reads an utterance hears all of it, in order, however it comes and whoever else reads."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects.utterance import Reader, Utterance
from asr_hub.model import AudioFrame

pytestmark = pytest.mark.unit

RATE = 1000
pieces = st.lists(st.integers(1, 400), min_size=1, max_size=20)


def frames(sizes: list[int]) -> list[AudioFrame]:
    made, at = [], 0
    for number, size in enumerate(sizes):
        made.append(AudioFrame(bytes([number % 251, 1]) * size, at, RATE))
        at += size
    return made


async def heard(utterance: Utterance, reader: Reader) -> tuple[bytes, list[int]]:
    pcm, starts = b"", []
    while (frame := await reader.read()) is not None:
        assert frame.start == utterance.start + len(pcm) // 2
        pcm += frame.pcm
        starts.append(frame.start)
    assert reader.unread == 0
    return pcm, starts


@given(sizes=pieces, joins=st.lists(st.integers(0, 20), max_size=4), leaves=st.booleans())
def test_every_reader_hears_all_of_it_whenever_it_comes(sizes: list[int], joins: list[int], leaves: bool) -> None:
    async def run() -> None:
        utterance = Utterance(0, RATE)
        readers = [asyncio.create_task(heard(utterance, utterance.main))]
        for number, frame in enumerate(frames(sizes)):
            readers += [asyncio.create_task(heard(utterance, utterance.reader())) for _ in range(joins.count(number))]
            utterance.add(frame)
            await asyncio.sleep(0)
        if leaves:
            gone = utterance.reader()
            utterance.leave(gone)
        utterance.end(SpeechEnd(sum(sizes)), now=0.0)
        late = asyncio.create_task(heard(utterance, utterance.reader()))
        whole = b"".join(frame.pcm for frame in frames(sizes))
        for task in (*readers, late):
            pcm, _ = await task
            assert pcm == whole == utterance.pcm()
        assert utterance.unread == 0 and utterance.over.is_set()

    asyncio.run(run())


@given(sizes=pieces, skipped=st.integers(0, 3000))
def test_what_is_skipped_is_heard_by_nobody(sizes: list[int], skipped: int) -> None:
    async def run() -> None:
        utterance = Utterance(0, RATE)
        other = utterance.reader()
        for frame in frames(sizes):
            utterance.add(frame)
        utterance.end(SpeechEnd(sum(sizes)), now=0.0)
        await utterance.read()
        utterance.skip_to(skipped)
        whole = b"".join(frame.pcm for frame in frames(sizes))[2 * skipped :]
        for reader in (utterance.main, other):
            pcm = b""
            while (frame := await reader.read()) is not None:
                pcm += frame.pcm
            assert pcm == whole

    asyncio.run(run())


async def test_a_rewound_reader_begins_anew_and_the_others_go_on() -> None:
    utterance = Utterance(0, RATE)
    other = utterance.reader()
    (first, second) = frames([200, 200])
    utterance.add(first)
    assert await utterance.read() == first == await other.read()
    utterance.rewind()
    assert utterance.unread == 200 and other.unread == 0
    utterance.add(second)
    assert await other.read() == second
    frame = await utterance.read()
    assert frame is not None and frame.pcm == first.pcm + second.pcm
