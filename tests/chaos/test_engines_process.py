"""An engine process in trouble of every kind: its provider comes back, by itself, and holds nothing."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.providers.host.toys import ToySettings, ToyStreaming, ToyWhole, speech
from tests.providers.leftovers import children, nothing_left

from asr_hub.app import running_hub
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, HubError, ProviderError
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Capabilities, Condition, RecognitionOptions, State
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.hosted_stream import _SUSPECT
from asr_hub.providers.settings import read_settings
from asr_hub.providers.worker_messages import Heard

pytestmark = pytest.mark.chaos

QUIET = RecognitionOptions(partials=False)
STREAMS = 2_000

HUGE, BAD_BUCKET, COUNT = 250, 249, 248
"""First bytes on which the odd engines answer more than a frame, fail to sort, and tell how many streams are open."""


class OddWhole(ToyWhole):
    def bucket(self, clip: Clip) -> Hashable:
        if clip.pcm[0] == BAD_BUCKET:
            raise ValueError("told to fail")
        return super().bucket(clip)

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        heard = super().recognise(clips)
        return [Heard(text="x" * (2 << 20)) if c.pcm[0] == HUGE else h for c, h in zip(clips, heard, strict=True)]


class OddStreaming(ToyStreaming):
    def _hear(self, stream: int, piece: bytes) -> Heard:
        return Heard(text=str(len(self.open))) if piece[:1] == bytes([COUNT]) else super()._hear(stream, piece)


def load(settings: dict[str, Any]) -> OddWhole | OddStreaming:
    chosen = msgspec.convert(settings, ToySettings)
    if chosen.fault == "child":
        subprocess.Popen(["sleep", "60"])
    return OddStreaming(chosen) if chosen.self_test_text == "streaming" else OddWhole(chosen)


class Odd(Hosted):
    """The toy engines with more faults. With `self_test_text: streaming`, the streaming one."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, {"self_test": "off", "max_streams": 8, **settings}, ToySettings)
        super().__init__(
            name,
            chosen,
            Capabilities(streaming=True, partials=True, words=True),
            target=f"{__name__}:load",
            is_streaming=chosen.self_test_text == "streaming",
        )
        self.conditions: list[Condition] = []
        self._changed = asyncio.Event()
        self.watch(self._note)

    def _note(self, condition: Condition) -> None:
        self.conditions.append(condition)
        self._changed.set()

    async def until(self, state: State, *, other_than: int | None = None) -> None:
        """Until it was told of, and where `other_than` names a process, of another one."""
        async with asyncio.timeout(60):
            while not self.conditions or self.conditions[-1].state is not state or self.pid == other_than:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def started(**settings: Any) -> AsyncIterator[Odd]:
    async with nothing_left():
        odd = Odd(ProviderName("odd"), settings)
        await odd.start()
        try:
            yield odd
        finally:
            await odd.aclose()


async def say(odd: Odd, *numbers: int) -> list[Hypothesis]:
    async with odd.stream(QUIET, {}) as stream:
        await stream.push(AudioFrame(speech(*numbers), 0))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream]


async def test_nothing_is_left_of_two_thousand_ugly_streams() -> None:
    chance, ends = random.Random(5), Counter[str]()
    async with started(self_test_text="streaming", max_streams=12, wait_s=1.0) as odd:
        gate = asyncio.Semaphore(30)

        async def one(number: int) -> None:
            async with gate:
                if number % 400 == 399 and odd.pid:
                    os.kill(odd.pid, signal.SIGKILL)
                ends[await ugly(odd, chance)] += 1

        async with asyncio.timeout(120):
            await asyncio.gather(*map(one, range(STREAMS)))
        # Every way was gone, and the engine remembers the asking stream alone.
        assert {"whole", "KeyError", "CancelledError", "ProviderError"} <= set(ends)
        assert (await say(odd, COUNT))[-1].text == "1"
        async with asyncio.timeout(10):
            # All its slots are free: as many streams as there are can be open at once.
            await asyncio.gather(*(say(odd, 1) for _ in range(12)))


async def ugly(odd: Odd, chance: random.Random) -> str:
    """One stream, used and left in one of eight ways; how it ended."""
    way = chance.randrange(8)
    use = asyncio.create_task(misuse(odd, way, chance))
    if way in (2, 5, 6):
        await asyncio.wait((use,), timeout=chance.choice([0, 0.0001, 0.001, 0.01, 0.05]))
        use.cancel()
    try:
        await use
    except (KeyError, HubError, asyncio.CancelledError) as exc:
        return type(exc).__name__
    return "whole"


