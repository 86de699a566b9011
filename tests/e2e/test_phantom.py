"""Where nobody speaks, nothing is written: noise, tones and silence through a hub as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from tests.client import Client
from tests.speech import Clip, clips, needs_clips

from asr_hub.app import Serving, serving
from asr_hub.audio.operators.base import SpeechStart
from asr_hub.audio.operators.endpoint import Endpoint, EndpointSettings
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.config.schema import Config
from asr_hub.model import HUB_RATE, AudioFrame
from asr_hub.providers.known_clip import packaged_clip

pytestmark = [pytest.mark.e2e, pytest.mark.engine]

DEFAULT = Config.model_validate(
    {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
)

SILENT = [clip for clip in clips() if clip.kind in {"noise", "tone"}]

Samples = npt.NDArray[np.float64]


@pytest.fixture
async def sphinx() -> AsyncIterator[Serving]:
    async with serving(DEFAULT) as running:
        yield running


async def heard(
    hub: Serving, pcm: bytes, rate: int, few: asyncio.Semaphore, *, finalize_every: int | None
) -> list[str]:
    """The finals of a session that is given `pcm`, and `finalize` after every so many bytes."""
    async with few, Client(hub.stream_url, format={"sample_rate": rate}) as client:
        step = finalize_every or 16_000
        for at in range(0, len(pcm), step):
            await client.send(pcm[at : at + step])
            if finalize_every is not None:
                await client.send({"type": "finalize"})
        await client.send({"type": "close"})
        await client.wait_for("closed", seconds=120)
        assert not client.of("error")
        return client.finals


async def heard_in_each(
    hub: Serving, sounds: dict[str, tuple[bytes, int]], *, finalize_every: int | None = None
) -> dict[str, list[str]]:
    """The same for many sessions, by name; a few at a time, so that none is refused an engine."""
    few = asyncio.Semaphore(3)
    async with asyncio.TaskGroup() as tasks:
        sessions = {
            name: tasks.create_task(heard(hub, pcm, rate, few, finalize_every=finalize_every))
            for name, (pcm, rate) in sounds.items()
        }
    return {name: session.result() for name, session in sessions.items()}


def with_text(finals: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: texts for name, texts in finals.items() if any(texts)}


@pytest.mark.data
@needs_clips
async def test_recorded_noise_and_tones_give_no_text(sphinx: Serving) -> None:
    """Each at the rate it was recorded at. The known words in the same hub show that it can hear."""
    known = packaged_clip("self_test")
    sounds = {clip.file: (clip.pcm(clip.rate), clip.rate) for clip in SILENT}
    finals = await heard_in_each(sphinx, {**sounds, "known": (known.pcm + bytes(known.rate * 2), known.rate)})
    assert known.is_heard_in(" ".join(finals.pop("known")))
    assert len(finals) >= 8
    assert with_text(finals) == {}


@pytest.mark.data
@needs_clips
async def test_asking_for_a_final_in_the_middle_of_noise_gives_an_empty_one(sphinx: Serving) -> None:
    sounds = {clip.file: (clip.pcm()[: 2 * 8 * HUB_RATE], HUB_RATE) for clip in SILENT}
    finals = await heard_in_each(sphinx, sounds, finalize_every=2 * 21_333)
    assert sum(map(len, finals.values())) >= len(finals)
    assert with_text(finals) == {}


async def test_made_silence_noise_and_tones_give_no_text(sphinx: Serving) -> None:
    made = {
        f"{name} {level}": (pcm(level * sound), HUB_RATE) for name, sound in sounds(8) for level in (30, 1000, 9000)
    }
    finals = await heard_in_each(sphinx, made)
    assert with_text(finals) == {}


@pytest.mark.parametrize("rate", SileroVad.rates)
def test_made_noise_opens_no_utterance(rate: int) -> None:
    """A steady voice-like tone may open one; noise may not."""
    made = [(name, level * sound) for name, sound in sounds(8, rate) for level in (10, 100, 1000, 5000, 15_000)]
    names = [name for name, _ in made]
    opened = openings([pcm(sound) for _, sound in made], rate)
    assert {name for name, times in zip(names, opened, strict=True) if times} <= {"low tone"}


@pytest.mark.data
@needs_clips
def test_recorded_noise_opens_no_utterance_at_any_level() -> None:
    """Noise that begins at once, from another sample than the VAD's windows do, faint and clipped."""
    cases = [
        (clip.file, bytes(2 * skipped) + louder(clip, decibels))
        for clip in SILENT
        for decibels in (-20, -10, 0, 6, 12, 20)
        for skipped in (0, 211)
    ]
    opened = openings([sound for _, sound in cases])
    assert {name for (name, _), times in zip(cases, opened, strict=True) if times} == set()


