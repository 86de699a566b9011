"""What every provider owes the hub. A new kind is tested by being in the registry and in `HEARS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from tests.providers.leftovers import nothing_left

from asr_hub.errors import Overloaded, ProviderError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import AudioFrame, Hypothesis
from asr_hub.providers.base import Provider, RecognitionOptions, RecognitionStream
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.registry import available, kinds, load

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test")
START = 32_000
"""Samples into the session."""


class Heard(msgspec.Struct, frozen=True):
    """What must be heard in the clip, by a kind under these settings."""

    settings: dict[str, Any]
    text: str | None
    """None: anything but nothing."""
    wake_word: str | None = None


HEARS = {
    "scripted": Heard({"max_streams": 2, "wait_s": 0.0}, None),
    "pocketsphinx": Heard({"max_streams": 2, "wait_s": 0.0}, "go forward ten meters", "go forward"),
    "pocketsphinx phrases": Heard(
        {"max_streams": 2, "wait_s": 0.0, "phrases": ["go forward ten meters", "stop the music"]},
        "go forward ten meters",
        "ten meters",
    ),
    "pocketsphinx streaming": Heard({"max_streams": 2, "wait_s": 0.0, "final": "streaming"}, None, "go forward"),
}


SPOTTERS = {"openwakeword"}
"""Kinds that hear phrases only, with models that are not shipped: they have test modules of their own."""


def test_every_kind_has_its_place_in_this_suite() -> None:
    assert {name.split()[0] for name in HEARS} == set(kinds()) - SPOTTERS


@pytest.fixture(params=HEARS)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    found = available(name.split()[0])
    if not found.ok:
        pytest.skip(f"{found.reason}: {found.remedy}")
    return name


@pytest.fixture
async def provider(case: str) -> AsyncIterator[Provider]:
    async with nothing_left():
        loaded = load(case.split()[0], "under-test", HEARS[case].settings)
        await loaded.start()
        try:
            yield loaded
        finally:
            await loaded.aclose()


async def _say(stream: RecognitionStream, pcm: bytes, piece: int = 3200) -> None:
    for at in range(0, len(pcm), piece):
        await stream.push(AudioFrame(pcm[at : at + piece], START + at // 2))
    await stream.end_utterance()


async def _hear(
    provider: Provider,
    pcm: bytes = CLIP.pcm,
    options: RecognitionOptions | None = None,
    memory: MutableMapping[str, Any] | None = None,
    piece: int = 3200,
) -> list[Hypothesis]:
    async with provider.stream(options or RecognitionOptions(), {} if memory is None else memory) as stream:
        await _say(stream, pcm, piece)
        return [hypothesis async for hypothesis in stream]


async def test_partials_come_first_and_then_exactly_one_final(provider: Provider, case: str) -> None:
    *partials, final = await _hear(provider)
    assert final.is_final and not any(partial.is_final for partial in partials)
    assert [hypothesis.revision for hypothesis in (*partials, final)] == list(range(1, len(partials) + 2))
    assert final.text == (HEARS[case].text or final.text) and final.text
    assert final.provider == "under-test"
    assert bool(partials) == provider.capabilities.partials
    assert all(0 <= hypothesis.stable <= len(hypothesis.text) for hypothesis in (*partials, final))


async def test_times_count_from_the_sessions_start_and_stay_inside_the_utterance(provider: Provider) -> None:
    final = (await _hear(provider))[-1]
    first, last = START // 16, (START + len(CLIP.pcm) // 2) // 16
    assert provider.capabilities.words and final.words
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times) and first <= final.start <= times[0] and times[-1] <= final.end <= last
    assert " ".join(word.text for word in final.words) == final.text
    if provider.capabilities.confidence:
        assert all(0 <= (word.confidence or -1) <= 1 for word in final.words)


async def test_the_text_does_not_depend_on_how_the_audio_is_cut(provider: Provider) -> None:
    pieces = (498, 3200, 50_000)
    texts = {(await _hear(provider, piece=piece))[-1].text for piece in pieces}
    assert len(texts) == 1


async def test_the_end_is_answered_even_without_audio(provider: Provider) -> None:
    assert [(h.text, h.is_final) for h in await _hear(provider, b"")] == [("", True)]
    for samples in (1, 100, 401):
        assert (await _hear(provider, bytes(samples * 2)))[-1].is_final


async def test_without_partials_only_the_final_comes(provider: Provider) -> None:
    with_partials = (await _hear(provider))[-1]
    (alone,) = await _hear(provider, options=RecognitionOptions(partials=False))
    assert alone.text == with_partials.text


async def test_transcribing_whole_gives_the_streams_final(provider: Provider) -> None:
    streamed = (await _hear(provider))[-1]
    (whole,) = await provider.transcribe(CLIP.pcm, RecognitionOptions())
    assert whole.text == streamed.text
    assert [w.start for w in whole.words] == [w.start - START // 16 for w in streamed.words]


async def test_what_one_session_said_does_not_reach_another(provider: Provider) -> None:
    alone = (await _hear(provider, memory={}))[-1]
    loud = bytes(reversed(CLIP.pcm))
    mine: dict[str, Any] = {}
    for _ in range(2):
        await _hear(provider, loud, memory=mine)
    after = (await _hear(provider, memory={}))[-1]
    assert after == alone


async def test_one_more_stream_than_slots_is_refused_and_a_freed_slot_is_given_again(provider: Provider) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(provider.capabilities.max_streams):
            await taken.enter_async_context(provider.stream(RecognitionOptions(), {}))
        with pytest.raises(Overloaded):
            await taken.enter_async_context(provider.stream(RecognitionOptions(), {}))
    assert (await _hear(provider))[-1].is_final


async def test_cancelling_frees_the_slot(provider: Provider) -> None:
    entered = asyncio.Event()

    async def talk() -> None:
        async with provider.stream(RecognitionOptions(), {}) as stream:
            await stream.push(AudioFrame(CLIP.pcm[:32_000], 0))
            entered.set()
            _ = [hypothesis async for hypothesis in stream]

    for _ in range(provider.capabilities.max_streams + 1):
        entered.clear()
        talking = asyncio.create_task(talk())
        await entered.wait()
        talking.cancel()
        await asyncio.wait((talking,))
        assert talking.cancelled()
    assert (await _hear(provider))[-1].is_final


async def test_an_error_in_the_callers_code_frees_the_slot(provider: Provider) -> None:
    for _ in range(provider.capabilities.max_streams + 1):
        with pytest.raises(ZeroDivisionError):
            async with provider.stream(RecognitionOptions(), {}) as stream:
                await stream.push(AudioFrame(CLIP.pcm[:3200], 0))
                raise ZeroDivisionError
    assert (await _hear(provider))[-1].is_final


async def test_streams_at_the_same_time_hear_their_own_audio(provider: Provider) -> None:
    alone = (await _hear(provider))[-1].text
    async with asyncio.TaskGroup() as group:
        speech = group.create_task(_hear(provider))
        silence = group.create_task(_hear(provider, bytes(32_000)))
    assert (speech.result()[-1].text, silence.result()[-1].text) == (alone, "")


async def test_closing_under_load_ends_every_stream_with_a_named_error(provider: Provider) -> None:
    entered = asyncio.Semaphore(0)

    async def talk() -> None:
        async with provider.stream(RecognitionOptions(), {}) as stream:
            await stream.push(AudioFrame(CLIP.pcm[:32_000], 0))
            entered.release()
            _ = [hypothesis async for hypothesis in stream]

    talkers = [asyncio.create_task(talk()) for _ in range(provider.capabilities.max_streams)]
    for _ in talkers:
        await entered.acquire()
    await provider.aclose()
    ends = await asyncio.gather(*talkers, return_exceptions=True)
    assert all(isinstance(end, ProviderError) for end in ends)


async def test_a_closed_provider_refuses_and_can_be_closed_again(provider: Provider) -> None:
    await provider.aclose()
    await provider.aclose()
    with pytest.raises(ProviderUnavailable, match="under-test"):
        await _hear(provider)


async def test_a_provider_that_was_not_started_refuses(case: str) -> None:
    with pytest.raises(ProviderUnavailable, match="not started"):
        await _hear(load(case.split()[0], "early", HEARS[case].settings))


async def test_the_self_test_hears_its_clip(provider: Provider) -> None:
    assert await provider.self_test()


async def test_a_rate_it_does_not_hear_is_refused(provider: Provider) -> None:
    with pytest.raises(UnsupportedAudio, match="44100"):
        await _hear(provider, options=RecognitionOptions(sample_rate=44_100))


async def test_wake_words_are_spotted_one_hypothesis_each(provider: Provider, case: str) -> None:
    said = (await _hear(provider))[-1].text.split()
    phrase = HEARS[case].wake_word or next(word for word in said if said.count(word) == 1)
    *spotted, final = await _hear(provider, options=RecognitionOptions(wake_words=(phrase,)))
    assert provider.capabilities.wake_words
    assert [hypothesis.text for hypothesis in spotted] == [phrase] and final.is_final and not final.text
    assert START // 16 < spotted[0].end <= (START + len(CLIP.pcm) // 2) // 16
