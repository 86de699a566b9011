"""Whatever an engine does in the middle of an utterance, its words are told once, by the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
from tests.effects.around import NAME, RATE, Around, Rig
from tests.speech import tone

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.strategy import Patience, Strategy
from asr_hub.errors import ProviderDied
from asr_hub.model import AudioFrame, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted, ScriptedStream
from asr_hub.store.slices.breakers import AttemptFailed, BreakerOpened
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    RecognitionFailed,
    UtteranceFinalized,
    UtteranceHandedOn,
    UtteranceRouted,
)

pytestmark = pytest.mark.unit

SPARE = ProviderName("spare")
SECONDS = 4
PCM = b"".join(tone(0.2, hertz=200.0 + 37 * n) for n in range(SECONDS * 5))
IMPATIENT = Strategy(patience=Patience(stall_s=5.0, stall_with_heir_s=0.02, final_rtf=0.0))


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def scripted(name: str = "p", **faults: Any) -> Scripted:
    provider = Scripted(name, {"faults": faults})
    await provider.start()
    return provider


async def told(
    tasks: asyncio.TaskGroup, provider: Scripted, spare: Scripted | None, *, strategy: Strategy = IMPATIENT
) -> tuple[Around, list[str]]:
    """Two utterances, spoken in pieces; the finals."""
    around = Around(provider, tasks, strategy=strategy, policy=BreakerPolicy(failures=16))
    if spare is not None:
        around.give(SPARE, spare, is_heir=True)
    rig = Rig(around)
    at = 0
    for _ in range(2):
        rig.recogniser.begin(at, RATE)
        for cut in range(0, len(PCM), 3200):
            rig.recogniser.add(AudioFrame(PCM[cut : cut + 3200], at + cut // 2, RATE))
            await asyncio.sleep(0)
        at += len(PCM) // 2
        rig.recogniser.end(SpeechEnd(at))
    finals = await around.until(UtteranceFinalized, 2)
    assert provider.slots.used == 0 and not around.errors and not around.broken
    return around, [final.hypothesis.text for final in finals]


@pytest.mark.parametrize("fault", ["fail_after_ms", "hang_after_ms", "garbage_after_ms"])
async def test_an_engine_that_fails_at_any_moment_costs_no_word_and_doubles_none(
    tasks: asyncio.TaskGroup, fault: str
) -> None:
    """At every 100 ms of the utterance."""
    _, expected = await told(tasks, await scripted(), None)
    assert len(expected[0].split()) == SECONDS * 5
    for at in range(0, SECONDS * 1000, 100):
        around, texts = await told(tasks, await scripted(**{fault: at}), await scripted(SPARE))
        assert texts == expected, at
        assert {fact.to for fact in around.said(UtteranceHandedOn)} == {SPARE}
        assert not around.said(RecognitionFailed)
        # What is shown goes on: every partial is numbered after the one before, whoever it comes from.
        for number in (1, 2):
            revisions = [e.hypothesis.revision for e in around.said(HypothesisRevised) if e.utterance == number]
            assert revisions == sorted(set(revisions)) and revisions


async def test_an_engine_is_asked_again_after_a_pause_that_doubles(tasks: asyncio.TaskGroup) -> None:
    loop = asyncio.get_running_loop()
    provider = await scripted(fail_after_ms=0)
    patience = Patience(attempts=4, backoff_s=0.02)
    rig = Rig(Around(provider, tasks, strategy=Strategy(patience=patience), policy=BreakerPolicy(failures=16)))
    began = loop.time()
    rig.speak(0)
    await rig.around.until(UtteranceFinalized)
    assert loop.time() - began >= 0.02 + 0.04 + 0.08


@pytest.mark.parametrize("faults", [{"no_final": True}, {"garbage": True}])
async def test_an_engine_that_never_gives_a_good_final_is_replaced(
    tasks: asyncio.TaskGroup, faults: dict[str, bool]
) -> None:
    _, expected = await told(tasks, await scripted(), None)
    _, texts = await told(tasks, await scripted(**faults), await scripted(SPARE))
    assert texts == expected


class Dying(Scripted):
    """Its process ends under every utterance."""

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> ScriptedStream:
        stream = super().stream(options, memory)
        stream.fail(ProviderDied(f"{self.name}: died"))
        return stream


@pytest.mark.parametrize(("heir", "tries"), [(True, 1), (False, Patience().deaths)])
async def test_an_engine_that_dies_is_tried_again_and_again_only_where_nobody_else_can_hear(
    tasks: asyncio.TaskGroup, heir: bool, tries: int
) -> None:
    dying = Dying("p", {})
    await dying.start()
    strategy = Strategy(patience=Patience(attempts=1))
    around, texts = await told(tasks, dying, await scripted(SPARE) if heir else None, strategy=strategy)
    await around._breakers.aclose()
    deaths = [fact.utterance for fact in around.said(AttemptFailed)]
    assert deaths == [1] * tries + [2] * tries and [bool(text) for text in texts] == [heir] * 2


async def test_garbage_is_named_and_never_told_as_a_final(tasks: asyncio.TaskGroup) -> None:
    around, texts = await told(tasks, await scripted(garbage=True), None)
    assert texts == ["", ""]
    assert {failure.code for failure in around.said(RecognitionFailed)} == {"provider-garbled"}


async def test_garbage_is_told_where_that_is_configured(tasks: asyncio.TaskGroup) -> None:
    strategy = Strategy(refuse_garbage=False)
    around, texts = await told(tasks, await scripted(garbage=True), None, strategy=strategy)
    assert all(texts) and not around.said(RecognitionFailed)


async def test_an_engine_that_keeps_failing_is_passed_over_and_the_utterance_says_why(
    tasks: asyncio.TaskGroup,
) -> None:
    async with asyncio.TaskGroup() as group:
        around = Around(await scripted(fail_after_ms=0), group, policy=BreakerPolicy(failures=2))
        around.give(SPARE, await scripted(SPARE), is_heir=True)
        rig = Rig(around)
        end = rig.speak(0)
        await around.until(UtteranceFinalized, 1)
        assert [fact.provider for fact in around.said(BreakerOpened)] == [NAME]
        rig.speak(end)
        finals = await around.until(UtteranceFinalized, 2)
        (routed,) = around.said(UtteranceRouted)
        assert (routed.utterance, routed.provider) == (2, SPARE) and NAME in routed.reason
        assert len(around.said(UtteranceHandedOn)) == 1
        assert all(final.hypothesis.provider == SPARE for final in finals)
        await around._breakers.aclose()


async def test_where_every_breaker_is_open_somebody_is_asked_all_the_same(tasks: asyncio.TaskGroup) -> None:
    async with asyncio.TaskGroup() as group:
        provider = await scripted(fail_after_ms=0)
        around = Around(provider, group, policy=BreakerPolicy(failures=1))
        rig = Rig(around)
        end = rig.speak(0)
        await around.until(UtteranceFinalized, 1)
        around._provider = await scripted()
        rig.speak(end)
        finals = await around.until(UtteranceFinalized, 2)
        assert [bool(final.hypothesis.text) for final in finals] == [False, True]
        await around._breakers.aclose()
