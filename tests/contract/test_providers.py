"""What every provider owes the hub. A new kind is tested by being in the registry and in `CASES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soxr
from msgspec.structs import replace
from tests.contract.cases import CASES, KEY_VARIABLE, Case, settings_of
from tests.providers.leftovers import nothing_left

from asr_hub.errors import ConfigError, Overloaded, ProviderError, ProviderUnavailable, UnsupportedAudio
from asr_hub.hub.engines import hears
from asr_hub.model import AudioFrame, Hypothesis
from asr_hub.providers.base import Provider, RecognitionOptions, RecognitionStream
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.registry import available, kinds, load

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

CLIP = packaged_clip("self_test")
START_MS = 2000
"""Of the utterance in its session."""


SPOTTERS = {"openwakeword"}
"""Kinds that hear phrases only, with models that are not shipped: they have test modules of their own."""


async def test_every_kind_has_its_place_in_this_suite() -> None:
    assert {case.kind for case in CASES.values()} == set(kinds()) - SPOTTERS


@pytest.fixture(scope="module", params=[name for name, case in CASES.items() if not case.is_variant])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    found = CASES[request.param]
    able = available(found.kind)
    if not able.ok:
        pytest.skip(f"{able.reason}: {able.remedy}")
    with pytest.MonkeyPatch.context() as environment:
        if found.server == "openai":
            from tests.providers.cloud.openai_server import KEY

            environment.setenv(KEY_VARIABLE, KEY)
        yield found


@asynccontextmanager
async def _started(case: Case) -> AsyncIterator[Provider]:
    # gRPC lets go of its sockets in threads of its own, at a time of its own.
    leftovers = nothing_left if case.server != "google" else nullcontext
    async with leftovers(), settings_of(case) as settings:
        loaded = load(case.kind, "under-test", settings)
        await loaded.start()
        try:
            yield loaded
        finally:
            await loaded.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(case: Case) -> AsyncIterator[Provider]:
    """One for all tests of a case, as a hub has one for all its sessions: an engine takes seconds to start."""
    async with _started(case) as loaded:
        yield loaded


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(case: Case) -> AsyncIterator[Provider]:
    """For a test that closes it."""
    async with _started(case) as loaded:
        yield loaded


def _rate(provider: Provider) -> int:
    return provider.capabilities.sample_rates[0]


def _clip(provider: Provider) -> bytes:
    """The packaged clip at the provider's rate."""
    if _rate(provider) == CLIP.rate:
        return CLIP.pcm
    resampled: bytes = soxr.resample(np.frombuffer(CLIP.pcm, "<i2"), CLIP.rate, _rate(provider)).tobytes()
    return resampled


def _options(provider: Provider, **fields: Any) -> RecognitionOptions:
    return RecognitionOptions(sample_rate=_rate(provider), **fields)


