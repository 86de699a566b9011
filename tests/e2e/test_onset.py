"""The first word is whole, wherever speech begins and however quiet it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest
from tests.client import Client
from tests.speech import clips, needs_clips

from asr_hub.app import Serving, serving
from asr_hub.audio.operators.endpoint import Endpoint, EndpointSettings
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.config.schema import Config
from asr_hub.model import HUB_RATE, AudioFrame
from asr_hub.providers.known_clip import packaged_clip

pytestmark = [pytest.mark.e2e, pytest.mark.engine]

DEFAULT = Config.model_validate(
    {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
)

OFFSETS = [i * 8000 // 9 + 37 * i for i in range(10)]
"""Samples before the clip: 0 to half a second, each at another place in the VAD's window."""

LEVELS = (0, -10, -20)
"""dB"""

HISS = (0, 8)
"""Standard deviations of the noise under everything: none, and -72 dBFS."""

SPOKEN = [
    clip
    for clip in clips()
    if clip.kind == "speech" and clip.language == "en" and clip.text and clip.check and clip.rate == HUB_RATE
    if not clip.file.endswith(".raw")
]

Samples = npt.NDArray[np.float64]


@pytest.fixture
async def sphinx() -> AsyncIterator[Serving]:
    async with serving(DEFAULT) as running:
        yield running


@pytest.mark.parametrize("name", ["self_test", "demo"])
def test_the_first_utterance_of_a_packaged_clip_begins_before_its_first_sound(name: str) -> None:
    assert late(samples(packaged_clip(name).pcm)) == []


@pytest.mark.data
@needs_clips
def test_the_first_utterance_of_recorded_speech_begins_before_its_first_sound() -> None:
    """Many speakers, 60 ways each."""
    some = SPOKEN[::5]
    assert len(some) >= 12
    assert {clip.file: late(samples(clip.pcm())) for clip in some} == {clip.file: [] for clip in some}


async def test_the_first_word_is_the_same_wherever_speech_begins(sphinx: Serving) -> None:
    clip = packaged_clip("self_test")
    assert clip.rate == HUB_RATE
    spoken = samples(clip.pcm)
    cases = [(offset, level, HISS[1] * (i % 2)) for i, offset in enumerate(OFFSETS[::3]) for level in LEVELS]
    few = asyncio.Semaphore(3)
    async with asyncio.TaskGroup() as tasks:
        sessions = [tasks.create_task(first_heard(sphinx, behind(spoken, *case), few)) for case in cases]
    for case, session in zip(cases, sessions, strict=True):
        text, start = session.result()
        assert text.split()[:1] == clip.text.split()[:1], case
        assert start <= (case[0] + onset(spoken)) * 1000 / HUB_RATE + 50, case


async def first_heard(hub: Serving, pcm: bytes, few: asyncio.Semaphore) -> tuple[str, int]:
    """The first final's text, and the milliseconds at which speech was said to start."""
    async with few, Client(hub.stream_url) as client:
        for at in range(0, len(pcm), 3200):
            await client.send(pcm[at : at + 3200])
        await client.send({"type": "close"})
        await client.wait_for("closed", seconds=120)
        assert not client.of("error")
        return client.finals[0], client.of("speech-started")[0]["at"]


def late(spoken: Samples) -> list[tuple[int, int, int, int | None]]:
    """
    Offset, level and hiss of the cases whose first utterance misses some of the first sound, with how much it misses.

    Samples; None where there was no utterance.
    """
    first_sound = onset(spoken)
    cases = [(offset, level, hiss) for offset in OFFSETS for level in LEVELS for hiss in HISS]
    head = spoken[: first_sound + 2 * HUB_RATE]
    begun = beginnings([behind(head, *case) for case in cases])
    return [
        (*case, None if first is None else first - case[0] - first_sound)
        for case, first in zip(cases, begun, strict=True)
        if first is None or first > case[0] + first_sound
    ]


def beginnings(sessions: list[bytes]) -> list[int | None]:
    """The first sample given out in each session, by the VAD and the endpointer alone."""
    vad = SileroVad()
    scored = vad.score([(vad.open(HUB_RATE), [AudioFrame(pcm, 0, HUB_RATE)]) for pcm in sessions])
    begun: list[int | None] = []
    for one in scored:
        endpoint = Endpoint(EndpointSettings(), HUB_RATE)
        outputs = (output for window in one for output in endpoint.process(window))
        begun.append(next((output.start for output in outputs if isinstance(output, AudioFrame)), None))
    return begun


def onset(spoken: Samples) -> int:
    """
    The sample where speech begins: 10 ms within 18 dB of the loudest, as are most of the 150 ms that follow.

    Neither the noise of the room nor a click before the first word is its onset.
    """
    size = HUB_RATE // 100
    energy = np.square(spoken[: len(spoken) // size * size].reshape(-1, size)).mean(axis=1)
    is_loud = energy > energy.max() * 10**-1.8
    follow = np.convolve(is_loud, np.ones(15), "full")[14:]
    return int(np.argmax(is_loud & (follow >= 9))) * size


def behind(spoken: Samples, offset: int, decibels: float, hiss: float) -> bytes:
    """`spoken` at this level after `offset` samples, with white noise under all of it and a second after it."""
    sound = np.concatenate((np.zeros(offset), spoken * 10 ** (decibels / 20), np.zeros(HUB_RATE)))
    sound += hiss * np.random.default_rng(offset).normal(size=len(sound))
    return np.rint(sound).clip(-32768, 32767).astype("<i2").tobytes()


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(float)
