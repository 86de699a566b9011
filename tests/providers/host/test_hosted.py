"""A provider with its engine in a process of its own: what dies, what is told, what is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.providers.host.toy_provider import Toy
from tests.providers.host.toys import speech
from tests.providers.leftovers import nothing_left

from asr_hub.errors import ConfigError, OutOfMemory, ProviderError, ProviderTimeout, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Condition, RecognitionOptions, State

pytestmark = pytest.mark.chaos

QUIET = RecognitionOptions(partials=False)


class Watched(Toy):
    def __init__(self, **settings: Any) -> None:
        super().__init__(ProviderName("toy"), {"max_streams": 4, "wait_s": 0.0, **settings})
        self.conditions: list[Condition] = []
        self._changed = asyncio.Event()
        self.watch(self._note)

    def _note(self, condition: Condition) -> None:
        self.conditions.append(condition)
        self._changed.set()

    async def until(self, state: State) -> Condition:
        async with asyncio.timeout(20):
            while True:
                if self.conditions and self.conditions[-1].state is state:
                    return self.conditions[-1]
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def started(**settings: Any) -> AsyncIterator[Watched]:
    async with nothing_left():
        toy = Watched(**settings)
        await toy.start()
        try:
            yield toy
        finally:
            await toy.aclose()


async def say(toy: Watched, *numbers: int, options: RecognitionOptions = QUIET) -> list[Hypothesis]:
    async with toy.stream(options, {}) as stream:
        await stream.push(AudioFrame(speech(*numbers), 16_000))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream]


@pytest.mark.parametrize("shape", ["whole", "streaming"])
async def test_the_loaded_engine_tells_what_it_is_and_hears(shape: str) -> None:
    async with started(self_test_text=shape) as toy:
        assert toy.capabilities.languages[0] == "en" and not toy.capabilities.gpu and toy.device == "cpu"
        (final,) = await say(toy, 1, 2, 3)
        assert (final.text, final.start, final.end) == ("1 2 3", 1000, 1300)
        assert final.is_final and final.stable == 5


async def test_a_process_that_dies_fails_its_streams_and_is_started_anew() -> None:
    async with started() as toy:
        first = toy.pid
        async with toy.stream(QUIET, {}) as stream:
            await stream.push(AudioFrame(speech(1), 0))
            os.kill(first, signal.SIGKILL)
            with pytest.raises(ProviderError, match="died in the middle"):
                _ = [hypothesis async for hypothesis in stream]
        assert (await say(toy, 1))[-1].text == "1" and toy.pid != first
        assert [condition.state for condition in toy.conditions] == [State.FAILED, State.READY]


@pytest.mark.parametrize(("number", "epitaph"), [(254, "the engine broke: told to break"), (253, "exit status 7")])
async def test_an_engine_that_ends_its_process_is_told_with_its_last_words(number: int, epitaph: str) -> None:
    async with started() as toy:
        with pytest.raises(ProviderError):
            await say(toy, number)
        assert (await say(toy, 5))[-1].text == "5"
        assert epitaph in toy.conditions[0].message


async def test_an_utterance_that_needs_too_much_memory_is_refused_by_name_and_the_process_lives() -> None:
    async with started() as toy:
        pid = toy.pid
        with pytest.raises(OutOfMemory):
            await say(toy, 252)
        assert (await say(toy, 5))[-1].text == "5" and toy.pid == pid


async def test_a_model_over_its_budget_is_refused() -> None:
    toy = Watched(memory_mb=1)
    with pytest.raises(ProviderUnavailable, match="its budget is 1 MiB"):
        await toy.start()
    await toy.aclose()


async def test_a_budget_holds() -> None:
    async with started(memory_mb=400) as toy:
        with pytest.raises(OutOfMemory):
            await say(toy, 252)
        assert (await say(toy, 5))[-1].text == "5"


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("config", ConfigError, "a setting is wrong"),
        ("raise", ProviderUnavailable, "OSError: no weights"),
        ("exit", ProviderUnavailable, "died while it loaded .exit status 3: last words"),
    ],
)
async def test_an_engine_that_cannot_load_says_why(fault: str, error: type[Exception], message: str) -> None:
    async with nothing_left():
        toy = Watched(fault=fault)
        with pytest.raises(error, match=message):
            await toy.start()
        await toy.aclose()


async def test_a_load_that_takes_too_long_is_given_up() -> None:
    async with nothing_left():
        toy = Watched(start_timeout_s=0.001)
        with pytest.raises(ProviderTimeout, match="start_timeout_s"):
            await toy.start()
        await toy.aclose()


async def test_an_idle_model_is_unloaded_and_loaded_with_the_next_utterance() -> None:
    async with started(unload_after_s=0.0) as toy:
        assert toy.pid
        assert (await say(toy, 1))[-1].text == "1"
        await toy.until(State.UNLOADED)
        assert not toy.pid
        assert (await say(toy, 2))[-1].text == "2"
        states = [condition.state for condition in toy.conditions]
        assert states[:3] == [State.UNLOADED, State.STARTING, State.READY]


async def test_a_model_on_demand_is_there_from_the_first_utterance_on() -> None:
    async with started(load="demand", self_test="answers") as toy:
        await toy.self_test()
        await toy.until(State.UNLOADED)
        assert (await say(toy, 1))[-1].text == "1"
        pid = toy.pid
        assert (await say(toy, 2))[-1].text == "2" and toy.pid == pid


async def test_many_streams_at_once_hear_their_own_audio() -> None:
    async with started(max_streams=40, partial_s=0.2) as toy:
        said = [[n, n + 1, *([0] * (n % 7)), n + 2] for n in range(1, 41)]
        heard = await asyncio.gather(*(say(toy, *numbers, options=RecognitionOptions()) for numbers in said))
        assert [h[-1].text for h in heard] == [" ".join(str(n) for n in numbers if n) for numbers in said]


async def test_audio_on_the_way_is_bounded_while_the_engine_is_behind() -> None:
    async with started(longest_s=1.0) as toy:
        async with toy.stream(QUIET, {}) as stream:
            os.kill(toy.pid, signal.SIGSTOP)
            flood = asyncio.create_task(stream.push(AudioFrame(speech(*([1] * 200)), 0)))
            await asyncio.wait((flood,), timeout=0.3)
            assert not flood.done()
            os.kill(toy.pid, signal.SIGCONT)
            await flood
            await stream.end_utterance()
            *_, final = [hypothesis async for hypothesis in stream]
        assert len(final.text.split()) == 200


async def test_what_was_asked_and_cannot_be_done_is_said() -> None:
    async with started() as toy:
        async with toy.stream(RecognitionOptions(hotwords=("hub",)), {}) as stream:
            assert stream.warnings == ["toy knows no hotwords: they are not used"]
        with pytest.raises(ConfigError, match="wake"):
            toy.stream(RecognitionOptions(wake_words=("hub",)), {})


async def test_after_a_death_batches_begin_smaller() -> None:
    async with started(max_batch=4, deadly=2) as toy:

        async def insist(number: int) -> str:
            while True:
                try:
                    return (await say(toy, number))[-1].text
                except ProviderError:
                    pass

        async with asyncio.timeout(60):
            heard = await asyncio.gather(*(insist(number) for number in (1, 2, 3, 4)))
        assert heard == ["1", "2", "3", "4"]
        deaths = [condition for condition in toy.conditions if condition.state is State.FAILED]
        # Of four, of two; never of one.
        assert len(deaths) <= 2


async def test_an_engine_that_hangs_is_ended_and_the_next_one_hears() -> None:
    async with started(hang_s=0.4) as toy:
        first = toy.pid
        async with toy.stream(QUIET, {}) as stream:
            await stream.push(AudioFrame(speech(1), 0))
            os.kill(first, signal.SIGSTOP)
            await stream.end_utterance()
            with pytest.raises(ProviderError, match="died in the middle"):
                _ = [hypothesis async for hypothesis in stream]
        assert (await say(toy, 2))[-1].text == "2" and toy.pid != first
        assert toy.conditions[0].code == "hung"


async def test_an_engine_that_owes_nothing_may_be_silent() -> None:
    async with started(hang_s=0.1) as toy:
        first = toy.pid
        async with toy.stream(QUIET, {}) as stream:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.6):
                    await toy.until(State.FAILED)
            await stream.push(AudioFrame(speech(1), 0))
            await stream.end_utterance()
            assert [hypothesis.text async for hypothesis in stream] == ["1"]
        assert toy.pid == first and not toy.conditions


async def test_the_machine_says_how_many_streams_where_the_settings_do_not() -> None:
    for shape, per_core in (("whole", 4), ("streaming", 16)):
        async with started(max_streams=None, self_test_text=shape) as toy:
            assert toy.capabilities.max_streams == per_core * (os.cpu_count() or 1)


@pytest.mark.parametrize("key", ["max_streams", "max_batch", "threads", "partial_s", "memory_mb", "hang_s"])
def test_a_setting_that_cannot_be_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        Watched(**{key: 0})
