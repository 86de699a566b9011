from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator

import pytest
from tests.providers.leftovers import children, nothing_left

from asr_hub.errors import ConfigError, ProviderError, ProviderUnavailable
from asr_hub.model import AudioFrame, ProviderName
from asr_hub.providers.base import Condition, RecognitionOptions, State
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.pocketsphinx import PocketSphinx
from asr_hub.providers.process_pool import WINDOW, PoolSettings, ProcessPool
from asr_hub.providers.worker_messages import Begin, End

pytestmark = pytest.mark.chaos

CLIP = packaged_clip("self_test")
ECHO = "tests.providers.echo_engine:load"


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    async with nothing_left():
        made = ProcessPool("echo", ECHO, {}, PoolSettings(max_workers=2))
        await made.start()
        try:
            yield made
        finally:
            await made.aclose()


async def _utterance(pool: ProcessPool, pcm: bytes = b"ab", profile: str = "") -> tuple[int, str]:
    async with pool.worker(profile) as worker:
        await worker.say(Begin(sample_rate=16_000))
        await worker.hear(pcm)
        await worker.say(End())
        (final,) = [heard async for heard in worker.heard()]
        return worker.pid, final.text


async def test_a_worker_serves_one_utterance_after_the_other(pool: ProcessPool) -> None:
    first, second = await _utterance(pool, b"abc"), await _utterance(pool, b"de")
    assert (first[1], second[1]) == ("3", "2") and first[0] == second[0]
    assert pool.version == "echo 1"


async def test_profiles_never_share_a_worker(pool: ProcessPool) -> None:
    pids = [(await _utterance(pool, profile=profile))[0] for profile in ("a", "b", "c", "a")]
    assert len(set(pids)) == 4 and len(pool.pids) <= 1 + 2


async def test_a_worker_that_is_killed_fails_its_own_stream_only(pool: ProcessPool) -> None:
    async with pool.worker() as victim, pool.worker() as other:
        for worker in (victim, other):
            await worker.say(Begin(sample_rate=16_000))
        os.kill(victim.pid, signal.SIGKILL)
        with pytest.raises(ProviderError, match=f"process {victim.pid} died in the middle"):
            _ = [heard async for heard in victim.heard()]
        with pytest.raises(ProviderError, match="died"):
            await victim.hear(b"more")
        await other.hear(b"abcd")
        await other.say(End())
        assert [heard.text async for heard in other.heard()] == ["4"]
    assert (await _utterance(pool))[1] == "2"


async def test_an_engine_that_raises_is_told_and_replaced(pool: ProcessPool) -> None:
    with pytest.raises(ProviderError, match="ValueError: told to raise"):
        await _utterance(pool, b"raise")
    assert (await _utterance(pool))[1] == "2"


async def test_audio_on_the_way_is_bounded(pool: ProcessPool) -> None:
    async with pool.worker() as worker:
        await worker.say(Begin(sample_rate=16_000))
        flood = asyncio.create_task(worker.hear(bytes(WINDOW + 2)))
        reading = asyncio.create_task(_drain(worker.heard()))
        await flood
        await worker.say(End())
        assert await reading == [str(WINDOW + 2)]


async def test_nothing_more_is_sent_while_the_window_is_full(pool: ProcessPool) -> None:
    async with pool.worker() as worker:
        await worker.say(Begin(sample_rate=16_000))
        # Nobody reads the receipts, so the window never opens.
        flood = asyncio.create_task(worker.hear(bytes(4 * WINDOW)))
        await asyncio.wait((flood,), timeout=0.2)
        assert not flood.done()
        flood.cancel()
        await asyncio.wait((flood,))


