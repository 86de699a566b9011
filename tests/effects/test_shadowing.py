"""An engine on trial is compared with the one that clients hear, and costs them nothing whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import jiwer
import pytest
from msgspec.structs import replace
from tests.effects.around import ID, NAME, RATE, Around, Rig
from tests.speech import tone

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects import shadowing
from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.shadowing import MAX_WAITING, Told
from asr_hub.effects.strategy import Patience, Shadow, Strategy
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import ProviderError
from asr_hub.model import Hypothesis, ProviderName, SessionId
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted
from asr_hub.store.slices.breakers import AttemptFailed, BreakerOpened
from asr_hub.store.slices.scores import ShadowCompared, ShadowSkipped, select_comparison, select_score
from asr_hub.store.slices.transcripts import RecognitionFailed, UtteranceFinalized

pytestmark = pytest.mark.unit

TRIAL = ProviderName("trial")
STRATEGY = Strategy(shadow=Shadow(provider=TRIAL), patience=Patience(stall_s=5.0, final_rtf=0.0))
PCM = tone(0.6)
TRUE = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "a", "cat", "sleeps"]
MISHEARD = ["the", "quick", "brawn", "fox", "jumped", "over", "a", "lazy", "dog", "and", "hat", "sleeps", "sound", "ly"]


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def scripted(name: str = NAME, **settings: Any) -> Scripted:
    provider = Scripted(ProviderName(name), settings)
    await provider.start()
    return provider


async def on_trial(
    tasks: asyncio.TaskGroup,
    trial: Scripted,
    *,
    strategy: Strategy = STRATEGY,
    policy: BreakerPolicy | None = None,
    **settings: Any,
) -> tuple[Around, Rig]:
    around = Around(await scripted(**settings), tasks, strategy=strategy, policy=policy)
    around.give(TRIAL, trial)
    return around, Rig(around)


async def speak(rig: Rig, count: int, at: int = 0) -> int:
    """Utterances, each heard to its final before the next; where the last one ends."""
    before = len(rig.around.said(UtteranceFinalized))
    for number in range(count):
        at = rig.speak(at, PCM)
        await rig.around.until(UtteranceFinalized, before + number + 1)
    return at


def compared(around: Around) -> list[int]:
    return [fact.utterance for fact in around.said(ShadowCompared)]


def skipped(around: Around) -> dict[int, str]:
    return {fact.utterance: fact.reason for fact in around.said(ShadowSkipped)}


async def test_its_error_rates_are_those_of_jiwer_on_the_same_texts(tasks: asyncio.TaskGroup) -> None:
    trial = await scripted(TRIAL, transcript=MISHEARD)
    around, rig = await on_trial(tasks, trial, transcript=TRUE)
    await speak(rig, 20)
    await around.shadowing.settled()
    said = [final.hypothesis.text for final in around.said(UtteranceFinalized)]
    heard = [" ".join(MISHEARD[(3 * n + k) % len(MISHEARD)] for k in range(3)) for n in range(20)]
    assert said != heard
    pair = select_comparison(around.store.state, TRIAL, NAME)
    assert pair is not None
    assert (pair.utterances, pair.words) == (20, 60)
    assert pair.wer == pytest.approx(jiwer.wer(said, heard)) and pair.wer > 0
    assert pair.cer == pytest.approx(jiwer.cer(said, heard))
    # What it says is told to nobody.
    assert {final.hypothesis.provider for final in around.said(UtteranceFinalized)} == {NAME}
    assert (trial.slots.used, around.errors) == (0, [])


async def test_it_hears_one_of_so_many_utterances(tasks: asyncio.TaskGroup) -> None:
    strategy = replace(STRATEGY, shadow=Shadow(provider=TRIAL, every=3))
    around, rig = await on_trial(tasks, await scripted(TRIAL), strategy=strategy)
    await speak(rig, 7)
    await around.shadowing.settled()
    assert compared(around) == [3, 6]
    assert not skipped(around)


async def test_one_that_is_behind_drops_utterances_and_holds_no_more_audio(tasks: asyncio.TaskGroup) -> None:
    trial = await scripted(TRIAL, faults={"no_final": True})
    around, rig = await on_trial(tasks, trial)
    await speak(rig, MAX_WAITING + 4)
    # One is being heard; it was taken from the line.
    assert trial.slots.used == 1
    assert skipped(around) == dict.fromkeys(range(MAX_WAITING + 2, MAX_WAITING + 5), "the shadow is behind")
    score = select_score(around.store.state, TRIAL)
    assert score is not None and score.skipped == 3
    around.shadowing.abandon()
    await around.shadowing.settled()
    assert (trial.slots.used, compared(around)) == (0, [])


async def test_it_is_dropped_first_where_clients_wait(tasks: asyncio.TaskGroup) -> None:
    around, rig = await on_trial(tasks, await scripted(TRIAL))
    with around._engines.in_line(NAME):
        at = await speak(rig, 2)
    assert skipped(around) == dict.fromkeys((1, 2), "utterances wait for the engine that clients hear")
    await speak(rig, 1, at)
    await around.shadowing.settled()
    assert compared(around) == [3]


async def test_it_is_dropped_where_clients_came_to_wait_while_it_was_in_line(tasks: asyncio.TaskGroup) -> None:
    around, rig = await on_trial(tasks, await scripted(TRIAL))
    rig.speak(0, PCM)
    await around.until(UtteranceFinalized)
    # Told to the shadow, whose task has not had its first turn.
    with around._engines.in_line(NAME):
        await around.shadowing.settled()
    assert list(skipped(around)) == [1] and not compared(around)


@pytest.mark.parametrize("faults", [{"fail_after_ms": 200}, {"garbage": True}])
async def test_one_that_fails_skips_the_utterance_and_the_session_goes_on(
    tasks: asyncio.TaskGroup, faults: dict[str, Any]
) -> None:
    around, rig = await on_trial(
        tasks, await scripted(TRIAL, faults=faults), policy=BreakerPolicy(failures=3, open_s=3600, max_open_s=3600)
    )
    await speak(rig, 5)
    await around.shadowing.settled()
    assert all(final.hypothesis.text for final in around.said(UtteranceFinalized))
    assert not (around.said(RecognitionFailed) or compared(around) or around.broken or around.errors)
    reasons = list(skipped(around).values())
    assert all(reason.startswith("provider") for reason in reasons[:3])
    # It is no more spared than others, and no more asked.
    assert [fact.provider for fact in around.said(AttemptFailed)] == [TRIAL] * 3
    assert [fact.provider for fact in around.said(BreakerOpened)] == [TRIAL]
    assert reasons[3:] == ["its breaker is open"] * 2
    await around._breakers.aclose()


async def test_a_defect_costs_a_comparison_and_nothing_else(tasks: asyncio.TaskGroup) -> None:
    trial = await scripted(TRIAL)
    told = trial.capabilities
    around, rig = await on_trial(tasks, trial)
    trial.capabilities = None  # type: ignore[assignment]
    at = await speak(rig, 2)
    await around.shadowing.settled()
    trial.capabilities = told
    await speak(rig, 1, at)
    await around.shadowing.settled()
    assert (list(skipped(around)), compared(around)) == ([1, 2], [3])
    assert not around.broken


async def test_one_that_is_not_there_is_no_harm(tasks: asyncio.TaskGroup) -> None:
    around = Around(await scripted(), tasks, strategy=STRATEGY)
    await speak(Rig(around), 1)
    await around.shadowing.settled()
    assert list(skipped(around)) == [1]


async def test_an_engine_is_never_compared_with_itself(tasks: asyncio.TaskGroup) -> None:
    strategy = replace(STRATEGY, shadow=Shadow(provider=NAME))
    around = Around(await scripted(), tasks, strategy=strategy)
    await speak(Rig(around), 2)
    await around.shadowing.settled()
    assert not (compared(around) or skipped(around))


async def test_what_waits_while_the_two_change_places_is_not_compared_with_itself(tasks: asyncio.TaskGroup) -> None:
    around, rig = await on_trial(tasks, await scripted(TRIAL))
    rig.speak(0, PCM)
    await around.until(UtteranceFinalized)
    around.strategy = replace(STRATEGY, shadow=Shadow(provider=NAME))
    await around.shadowing.settled()
    around.strategy = replace(STRATEGY, shadow=None)
    await around.shadowing.settled()
    assert not (compared(around) or skipped(around))


async def test_an_utterance_that_nobody_heard_is_not_compared(tasks: asyncio.TaskGroup) -> None:
    around, rig = await on_trial(tasks, await scripted(TRIAL), faults={"fail_after_ms": 0})
    await speak(rig, 1)
    await around.shadowing.settled()
    assert around.said(RecognitionFailed) and not (compared(around) or skipped(around))


async def test_no_more_than_so_many_sessions_are_remembered(
    tasks: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadowing, "MAX_MEMORIES", 5)
    around, rig = await on_trial(tasks, await scripted(TRIAL))
    end = rig.speak(0, PCM)
    await around.until(UtteranceFinalized)
    heard = Utterance(0, RATE)
    heard.end(SpeechEnd(end), now=0.0)
    final = Hypothesis(text="a", start=0, end=600, is_final=True, provider=NAME)
    for number in range(12):
        session = SessionId(f"{ID}{number}")
        around.compare(Told(session, 1, heard, final, 0, lambda _: RecognitionOptions()))
        await around.shadowing.settled()
    assert len(compared(around)) == 13
    assert len(around.shadowing._memories) == 5
    assert SessionId(f"{ID}11") in around.shadowing._memories


async def test_the_error_of_an_engine_that_raises_what_it_should_not_is_named(tasks: asyncio.TaskGroup) -> None:
    class Odd(Scripted):
        def stream(self, options: RecognitionOptions, memory: Any) -> Any:
            raise KeyError("a defect")

    trial = Odd(TRIAL, {})
    await trial.start()
    around, rig = await on_trial(tasks, trial)
    await speak(rig, 1)
    await around.shadowing.settled()
    assert skipped(around)[1].startswith(ProviderError.code)


async def test_a_defect_of_our_own_costs_one_comparison_and_nothing_else(
    tasks: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: str) -> None:
        raise ZeroDivisionError

    around, rig = await on_trial(tasks, await scripted(TRIAL))
    with monkeypatch.context() as patch:
        patch.setattr(shadowing, "score", broken)
        end = await speak(rig, 1)
        await around.shadowing.settled()
    await speak(rig, 1, end)
    await around.shadowing.settled()
    assert "ZeroDivisionError" in skipped(around)[1] and compared(around) == [2]


async def test_what_was_said_last_is_compared_and_then_nothing_of_the_session_is_remembered(
    tasks: asyncio.TaskGroup,
) -> None:
    around, rig = await on_trial(tasks, await scripted(TRIAL))
    await speak(rig, 3)
    around.forget(ID)
    await around.shadowing.settled()
    assert compared(around) == [1, 2, 3]
    assert around.shadowing._memories == {} and around.shadowing._over == set()
    around.forget(ID)
    assert around.shadowing._over == set()
