"""A final that is late is asked for twice, within a budget; the first answer is told, and nothing stays taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.effects.around import ID, NAME, Around, Rig
from tests.speech import tone

from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.hedging import first_of
from asr_hub.effects.strategy import Hedge, Patience, Strategy
from asr_hub.errors import ProviderError, ProviderTimeout
from asr_hub.model import ProviderName
from asr_hub.providers.scripted import Scripted
from asr_hub.store.slices.breakers import AttemptFailed
from asr_hub.store.slices.providers import SlotTaken
from asr_hub.store.slices.scores import LATENCIES_NEEDED, FinalHedged, HedgeWon, select_score
from asr_hub.store.slices.sessions import SessionConfigured
from asr_hub.store.slices.transcripts import RecognitionFailed, UtteranceFinalized

pytestmark = pytest.mark.unit

SECOND = ProviderName("second")
PCM = tone(0.2)
STRATEGY = Strategy(
    hedge=Hedge(provider=SECOND, share=0.5, min_ms=1),
    # Whoever stalls is waited for long enough that a test would break off first.
    patience=Patience(attempts=1, stall_s=50.0, stall_with_heir_s=50.0),
)
IMPATIENT = replace(STRATEGY, patience=Patience(attempts=1, stall_s=0.05, stall_with_heir_s=0.05, final_rtf=0.0))
POLICY = BreakerPolicy(failures=16)


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def scripted(name: str = NAME, *, languages: tuple[str, ...] = (), **faults: Any) -> Scripted:
    provider = Scripted(ProviderName(name), {"faults": faults, "languages": languages})
    await provider.start()
    return provider


class Pair:
    """Two engines: the first has told so many finals, and then becomes another one."""

    def __init__(self, around: Around, second: Scripted) -> None:
        self.around = around
        self.rig = Rig(around)
        self.second = second
        self.at = 0

    @classmethod
    async def of(
        cls,
        tasks: asyncio.TaskGroup,
        second: Scripted,
        *,
        finals: int = LATENCIES_NEEDED,
        strategy: Strategy = STRATEGY,
    ) -> Pair:
        around = Around(await scripted(), tasks, strategy=replace(strategy, hedge=None), policy=POLICY)
        around.give(SECOND, second)
        pair = cls(around, second)
        await pair.hear(finals)
        around.strategy = strategy
        return pair

    async def become(self, **faults: Any) -> Scripted:
        self.around._provider = first = await scripted(**faults)
        return first

    def speak(self) -> None:
        self.at = self.rig.speak(self.at, PCM)

    async def hear(self, count: int = 1) -> str:
        """The last final of so many utterances, one after the other."""
        before = len(self.around.said(UtteranceFinalized))
        for number in range(count):
            self.speak()
            await self.around.until(UtteranceFinalized, before + number + 1)
        text: str = self.around.said(UtteranceFinalized)[-1].hypothesis.text
        return text


async def test_an_engine_that_stalls_is_answered_for_and_keeps_no_slot(tasks: asyncio.TaskGroup) -> None:
    pair = await Pair.of(tasks, second := await scripted(SECOND))
    first, around = await pair.become(no_final=True), pair.around
    pair.speak()
    # Before anybody's task has run: so much later is the answer.
    around.time = 0.25
    finals = await around.until(UtteranceFinalized, LATENCIES_NEEDED + 1)
    assert finals[-1].hypothesis.provider == SECOND and finals[-1].hypothesis.text
    (hedged,), (won,) = around.said(FinalHedged), around.said(HedgeWon)
    assert (hedged.provider, hedged.to, hedged.utterance) == (NAME, SECOND, LATENCIES_NEEDED + 1)
    assert (won.provider, won.over, won.latency_ms) == (SECOND, NAME, 250)
    assert (first.slots.used, second.slots.used) == (0, 0)
    # The one that lost took at least as long: its times know of it.
    score = select_score(around.store.state, NAME)
    assert score is not None
    assert (score.hedged, score.lost, score.latencies_ms[-1]) == (1, 1, 250)
    assert not (around.said(RecognitionFailed) or around.errors or around.broken)


async def test_an_engine_that_answers_in_time_is_not_doubled(tasks: asyncio.TaskGroup) -> None:
    strategy = replace(STRATEGY, hedge=Hedge(provider=SECOND, share=1.0, min_ms=20_000))
    pair = await Pair.of(tasks, await scripted(SECOND), strategy=strategy)
    await pair.hear(5)
    assert not pair.around.said(FinalHedged)


async def test_nobody_is_asked_before_it_is_known_what_late_is(tasks: asyncio.TaskGroup) -> None:
    pair = await Pair.of(tasks, await scripted(SECOND), finals=LATENCIES_NEEDED - 1, strategy=IMPATIENT)
    await pair.become(no_final=True)
    assert await pair.hear() == ""
    assert not pair.around.said(FinalHedged)
    await pair.become()
    await pair.hear()
    await pair.become(no_final=True)
    assert await pair.hear()
    assert pair.around.said(FinalHedged)


async def test_the_engine_that_was_late_may_win_all_the_same(tasks: asyncio.TaskGroup) -> None:
    pair = await Pair.of(tasks, second := await scripted(SECOND, no_final=True))
    first = await pair.become(late_s=0.03)
    assert await pair.hear()
    around = pair.around
    assert around.said(FinalHedged) and not around.said(HedgeWon)
    assert around.said(UtteranceFinalized)[-1].hypothesis.provider == NAME
    assert (first.slots.used, second.slots.used) == (0, 0)


async def test_over_many_utterances_no_more_than_the_share_is_asked_for_twice(tasks: asyncio.TaskGroup) -> None:
    share = 0.05
    strategy = replace(STRATEGY, hedge=Hedge(provider=SECOND, share=share, min_ms=1))
    pair = await Pair.of(tasks, await scripted(SECOND), strategy=strategy)
    await pair.become(late_s=0.01, late_every=2)
    await pair.hear(200)
    finals = hedged = 0
    for fact in pair.around.said(UtteranceFinalized, FinalHedged):
        if isinstance(fact, FinalHedged):
            hedged += 1
            assert hedged <= share * (finals + 1)
        else:
            finals += 1
    assert finals == LATENCIES_NEEDED + 200
    # What may be spent is spent, or nearly: 100 of them were late.
    assert hedged >= int(share * finals) - 2
    assert all(final.hypothesis.text for final in pair.around.said(UtteranceFinalized))


async def test_where_both_fail_the_error_is_that_of_the_first(tasks: asyncio.TaskGroup) -> None:
    pair = await Pair.of(tasks, second := await scripted(SECOND, fail_after_ms=0), strategy=IMPATIENT)
    first, around = await pair.become(no_final=True), pair.around
    assert await pair.hear() == ""
    (failed,) = around.said(RecognitionFailed)
    assert (failed.provider, failed.code) == (NAME, ProviderTimeout.code)
    # Both are held to account.
    assert [(fact.provider, fact.code) for fact in around.said(AttemptFailed)] == [
        (SECOND, ProviderError.code),
        (NAME, ProviderTimeout.code),
    ]
    assert (first.slots.used, second.slots.used) == (0, 0)


async def test_a_second_engine_that_fails_leaves_the_first_its_time(tasks: asyncio.TaskGroup) -> None:
    pair = await Pair.of(tasks, await scripted(SECOND, fail_after_ms=0))
    await pair.become(late_s=0.03)
    assert await pair.hear()
    assert not pair.around.said(HedgeWon, RecognitionFailed)


async def test_a_first_engine_that_fails_leaves_the_second_its_time(tasks: asyncio.TaskGroup) -> None:
    pair = await Pair.of(tasks, await scripted(SECOND, late_s=0.1), strategy=IMPATIENT)
    pair.around.strategy = replace(
        IMPATIENT, patience=Patience(attempts=1, stall_s=0.05, stall_with_heir_s=0.05, final_rtf=1.0)
    )
    first = await pair.become(no_final=True)
    pair.speak()
    await pair.around.until(FinalHedged)
    for stream in tuple(first._streams):
        stream.fail(ProviderError("it died"))
    finals = await pair.around.until(UtteranceFinalized, LATENCIES_NEEDED + 1)
    assert finals[-1].hypothesis.provider == SECOND
    assert not pair.around.said(RecognitionFailed)


@pytest.mark.parametrize("way", ["clear", "stop"])
async def test_who_clears_while_two_engines_hear_frees_both(tasks: asyncio.TaskGroup, way: str) -> None:
    pair = await Pair.of(tasks, second := await scripted(SECOND, no_final=True))
    first, around = await pair.become(no_final=True), pair.around
    pair.speak()
    await around.until(SlotTaken, LATENCIES_NEEDED + 2)
    assert (first.slots.used, second.slots.used) == (1, 1)
    if way == "clear":
        pair.rig.recogniser.clear(pair.at, 16_000)
    await pair.rig.recogniser.stop()
    assert (first.slots.used, second.slots.used) == (0, 0)
    assert not (around.broken or around.errors or around.said(AttemptFailed))


@pytest.mark.parametrize("why", ["ill", "not there", "another language"])
async def test_an_engine_that_cannot_hear_it_is_not_asked(tasks: asyncio.TaskGroup, why: str) -> None:
    pair = await Pair.of(tasks, await scripted(SECOND, languages=("de",)), strategy=IMPATIENT)
    around = pair.around
    await pair.become(no_final=True)
    if why == "not there":
        del around.aside[SECOND]
    elif why == "another language":
        around.dispatch(SessionConfigured(session=ID, language="en-GB"))
    else:
        for _ in range(POLICY.failures):
            around.failed(SECOND, ID, 1, ProviderError("ill"))
    assert await pair.hear() == ""
    assert not around.said(FinalHedged)
    await around._breakers.aclose()


# The race itself.


class Runner:
    """Ends when it is told to, and knows how it ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.was_cancelled = False

    async def run(self) -> str:
        self.begun.set()
        try:
            return await self.result
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