async def misuse(odd: Odd, way: int, chance: random.Random) -> None:
    async with odd.stream(RecognitionOptions(), {}) as stream:
        if way == 0:
            return
        if way == 1:
            raise KeyError("the caller fails")

        async def feed() -> None:
            for _ in range(chance.randrange(1, 4)):
                number = 255 if chance.random() < 0.05 else chance.randrange(1, 200)
                await stream.push(AudioFrame(speech(*[number] * chance.choice([1, 3, 60])), 0))
            if way != 2:
                await stream.end_utterance()

        feeding = asyncio.create_task(feed())
        try:
            async for _ in stream:
                if way == 3:
                    break
                if way == 4:
                    raise KeyError("the reader fails")
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def test_an_attempt_is_not_spent_on_a_process_that_is_known_to_be_gone() -> None:
    async with started() as odd:
        await say(odd, 1)
        os.kill(odd.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            # Where the thread that waits for children was quicker, it is gone as well.
            os.waitid(os.P_PID, odd.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop must not turn
        with pytest.raises(ProviderError):
            await say(odd, 1)
        # No turn of the loop lies between: the hub's second attempt comes as quickly.
        assert (await say(odd, 2))[-1].text == "2"


async def test_a_suspect_that_wants_no_partials_gives_its_turn_on_with_the_engines_first_answer() -> None:
    async with started(self_test_text="streaming") as odd, odd.stream(QUIET, {_SUSPECT: 0}) as first:
        await first.push(AudioFrame(speech(1, 2, 3, 4), 0))
        async with odd.stream(QUIET, {_SUSPECT: 0}) as second:
            # It did not go ahead without its turn.
            assert second._trial.is_on
        await first.end_utterance()
        assert [heard.text async for heard in first if heard.is_final] == ["1 2 3 4"]


async def test_a_machine_out_of_files_when_the_engine_dies_does_not_end_it_for_good() -> None:
    async with started() as odd:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            os.kill(odd.pid, signal.SIGKILL)
            await odd.until(State.FAILED)
            for _ in range(20):
                await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await odd.until(State.READY)
        assert (await say(odd, 5))[-1].text == "5"


async def test_an_engine_that_hangs_is_ended_though_nobody_waits_as_long_as_that() -> None:
    async with started(hang_s=0.8) as odd:
        first = odd.pid
        os.kill(first, signal.SIGSTOP)
        try:
            for _ in range(8):
                # Each gives up before the engine is taken for hung, and for a while nobody is there.
                with pytest.raises((TimeoutError, ProviderError)):
                    async with asyncio.timeout(0.5):
                        await say(odd, 1)
                await asyncio.wait((asyncio.create_task(odd.until(State.READY)),), timeout=0.3)
                if odd.conditions:
                    break
            assert odd.conditions, "hung for five times `hang_s`"
            # That it hangs is told while the old process is still the current one.
            await odd.until(State.READY, other_than=first)
        finally:
            if odd.pid == first:
                os.kill(first, signal.SIGKILL)


async def test_a_step_longer_than_what_may_be_on_the_way_is_heard() -> None:
    async with started(self_test_text="streaming", step_s=5.0) as odd:
        async with asyncio.timeout(10):
            assert len((await say(odd, *[1] * 120))[-1].text.split()) == 120


@pytest.mark.parametrize("number", [HUGE, BAD_BUCKET])
async def test_what_the_engine_does_wrong_for_one_utterance_does_not_end_it_for_all(number: int) -> None:
    async with started() as odd:
        pid = odd.pid
        with pytest.raises(ProviderError):
            await say(odd, number)
        assert (await say(odd, 5))[-1].text == "5" and odd.pid == pid


async def test_a_model_that_died_with_its_last_utterance_is_unloaded_all_the_same() -> None:
    async with started(unload_after_s=0.0) as odd:
        with pytest.raises(ProviderError):
            await say(odd, 253)
        await odd.until(State.UNLOADED)


async def test_a_model_on_demand_is_let_go_at_the_start_where_no_self_test_was_asked_for() -> None:
    async with started(load="demand") as odd:
        await odd.self_test()
        await odd.until(State.UNLOADED)
        pid = (await say(odd, 1)) and odd.pid
        assert (await say(odd, 2)) and odd.pid == pid


async def test_an_engine_with_a_child_of_its_own_is_started_anew_when_it_dies() -> None:
    async with started(fault="child") as odd:
        os.kill(odd.pid, signal.SIGKILL)
        await odd.until(State.READY)


async def test_a_wrong_setting_of_one_provider_leaves_none_of_the_others_behind() -> None:
    tasks, processes = asyncio.all_tasks(), children()
    toy = {"kind": "tests.providers.host.toy_provider:Toy"}
    wrong = {**toy, "settings": {"self_test": "answers", "self_test_clip": "/nowhere.wav"}}
    config = Config.model_validate({"provider": "right", "providers": {"right": toy, "wrong": wrong}})
    with pytest.raises(ConfigError, match="nowhere"):
        async with running_hub(config):
            pass
    left = asyncio.all_tasks() - tasks
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)
    assert (left, children() - processes) == (set(), set())


def test_a_hub_that_is_killed_takes_an_engine_along_that_stands_still(tmp_path: Path) -> None:
    program = tmp_path / "hub.py"
    program.write_text(
        "import asyncio, os, signal\n"
        f"from {__name__} import Odd\n"
        "async def main():\n"
        "    odd = Odd('odd', {})\n"
        "    await odd.start()\n"
        "    os.kill(odd.pid, signal.SIGSTOP)\n"
        "    print(odd.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": root}
    ) as hub:
        assert hub.stdout is not None
        engine = int(hub.stdout.readline())
        watch = os.pidfd_open(engine)
        try:
            hub.kill()
            hub.wait()
            gone, _, _ = select.select((watch,), (), (), 10)
            assert gone, "the engine's process outlives its hub"
        finally:
            if not gone:
                signal.pidfd_send_signal(watch, signal.SIGKILL)
            os.close(watch)
