"""What comes through the hub is what the engine hears: nothing is lost, added or cut differently on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from tests.chaos.matrix import IS_FULL
from tests.client import Client
from tests.providers.direct import decode
from tests.speech import Clip, clips, needs_clips

from asr_hub.app import Serving, serving
from asr_hub.audio.operators.base import SpeechStart
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.audio.pipeline import Pipeline
from asr_hub.config.schema import Config
from asr_hub.model import HUB_RATE, AudioFormat, AudioFrame, EndpointReason, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.data, pytest.mark.slow, needs_clips]

SPHINX = Config.model_validate(
    {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
)

MARKS = {"max_streams": 8}
"""An engine each of whose words is the checksum of 200 ms of audio."""

MARKED = Config.model_validate(
    {"provider": "marks", "providers": {"marks": {"kind": "scripted", "settings": MARKS}}, "server": {"port": 0}}
)

SIZES = ("20 ms", "100 ms", "1 s", "random")

ENGLISH = [c for c in clips() if c.check is not None]


def blocks(pcm: bytes, size: str, seed: int) -> Iterator[bytes]:
    """`pcm` cut into network messages."""
    chance = random.Random(seed)
    fixed = {"20 ms": 640, "100 ms": 3200, "1 s": 32_000}.get(size)
    at = 0
    while at < len(pcm):
        step = fixed or 2 * chance.randint(1, HUB_RATE)
        yield pcm[at : at + step]
        at += step


def utterances(pcm: bytes) -> list[bytes]:
    """The utterances in `pcm`, cut by the pipeline alone: no hub, no socket, no engine."""
    vad = SileroVad()
    pipeline = Pipeline(AudioFormat(), HUB_RATE, vad, EndpointSettings())
    state = pipeline.state
    assert state is not None
    outputs = pipeline.cut(vad.score([(state, pipeline.take(pcm))])[0])
    outputs += pipeline.finalize(EndpointReason.CLOSE)
    found: list[bytearray] = []
    for output in outputs:
        if isinstance(output, SpeechStart):
            found.append(bytearray())
        elif isinstance(output, AudioFrame):
            found[-1] += output.pcm
    return [bytes(one) for one in found]


async def through_the_hub(hub: Serving, pcm: bytes, size: str, *, partials: bool) -> list[str]:
    async with Client(hub.stream_url, partials=partials) as client:
        for block in blocks(pcm, size, seed=len(pcm)):
            await client.send(block)
        await client.send({"type": "close"})
        await client.wait_for("closed", seconds=600)
        assert not client.of("error")
        return client.finals


@pytest.fixture(scope="module")
def engines() -> Iterator[ProcessPoolExecutor]:
    """Processes for the engine driven directly."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
async def sphinx() -> AsyncIterator[Serving]:
    async with serving(SPHINX) as running:
        yield running


@pytest.mark.timeout(1800)
async def test_every_sample_reaches_the_engine_once_however_the_audio_is_cut() -> None:
    alone = Scripted(ProviderName("alone"), MARKS)
    await alone.start()
    words = 0
    async with serving(MARKED) as marked:
        for clip in ENGLISH:
            pcm = clip.pcm()
            there = [(await alone.transcribe(one, RecognitionOptions()))[-1].text for one in utterances(pcm)]
            for size in SIZES:
                heard = await through_the_hub(marked, pcm, size, partials=size == "100 ms")
                assert heard == there, (clip.file, size)
            words += sum(len(text.split()) for text in there)
    await alone.aclose()
    assert words > 5 * len(ENGLISH)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", range(8))
async def test_text_through_the_websocket_is_the_text_of_the_engine(
    sphinx: Serving, engines: ProcessPoolExecutor, group: int
) -> None:
    """
    Each clip cut in one of the ways: that all ways give the engine the same samples is shown above for every clip.

    With ASR_HUB_FULL_MATRIX=1 each clip in every way, which takes a quarter of an hour more.
    """
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(2)

    async def check(place: int, clip: Clip) -> None:
        pcm = clip.pcm()
        async with gate:
            direct = await asyncio.gather(*(loop.run_in_executor(engines, decode, one) for one in utterances(pcm)))
            for size in SIZES if IS_FULL else SIZES[place % len(SIZES) :][:1]:
                heard = await through_the_hub(sphinx, pcm, size, partials=size == "100 ms")
                assert heard == direct, (clip.file, size)

    async with asyncio.TaskGroup() as tasks:
        for place, clip in enumerate(ENGLISH[group::8]):
            tasks.create_task(check(place, clip))
