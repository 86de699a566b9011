"""What every cloud provider owes the hub, over the real SDKs and servers that are strict about their protocols."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest
from tests.providers.cloud import google_server, openai_server
from tests.providers.cloud.hearing import at_rate, hear, text
from tests.providers.leftovers import open_files

from asr_hub.errors import ConfigError, Overloaded, ProviderError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.cloud.google import Google
from asr_hub.providers.cloud.openai_realtime import OpenAIRealtime
from asr_hub.providers.cloud.openai_rest import OpenAIRest
from asr_hub.providers.cloud.provider import CloudProvider

pytestmark = pytest.mark.engine

START_MS = 2000
"""Of the utterance in its session."""


class Case(NamedTuple):
    make: Callable[[ProviderName, dict[str, Any]], CloudProvider]
    running: Callable[[], Any]
    settings: dict[str, Any]


CASES = {
    "openai": Case(OpenAIRest, openai_server.running, {}),
    "openai whisper": Case(OpenAIRest, openai_server.running, {"model": "whisper-1"}),
    "openai plain": Case(OpenAIRest, openai_server.running, {"model": "local-model"}),
    "openai-realtime": Case(OpenAIRealtime, openai_server.running, {}),
    "google": Case(Google, google_server.running, {"project": "a-project"}),
}


class Under(NamedTuple):
    """What is under test."""

    provider: CloudProvider
    server: Any

    @property
    def rate(self) -> int:
        return self.provider.capabilities.sample_rates[0]

    def options(self, **fields: Any) -> RecognitionOptions:
        return RecognitionOptions(sample_rate=self.rate, **fields)


def make(name: str, server: Any, **more: Any) -> CloudProvider:
    case = CASES[name]
    where = {"api_endpoint": server.endpoint} if case.make is Google else {"base_url": server.url}
    if case.make is not Google:
        where["api_key_env"] = "CLOUD_KEY"
    settings = {"max_streams": 2, "wait_s": 0.0, "timeout_s": 20.0, **where, **case.settings, **more}
    return case.make(ProviderName("under-test"), settings)


@pytest.fixture(params=CASES)
async def under(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Under]:
    monkeypatch.setenv("CLOUD_KEY", openai_server.KEY)
    async with nothing_left(request.param), CASES[request.param].running() as server:
        provider = make(request.param, server)
        await provider.start()
        yield Under(provider, server)
        await provider.aclose()
        await server.idle.wait()


@asynccontextmanager
async def nothing_left(case: str) -> AsyncIterator[None]:
    tasks, files = asyncio.all_tasks(), open_files()
    yield
    # Closed transports let go of their sockets in the loop's next turns.
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - tasks - {asyncio.current_task()} == set()
    # gRPC lets go of its sockets in threads of its own, at a time of its own.
    assert case == "google" or {name for fd, name in open_files().items() if fd not in files} == set()


async def listen(under: Under, pcm: bytes, *, piece: int = 3200, **fields: Any) -> list[Hypothesis]:
    async with under.provider.stream(under.options(**fields), {}) as stream:
        for at in range(0, len(pcm), piece):
            start = START_MS * under.rate // 1000 + at // 2
            await stream.push(AudioFrame(pcm[at : at + piece], start, under.rate))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream]


def speech(rate: int, seconds: float = 1.3) -> bytes:
    """Bytes of which every 200 ms are different."""
    return b"".join((i * i % 65_521).to_bytes(2, "little") for i in range(1, int(rate * seconds) + 1))


async def test_partials_come_first_and_then_exactly_one_final_of_every_byte(under: Under) -> None:
    pcm = speech(under.rate)
    *partials, final = await listen(under, pcm)
    assert final.is_final and not any(partial.is_final for partial in partials)
    assert final.text == text(pcm, under.rate) and len(final.text.split()) == 7
    assert bool(partials) == under.provider.capabilities.partials
    assert [h.revision for h in (*partials, final)] == list(range(1, len(partials) + 2))
    assert all(final.text.startswith(partial.text[: partial.stable]) for partial in partials)
    assert any(partial.stable for partial in partials) == bool(partials)
    assert final.provider == "under-test" and final.stable == len(final.text)
    assert (final.confidence is not None) == under.provider.capabilities.confidence or "google" in str(under)
    assert 0 < (final.confidence or 1) <= 1


async def test_times_count_from_the_sessions_start(under: Under) -> None:
    pcm = speech(under.rate)
    *partials, final = await listen(under, pcm)
    assert (final.start, final.end) == (START_MS, START_MS + 1300)
    assert all(START_MS < partial.end <= final.end for partial in partials)
    assert bool(final.words) == under.provider.capabilities.words
    if final.words:
        expected = [(word.text, START_MS + word.start, START_MS + word.end) for word in hear(pcm, under.rate)]
        assert [(word.text, word.start, word.end) for word in final.words] == expected
        assert all(0 < (word.confidence or 0) <= 1 for word in final.words)


async def test_how_the_audio_is_cut_does_not_matter(under: Under) -> None:
    pcm = speech(under.rate)
    assert {(await listen(under, pcm, piece=piece))[-1].text for piece in (498, 3200, 50_000, len(pcm))} == {
        text(pcm, under.rate)
    }


async def test_the_end_is_answered_even_without_audio(under: Under) -> None:
    assert [(h.text, h.is_final) for h in await listen(under, b"")] == [("", True)]
    for samples in (1, 100, 401, under.rate // 10 - 1, under.rate // 10):
        (final,) = await listen(under, bytes(2 * samples))
        assert (final.text, final.is_final, final.end - final.start) == ("", True, samples * 1000 // under.rate)


async def test_without_partials_only_the_final_comes(under: Under) -> None:
    pcm = speech(under.rate)
    (final,) = await listen(under, pcm, partials=False)
    assert final.text == text(pcm, under.rate)


async def test_transcribing_whole_gives_the_same(under: Under) -> None:
    pcm = speech(under.rate, 12.0)
    (whole,) = await under.provider.transcribe(pcm, under.options())
    assert (whole.text, whole.start, whole.end) == (text(pcm, under.rate), 0, 12_000)


async def test_streams_at_the_same_time_hear_their_own_audio(under: Under) -> None:
    pcm = speech(under.rate)
    async with asyncio.TaskGroup() as group:
        one = group.create_task(listen(under, pcm))
        other = group.create_task(listen(under, bytes(under.rate)))
    assert (one.result()[-1].text, other.result()[-1].text) == (text(pcm, under.rate), "")


async def test_one_more_stream_than_slots_is_refused(under: Under) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(2):
            await taken.enter_async_context(under.provider.stream(under.options(), {}))
        with pytest.raises(Overloaded):
            await taken.enter_async_context(under.provider.stream(under.options(), {}))
    assert (await listen(under, bytes(under.rate)))[-1].is_final


async def test_cancelling_and_errors_of_the_caller_free_the_slot(under: Under) -> None:
    entered = asyncio.Event()

    async def talk() -> None:
        async with under.provider.stream(under.options(), {}) as stream:
            await stream.push(AudioFrame(speech(under.rate), 0, under.rate))
            entered.set()
            _ = [hypothesis async for hypothesis in stream]

    for _ in range(3):
        entered.clear()
        talking = asyncio.create_task(talk())
        await entered.wait()
        talking.cancel()
        await asyncio.wait((talking,))
        assert talking.cancelled()
        with pytest.raises(ZeroDivisionError):
            async with under.provider.stream(under.options(), {}) as stream:
                await stream.push(AudioFrame(speech(under.rate), 0, under.rate))
                raise ZeroDivisionError
    assert under.provider.slots.used == 0
    assert (await listen(under, bytes(under.rate)))[-1].is_final


async def test_a_stream_that_is_over_is_forgotten(under: Under) -> None:
    async with under.provider.stream(under.options(), {}) as stream:
        pass
    watched = weakref.ref(stream)
    del stream
    gc.collect()
    assert watched() is None


async def test_closing_under_load_ends_every_stream_with_a_named_error(under: Under) -> None:
    entered = asyncio.Semaphore(0)

    async def talk() -> None:
        async with under.provider.stream(under.options(), {}) as stream:
            await stream.push(AudioFrame(speech(under.rate), 0, under.rate))
            entered.release()
            _ = [hypothesis async for hypothesis in stream]

    talkers = [asyncio.create_task(talk()) for _ in range(2)]
    for _ in talkers:
        await entered.acquire()
    await under.provider.aclose()
    ends = await asyncio.gather(*talkers, return_exceptions=True)
    assert all(isinstance(end, ProviderUnavailable) and "under-test" in str(end) for end in ends)
    await under.provider.aclose()
    with pytest.raises(ProviderUnavailable, match="under-test"):
        await listen(under, speech(under.rate))
    with pytest.raises(ProviderUnavailable, match="under-test"):
        await under.provider.self_test()


async def test_a_server_that_does_not_answer_is_waited_for_so_long_and_no_longer(under: Under) -> None:
    impatient = make(_name(under), under.server, timeout_s=0.3, **_no_retries(under))
    await impatient.start()
    under.server.next.append(_fault(under, "STALL"))
    with pytest.raises(ProviderError) as raised:
        await listen(Under(impatient, under.server), speech(under.rate))
    assert raised.value.code == "provider-timeout"
    assert (await listen(under, speech(under.rate)))[-1].text
    await impatient.aclose()
    under.server.released.set()


async def test_a_connection_lost_in_the_middle_is_an_error_and_the_next_utterance_is_heard(under: Under) -> None:
    under.server.next.append(_fault(under, "DROP"))
    with pytest.raises(ProviderError):
        await listen(under, speech(under.rate))
    assert (await listen(under, speech(under.rate)))[-1].text == text(speech(under.rate), under.rate)


async def test_a_server_that_is_not_there_is_an_error(under: Under) -> None:
    gone = make(_name(under), _Nowhere, self_test="off", **_no_retries(under))
    await gone.start()
    with pytest.raises(ProviderError, match="under-test"):
        await listen(Under(gone, None), speech(under.rate))
    await gone.aclose()


async def test_the_self_test_hears_the_packaged_clip(under: Under) -> None:
    tested = make(_name(under), under.server, self_test="clip")
    await tested.start()
    assert await tested.self_test() == "go forward ten meters"
    assert under.server.asked[-1].pcm == at_rate(under.rate)
    await tested.aclose()
    assert await under.provider.self_test()


async def test_what_cannot_be_done_is_refused(under: Under) -> None:
    with pytest.raises(UnsupportedAudio, match="44100"):
        under.provider.stream(RecognitionOptions(sample_rate=44_100), {})
    with pytest.raises(ConfigError, match="wake"):
        under.provider.stream(under.options(wake_words=("hello",)), {})
    stream = under.provider.stream(under.options(), {})
    with pytest.raises(ProviderError, match="async with"):
        await stream.push(AudioFrame(b"\0\0", 0, under.rate))


async def test_a_provider_that_was_not_started_refuses(under: Under) -> None:
    with pytest.raises(ProviderUnavailable, match="not started"):
        await listen(Under(make(_name(under), under.server), None), b"")


def _fault(under: Under, name: str) -> Any:
    module = google_server if isinstance(under.provider, Google) else openai_server
    return module.Fault[name]


class _Nowhere:
    """Addresses at which nobody listens."""

    url = "http://127.0.0.1:9/v1"
    endpoint = "127.0.0.1:9"


def _name(under: Under) -> str:
    kinds = {OpenAIRealtime: "openai-realtime", Google: "google"}
    if (kind := kinds.get(type(under.provider))) is not None:
        return kind
    assert isinstance(under.provider, OpenAIRest)
    models = {"whisper-1": "openai whisper", "local-model": "openai plain"}
    return models.get(under.provider.settings.model, "openai")


def _no_retries(under: Under) -> dict[str, Any]:
    return {"max_retries": 0} if isinstance(under.provider, OpenAIRest) else {}