@pytest.mark.data
@needs_clips
def test_a_recording_that_is_cut_into_noise_hardly_ever_opens_an_utterance() -> None:
    """
    A session that begins, or comes out of digital silence, in the middle of noise.

    The VAD doubts for a fifth of a second what such a step is. To wait longer would lose quiet words of one syllable.
    """
    cut = [
        bytes(2 * (skipped + HUB_RATE * after_silence)) + noise[2 * first : 2 * (first + HUB_RATE)]
        for clip in SILENT
        for noise in (louder(clip, -8), louder(clip, 0), louder(clip, 8))
        for skipped in (0, 288)
        for after_silence in (0, 1)
        for first in starts(noise)
    ]
    assert sum(map(bool, openings(cut))) <= 0.01 * len(cut)


def starts(noise: bytes) -> Iterator[int]:
    """Samples to begin at: the first, and some all over it."""
    for i in range(8):
        yield (i * 102_947) % max(1, len(noise) // 2 - HUB_RATE)


def openings(sessions: list[bytes], rate: int = HUB_RATE) -> list[list[int]]:
    """Where utterances begin in each of these sessions, by the VAD and the endpointer alone."""
    vad = SileroVad()
    scored = vad.score([(vad.open(rate), [AudioFrame(sound, 0, rate)]) for sound in sessions])
    found = []
    for one in scored:
        endpoint = Endpoint(EndpointSettings(), rate)
        outputs = [output for window in one for output in endpoint.process(window)]
        found.append([output.at for output in outputs if isinstance(output, SpeechStart)])
    return found


def louder(clip: Clip, decibels: float) -> bytes:
    """At most half a minute of the clip."""
    return pcm(10 ** (decibels / 20) * np.frombuffer(clip.pcm()[: 2 * 30 * HUB_RATE], "<i2").astype(float))


def pcm(samples: Samples) -> bytes:
    return np.rint(samples).clip(-32768, 32767).astype("<i2").tobytes()


def sounds(seconds: int, rate: int = HUB_RATE) -> Iterator[tuple[str, Samples]]:
    """Sounds that are no speech, of about unit power."""
    chance = np.random.default_rng(0)
    count = seconds * rate
    time = np.arange(count) / rate
    white = chance.normal(size=count)
    pink = coloured(white, 0.5)
    yield "silence", np.zeros(count)
    yield "white", white
    yield "pink", pink
    yield "brown", coloured(white, 1.0)
    yield "pulsing", pink * (1 + 0.9 * np.sin(2 * np.pi * 4 * time))
    yield "hum", sum((np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5, 7)), np.zeros(count))
    yield "low tone", np.sin(2 * np.pi * 220 * time)
    yield "high tone", np.sin(2 * np.pi * 1000 * time)
    yield "keys", (np.sin(2 * np.pi * 697 * time) + np.sin(2 * np.pi * 1209 * time)) * (time % 2 < 0.5)
    yield "clicks", np.where(chance.random(count) < 0.0005, 20.0, np.zeros(count))


def coloured(white: Samples, slope: float) -> Samples:
    """White noise with its amplitude falling as frequency to the power of `slope`."""
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.arange(1, len(spectrum)) ** slope
    spectrum[0] = 0
    noise: Samples = np.fft.irfft(spectrum, len(white))
    noise /= noise.std()
    return noise