async def race(first: Runner, second: Runner, *, wanted: bool = True) -> str:
    when = asyncio.Event()
    when.set()
    return await first_of(first.run(), second.run, when=when, after=0.0, wanted=lambda: wanted)


@pytest.mark.parametrize("winner", [0, 1])
async def test_whoever_is_first_is_taken_and_the_other_has_ended(winner: int) -> None:
    pair = (Runner(), Runner())
    running = asyncio.create_task(race(*pair))
    await pair[1].begun.wait()
    pair[winner].result.set_result("won")
    assert await running == "won"
    assert [one.was_cancelled for one in pair] == [winner == 1, winner == 0]


async def test_one_that_is_not_wanted_is_not_begun() -> None:
    first, second = Runner(), Runner()
    running = asyncio.create_task(race(first, second, wanted=False))
    await first.begun.wait()
    first.result.set_result("alone")
    assert await running == "alone"
    assert not second.begun.is_set()


async def test_a_defect_is_no_answer_that_is_waited_over() -> None:
    first, second = Runner(), Runner()
    running = asyncio.create_task(race(first, second))
    await second.begun.wait()
    second.result.set_exception(KeyError("a defect"))
    with pytest.raises(KeyError):
        await running
    assert first.was_cancelled


async def test_who_is_cancelled_cancels_both() -> None:
    first, second = Runner(), Runner()
    running = asyncio.create_task(race(first, second))
    await second.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert first.was_cancelled and second.was_cancelled