async def _say(stream: RecognitionStream, pcm: bytes, rate: int, piece: int = 3200) -> None:
    for at in range(0, len(pcm), piece):
        await stream.push(AudioFrame(pcm[at : at + piece], START_MS * rate // 1000 + at // 2, rate))
    await stream.end_utterance()


async def _hear(
    provider: Provider,
    pcm: bytes | None = None,
    options: RecognitionOptions | None = None,
    memory: MutableMapping[str, Any] | None = None,
    piece: int = 3200,
) -> list[Hypothesis]:
    async with provider.stream(options or _options(provider), {} if memory is None else memory) as stream:
        await _say(stream, _clip(provider) if pcm is None else pcm, _rate(provider), piece)
        return [hypothesis async for hypothesis in stream]


async def test_partials_come_first_and_then_exactly_one_final(provider: Provider, case: Case) -> None:
    heard: list[Hypothesis] = []
    async with provider.stream(_options(provider), {}) as stream:
        hypotheses = aiter(stream)
        for at in range(0, len(clip := _clip(provider)), 3200):
            await stream.push(
                AudioFrame(clip[at : at + 3200], START_MS * _rate(provider) // 1000 + at // 2, _rate(provider))
            )
        if "partials" in provider.capabilities.emulates:
            # They are made when the engine has nothing better to do: an end that comes at once leaves it no time.
            heard.append(await anext(hypotheses))
        await stream.end_utterance()
        heard += [hypothesis async for hypothesis in hypotheses]
    *partials, final = heard
    assert final.is_final and not any(partial.is_final for partial in partials)
    assert [hypothesis.revision for hypothesis in (*partials, final)] == list(range(1, len(partials) + 2))
    assert final.text == (case.text or final.text) and final.text
    assert final.provider == "under-test"
    assert bool(partials) == provider.capabilities.partials
    assert {"streaming", "partials"}.issuperset(provider.capabilities.emulates)
    assert all(0 <= hypothesis.stable <= len(hypothesis.text) for hypothesis in (*partials, final))


async def test_times_count_from_the_sessions_start_and_stay_inside_the_utterance(provider: Provider) -> None:
    final = (await _hear(provider))[-1]
    first, last = START_MS, START_MS + len(_clip(provider)) * 500 // _rate(provider)
    assert bool(final.words) == provider.capabilities.words
    assert first <= final.start <= final.end <= last + 1
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times) and all(final.start <= time <= final.end for time in times)
    if not final.words:
        return
    assert " ".join(word.text for word in final.words) == final.text
    if provider.capabilities.confidence:
        assert all(0 <= word.confidence <= 1 for word in final.words if word.confidence is not None)


async def test_confidence_is_given_where_it_is_claimed_and_nowhere_else(provider: Provider) -> None:
    final = (await _hear(provider))[-1]
    said = [final.confidence, *(word.confidence for word in final.words)]
    assert any(one is not None for one in said) == provider.capabilities.confidence


async def test_hotwords_are_taken_or_it_is_said_that_they_are_not(provider: Provider) -> None:
    options = _options(provider, hotwords=("forward",))
    async with provider.stream(options, {}) as stream:
        await _say(stream, _clip(provider), _rate(provider))
        *_, final = [hypothesis async for hypothesis in stream]
    assert final.is_final
    if not provider.capabilities.hotwords:
        assert any("hotwords" in warning for warning in stream.warnings)


async def test_what_is_no_wake_word_engine_says_so(provider: Provider) -> None:
    if not provider.capabilities.wake_words:
        with pytest.raises(ConfigError, match="wake"):
            async with provider.stream(_options(provider, wake_words=("computer",)), {}):
                raise AssertionError("it listens")


async def test_a_language_it_does_not_hear_is_refused_by_the_name_of_those_it_does(provider: Provider) -> None:
    assert all(tag and tag == tag.strip() for tag in provider.capabilities.languages)
    assert hears(provider, None)
    if provider.capabilities.languages:
        assert not hears(provider, "tlh") and hears(provider, provider.capabilities.languages[0])


async def test_the_text_does_not_depend_on_how_the_audio_is_cut(provider: Provider) -> None:
    pieces = (498, 3200, 50_000)
    texts = {(await _hear(provider, piece=piece))[-1].text for piece in pieces}
    assert len(texts) == 1


async def test_the_end_is_answered_even_without_audio(provider: Provider) -> None:
    assert [(h.text, h.is_final) for h in await _hear(provider, b"")] == [("", True)]
    for samples in (1, 100, 401, 1601):
        assert (await _hear(provider, bytes(samples * 2)))[-1].is_final


async def test_without_partials_only_the_final_comes(provider: Provider) -> None:
    with_partials = (await _hear(provider))[-1]
    (alone,) = await _hear(provider, options=_options(provider, partials=False))
    assert alone.text == with_partials.text


async def test_transcribing_whole_gives_the_streams_final(provider: Provider) -> None:
    streamed = (await _hear(provider))[-1]
    (whole,) = await provider.transcribe(_clip(provider), _options(provider))
    assert whole.text == streamed.text
    assert [w.start for w in whole.words] == [w.start - START_MS for w in streamed.words]


async def test_what_one_session_said_does_not_reach_another(provider: Provider) -> None:
    alone = (await _hear(provider, memory={}))[-1]
    loud = bytes(reversed(_clip(provider)))
    mine: dict[str, Any] = {}
    for _ in range(2):
        await _hear(provider, loud, memory=mine)
    after = (await _hear(provider, memory={}))[-1]
    assert replace(after, revision=0) == replace(alone, revision=0)


async def test_one_more_stream_than_slots_is_refused_and_a_freed_slot_is_given_again(provider: Provider) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(provider.capabilities.max_streams):
            await taken.enter_async_context(provider.stream(_options(provider), {}))
        with pytest.raises(Overloaded):
            await taken.enter_async_context(provider.stream(_options(provider), {}))
    assert (await _hear(provider))[-1].is_final


async def test_cancelling_frees_the_slot(provider: Provider) -> None:
    entered = asyncio.Event()

    async def talk() -> None:
        async with provider.stream(_options(provider), {}) as stream:
            await stream.push(AudioFrame(_clip(provider)[:32_000], 0, _rate(provider)))
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
            async with provider.stream(_options(provider), {}) as stream:
                await stream.push(AudioFrame(_clip(provider)[:3200], 0, _rate(provider)))
                raise ZeroDivisionError
    assert (await _hear(provider))[-1].is_final


async def test_streams_at_the_same_time_hear_their_own_audio(provider: Provider, case: Case) -> None:
    quiet = bytes(2 * _rate(provider))
    alone, nothing = (await _hear(provider))[-1].text, (await _hear(provider, quiet))[-1].text
    async with asyncio.TaskGroup() as group:
        speech = group.create_task(_hear(provider))
        silence = group.create_task(_hear(provider, quiet))
    assert (speech.result()[-1].text, silence.result()[-1].text) == (alone, nothing)
    assert alone != nothing and (not nothing or not case.knows_silence)


async def test_closing_under_load_ends_every_stream_with_a_named_error(fresh: Provider) -> None:
    entered = asyncio.Semaphore(0)

    async def talk() -> None:
        async with fresh.stream(_options(fresh), {}) as stream:
            await stream.push(AudioFrame(_clip(fresh)[:32_000], 0, _rate(fresh)))
            entered.release()
            _ = [hypothesis async for hypothesis in stream]

    talkers = [asyncio.create_task(talk()) for _ in range(fresh.capabilities.max_streams)]
    for _ in talkers:
        await entered.acquire()
    await fresh.aclose()
    ends = await asyncio.gather(*talkers, return_exceptions=True)
    assert all(isinstance(end, ProviderError) for end in ends)


async def test_a_closed_provider_refuses_and_can_be_closed_again(fresh: Provider) -> None:
    await fresh.aclose()
    await fresh.aclose()
    with pytest.raises(ProviderUnavailable, match="under-test"):
        await _hear(fresh)


async def test_a_provider_that_was_not_started_refuses(case: Case) -> None:
    async with settings_of(case) as settings:
        early = load(case.kind, "early", settings)
        with pytest.raises(ProviderUnavailable, match="not started"):
            await _hear(early)


async def test_the_self_test_answers(provider: Provider) -> None:
    assert isinstance(await provider.self_test(), str)


async def test_a_rate_it_does_not_hear_is_refused(provider: Provider) -> None:
    with pytest.raises(UnsupportedAudio, match="44100"):
        await _hear(provider, options=RecognitionOptions(sample_rate=44_100))


async def test_wake_words_are_spotted_one_hypothesis_each(provider: Provider, case: Case) -> None:
    if not provider.capabilities.wake_words:
        pytest.skip("spots no phrases")
    said = (await _hear(provider))[-1].text.split()
    phrase = case.wake_word or next(word for word in said if said.count(word) == 1)
    *spotted, final = await _hear(provider, options=_options(provider, wake_words=(phrase,)))
    assert [hypothesis.text for hypothesis in spotted] == [phrase] and final.is_final and not final.text
    assert START_MS < spotted[0].end <= START_MS + len(_clip(provider)) * 500 // _rate(provider)