async def test_a_killed_zygote_takes_its_workers_and_is_started_anew(pool: ProcessPool) -> None:
    zygote = pool.pids[0]
    others = children() - {zygote}
    conditions: list[Condition] = []
    pool.watch(conditions.append)
    async with pool.worker() as worker:
        await worker.say(Begin(sample_rate=16_000))
        os.kill(zygote, signal.SIGKILL)
        with pytest.raises(ProviderError):
            _ = [heard async for heard in worker.heard()]
    assert (await _utterance(pool))[1] == "2"
    assert pool.pids[0] != zygote and children() - others == {pool.pids[0]}
    assert [condition.state for condition in conditions] == [State.FAILED, State.READY]
    assert "signal 9" in conditions[0].message


async def test_who_is_not_patient_does_not_wait_for_the_end_of_a_pause_after_many_deaths(pool: ProcessPool) -> None:
    conditions: asyncio.Queue[Condition] = asyncio.Queue()
    pool.watch(conditions.put_nowait)
    for pause in (False, True):
        os.kill(pool.pids[0], signal.SIGKILL)
        assert bool((await conditions.get()).retry_in) is pause
        if not pause:
            assert (await conditions.get()).state is State.READY
    with pytest.raises(ProviderUnavailable, match="started again"):
        async with pool.worker(patient=False):
            pass
    assert (await _utterance(pool))[1] == "2"


async def test_a_worker_let_go_before_its_zygote_is_known_to_be_dead_is_cleared_away(pool: ProcessPool) -> None:
    ready = asyncio.Event()
    pool.watch(lambda condition: ready.set() if condition.state is State.READY else None)
    async with pool.worker() as worker:
        await worker.say(Begin(sample_rate=16_000))
        # Left in the same turn of the loop: nobody has heard of the death yet.
        os.kill(pool.pids[0], signal.SIGKILL)
    await ready.wait()
    assert (await _utterance(pool))[1] == "2"
    assert worker.pid not in children()


async def test_an_engine_that_cannot_load_says_why() -> None:
    async with nothing_left():
        for fault, error, message in (
            ("config", ConfigError, "a setting is wrong"),
            ("raise", ProviderUnavailable, "OSError: no weights"),
            ("exit", ProviderUnavailable, "died while it loaded .*exit status 3: last words"),
        ):
            pool = ProcessPool("echo", ECHO, {"fault": fault}, PoolSettings(max_workers=1))
            with pytest.raises(error, match=message):
                await pool.start()
            await pool.aclose()


async def test_a_hub_that_is_killed_leaves_no_process() -> None:
    code = f"""
        import asyncio
        from asr_hub.providers.process_pool import PoolSettings, ProcessPool
        from asr_hub.providers.worker_messages import Begin

        async def main():
            pool = ProcessPool("echo", {ECHO!r}, {{}}, PoolSettings(max_workers=1))
            await pool.start()
            async with pool.worker() as worker:
                await worker.say(Begin(sample_rate=16_000))
                print(*pool.pids, flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
    """
    hub = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(code), stdout=subprocess.PIPE)
    assert hub.stdout is not None
    doors = [os.pidfd_open(int(pid)) for pid in (await hub.stdout.readline()).split()]
    hub.kill()
    await hub.communicate()
    assert len(doors) == 2
    for door in doors:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(door, ended.set)
        async with asyncio.timeout(20):
            await ended.wait()
        asyncio.get_running_loop().remove_reader(door)
        os.close(door)


async def test_a_recogniser_killed_in_mid_utterance_hears_the_next_one() -> None:
    async with nothing_left():
        provider = PocketSphinx(ProviderName("ps"), {"max_streams": 1})
        await provider.start()
        try:
            async with provider.stream(RecognitionOptions(), {}) as stream:
                await stream.push(AudioFrame(CLIP.pcm[:32_000], 0))
                os.kill(provider.pool.pids[1], signal.SIGKILL)
                with pytest.raises(ProviderError, match="died in the middle of an utterance"):
                    _ = [hypothesis async for hypothesis in stream]
            assert provider.slots.used == 0
            (final,) = await provider.transcribe(CLIP.pcm, RecognitionOptions())
            assert final.text == CLIP.text
        finally:
            await provider.aclose()


async def _drain(heard: AsyncIterator[object]) -> list[str]:
    return [getattr(each, "text", "") async for each in heard]
