"""A later pass tells what it read as a revision; whatever goes wrong in it, the final and the session stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effects.around import ID, NAME, RATE, SECOND, Around, Rig
from tests.speech import tone

from asr_hub.effects import passes
from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.strategy import Accurate, Strategy
from asr_hub.errors import CorrectionFailed, PassLate
from asr_hub.model import EndpointReason, Pass, ProviderName, SessionId
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted, ScriptedStream
from asr_hub.store.slices.breakers import BreakerOpened
from asr_hub.store.slices.providers import SlotTaken
from asr_hub.store.slices.sessions import SessionClosed, SessionConfigured, SpeechEnded
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    PassFailed,
    UtteranceCorrected,
    UtteranceFinalized,
    select_text,
    select_utterance,
)

pytestmark = pytest.mark.unit

SECOND_LOOK = ProviderName("second")
BUDGET_S = 20.0
ACCURATE = Strategy(accurate=Accurate(providers=(SECOND_LOOK,), budget_s=BUDGET_S))
HURRIED = Strategy(accurate=Accurate(providers=(SECOND_LOOK,), budget_s=0.05))
FAST_TEXT, SLOW_TEXT = ("a b c d e", "v w x y z")


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def scripted(name: str = NAME, text: str = FAST_TEXT, **faults: Any) -> Scripted:
    provider = Scripted(ProviderName(name), {"transcript": text.split(), "faults": faults})
    await provider.start()
    return provider


async def rig(
    tasks: asyncio.TaskGroup, second: Scripted, *, strategy: Strategy = ACCURATE, wait_for: Pass = Pass.FAST
) -> Rig:
    around = Around(await scripted(), tasks, strategy=strategy, wait_for=wait_for)
    around.give(SECOND_LOOK, second)
    return Rig(around)


async def until_reading(rig: Rig) -> None:
    """Until the second look has its slot."""
    taken = 1
    while all(event.provider != SECOND_LOOK for event in await rig.around.until(SlotTaken, taken)):
        taken += 1


async def closed(rig: Rig) -> Around:
    """After the end of its session."""
    rig.recogniser.close("client", lambda: 0)
    await rig.around.until(SessionClosed)
    assert not rig.around.errors and not rig.around.broken
    return rig.around


def texts(around: Around, kind: type[Any] = UtteranceFinalized) -> list[str]:
    return [event.hypothesis.text for event in around.said(kind)]


def failures(around: Around) -> list[tuple[int, Pass, str]]:
    return [(event.utterance, event.pass_, event.code) for event in around.said(PassFailed)]


class Defective(Scripted):
    """An adapter with a defect, which a process of its own does not catch."""

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> ScriptedStream:
        raise ZeroDivisionError


class Model:
    """A language model: what it answers, or how it fails."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def __call__(
        self, text: str, *, language: str | None, context: Sequence[str], names: Sequence[str]
    ) -> tuple[str, ProviderName]:
        self.asked.append((text, tuple(context)))
        answer = self.answers.pop(0)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return str(answer), ProviderName("tiny")


async def test_a_later_pass_is_told_as_a_revision_after_the_final(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK, SLOW_TEXT))
    it.around.time = 3.0
    it.speak(0)
    await it.around.until(UtteranceFinalized)
    it.around.time = 3.25
    (revision,) = await it.around.until(UtteranceCorrected)
    (final,) = it.around.said(UtteranceFinalized)
    assert (final.hypothesis.text, final.hypothesis.provider, final.hypothesis.pass_) == (FAST_TEXT, NAME, Pass.FAST)
    told = revision.hypothesis
    assert (told.text, told.provider, told.pass_) == (SLOW_TEXT, SECOND_LOOK, Pass.ACCURATE)
    assert told.is_final and told.stable == len(SLOW_TEXT) and told.revision == final.hypothesis.revision + 1
    assert revision.latency_ms == 250
    assert [type(e) for e in it.around.said(UtteranceFinalized, UtteranceCorrected)] == [
        UtteranceFinalized,
        UtteranceCorrected,
    ]
    utterance = select_utterance(it.around.store.state, ID, 1)
    assert utterance is not None and utterance.final is not None and utterance.final.text == FAST_TEXT
    assert select_text(it.around.store.state, ID) == SLOW_TEXT
    await closed(it)


@pytest.mark.parametrize(
    ("faults", "strategy", "code"),
    [
        ({"fail_after_ms": 400}, ACCURATE, "provider"),
        ({"garbage": True}, ACCURATE, "provider-garbled"),
        ({"hang_after_ms": 400}, HURRIED, "pass-late"),
        ({"no_final": True}, HURRIED, "pass-late"),
        ({"cost": 60.0}, HURRIED, "pass-late"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_a_pass_that_goes_wrong_leaves_the_final_and_says_so(
    tasks: asyncio.TaskGroup, faults: dict[str, Any], strategy: Strategy, code: str
) -> None:
    it = await rig(tasks, second := await scripted(SECOND_LOOK, SLOW_TEXT, **faults), strategy=strategy)
    it.speak(0)
    await it.around.until(PassFailed)
    assert second.slots.used == 0
    # What comes after is heard by both.
    it.around.aside[SECOND_LOOK] = await scripted(SECOND_LOOK, SLOW_TEXT)
    it.speak(len(SECOND) // 2)
    around = await closed(it)
    assert texts(around) == [FAST_TEXT, FAST_TEXT]
    assert texts(around, UtteranceCorrected) == [SLOW_TEXT]
    assert failures(around) == [(1, Pass.ACCURATE, code)]
    assert around.said(PassFailed)[0].provider == SECOND_LOOK


async def test_a_provider_that_is_gone_is_a_pass_that_failed(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK))
    del it.around.aside[SECOND_LOOK]
    it.speak(0)
    around = await closed(it)
    assert failures(around) == [(1, Pass.ACCURATE, "not-found")] and texts(around) == [FAST_TEXT]


@pytest.mark.parametrize("wait_for", [Pass.FAST, Pass.ACCURATE])
async def test_a_defect_of_an_adapter_costs_a_revision_and_nothing_else(
    tasks: asyncio.TaskGroup, wait_for: Pass
) -> None:
    it = await rig(tasks, Defective(SECOND_LOOK, {}), wait_for=wait_for)
    end = it.speak(0)
    it.speak(end)
    around = await closed(it)
    assert texts(around) == [FAST_TEXT, FAST_TEXT]
    assert [code for _, _, code in failures(around)] == ["provider", "provider"]


@pytest.mark.parametrize("wait_for", [Pass.FAST, Pass.ACCURATE])
async def test_a_defect_of_our_own_costs_a_revision_and_nothing_else(
    tasks: asyncio.TaskGroup, wait_for: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(passes, "vote", broken)
    strategy = Strategy(accurate=Accurate(providers=(SECOND_LOOK, ProviderName("third"))))
    it = await rig(tasks, await scripted(SECOND_LOOK, SLOW_TEXT), strategy=strategy, wait_for=wait_for)
    it.around.give("third", await scripted("third", SLOW_TEXT))
    end = it.speak(0)
    it.speak(end)
    around = await closed(it)
    assert texts(around) == [FAST_TEXT, FAST_TEXT]
    assert failures(around) == [(1, Pass.ACCURATE, "internal"), (2, Pass.ACCURATE, "internal")]


async def test_a_provider_whose_breaker_is_open_is_not_asked_for_a_later_pass(tasks: asyncio.TaskGroup) -> None:
    async with asyncio.TaskGroup() as group:
        second = await scripted(SECOND_LOOK, fail_after_ms=0)
        around = Around(await scripted(), group, strategy=ACCURATE, policy=BreakerPolicy(failures=1))
        around.give(SECOND_LOOK, second)
        it = Rig(around)
        end = it.speak(0)
        await around.until(PassFailed)
        assert [event.provider for event in around.said(BreakerOpened)] == [SECOND_LOOK]
        it.speak(end)
        await around.until(PassFailed, 2)
        assert [code for _, _, code in failures(around)] == ["provider", "provider-unavailable"]
        await around._breakers.aclose()


async def test_of_the_utterances_that_wait_for_a_later_pass_the_oldest_are_let_go(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK, SLOW_TEXT, hang_after_ms=0))
    end = it.speak(0)
    await it.around.until(UtteranceFinalized)
    for _ in range(passes.MAX_WAITING + 2):
        end = it.speak(end)
    # The first is being read, and two are too many.
    await it.around.until(UtteranceFinalized, passes.MAX_WAITING + 3)
    assert failures(it.around) == [(2, Pass.ACCURATE, "pass-skipped"), (3, Pass.ACCURATE, "pass-skipped")]
    await it.recogniser.stop()
    assert not it.around.errors and not it.around.broken


async def test_closing_waits_for_later_passes_no_longer_than_their_budgets(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, second := await scripted(SECOND_LOOK, hang_after_ms=0), strategy=HURRIED)
    end = it.speak(0)
    it.speak(end)
    around = await closed(it)
    assert [number for number, _, _ in failures(around)] == [1, 2]
    assert second.slots.used == 0


async def test_closing_waits_for_a_revision_that_is_on_its_way(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK, SLOW_TEXT))
    it.speak(0)
    around = await closed(it)
    last = [type(e) for e in around.said(UtteranceFinalized, UtteranceCorrected, SessionClosed)]
    assert last == [UtteranceFinalized, UtteranceCorrected, SessionClosed]


@pytest.mark.parametrize("wait_for", [Pass.FAST, Pass.ACCURATE])
async def test_a_session_that_is_stopped_in_a_later_pass_leaves_no_task_and_no_slot(wait_for: Pass) -> None:
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        it = await rig(group, second := await scripted(SECOND_LOOK, hang_after_ms=0), wait_for=wait_for)
        end = it.speak(0)
        it.speak(end)
        await until_reading(it)
        assert second.slots.used == 1
        await it.recogniser.stop()
        assert second.slots.used == 0
    assert not it.around.said(PassFailed) and not it.around.errors and not it.around.broken


async def test_clearing_while_a_final_waits_for_its_second_pass_drops_it_and_frees_the_slot(
    tasks: asyncio.TaskGroup,
) -> None:
    it = await rig(tasks, second := await scripted(SECOND_LOOK, hang_after_ms=0), wait_for=Pass.ACCURATE)
    end = it.speak(0)
    await until_reading(it)
    it.recogniser.clear(end, RATE)
    it.around.aside[SECOND_LOOK] = await scripted(SECOND_LOOK, SLOW_TEXT)
    it.speak(end)
    around = await closed(it)
    assert second.slots.used == 0
    assert [(e.utterance, e.reason.value) for e in around.said(SpeechEnded)][-2:] == [(1, "clear"), (2, "silence")]
    assert [(e.utterance, e.hypothesis.text) for e in around.said(UtteranceFinalized)] == [(2, SLOW_TEXT)]


async def test_a_final_that_waits_for_the_accurate_pass_carries_it_and_shows_the_fast_one_meanwhile(
    tasks: asyncio.TaskGroup,
) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK, SLOW_TEXT), wait_for=Pass.ACCURATE)
    it.speak(0)
    around = await closed(it)
    (final,) = around.said(UtteranceFinalized)
    assert (final.hypothesis.text, final.hypothesis.pass_) == (SLOW_TEXT, Pass.ACCURATE)
    last = around.said(HypothesisRevised)[-1].hypothesis
    assert (last.text, last.is_final, last.revision) == (FAST_TEXT, False, final.hypothesis.revision - 1)
    assert not around.said(UtteranceCorrected, PassFailed)


async def test_a_final_that_waits_in_vain_is_the_fast_one(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK, hang_after_ms=0), strategy=HURRIED, wait_for=Pass.ACCURATE)
    it.speak(0)
    around = await closed(it)
    (final,) = around.said(UtteranceFinalized)
    assert (final.hypothesis.text, final.hypothesis.pass_) == (FAST_TEXT, Pass.FAST)
    assert failures(around) == [(1, Pass.ACCURATE, "pass-late")]
    assert not around.said(UtteranceCorrected)


VOTERS = Strategy(accurate=Accurate(providers=(SECOND_LOOK, ProviderName("third")), budget_s=BUDGET_S))


@pytest.mark.parametrize(
    ("second", "third", "elected"),
    [
        ("a b X d e", "a b X Y e", "a b X d e"),
        ("a b X d e", "a b c d Z", "a b c d e"),
    ],
)
async def test_what_most_engines_heard_is_the_reading_of_all_of_them(
    tasks: asyncio.TaskGroup, second: str, third: str, elected: str
) -> None:
    """With the first pass three vote."""
    it = await rig(tasks, await scripted(SECOND_LOOK, second), strategy=VOTERS)
    it.around.give("third", await scripted("third", third))
    it.speak(0)
    around = await closed(it)
    (revision,) = around.said(UtteranceCorrected)
    told = revision.hypothesis
    assert (told.text, told.provider, told.pass_) == (elected, passes.VOTE, Pass.ACCURATE)
    assert texts(around) == [FAST_TEXT]


@pytest.mark.parametrize("faults", [{"fail_after_ms": 0}, {"garbage": True}, {"hang_after_ms": 0}])
async def test_an_engine_that_fails_leaves_the_vote_to_the_others(
    tasks: asyncio.TaskGroup, faults: dict[str, Any]
) -> None:
    names = (SECOND_LOOK, ProviderName("third"), ProviderName("fourth"))
    strategy = Strategy(accurate=Accurate(providers=names, budget_s=0.5))
    it = await rig(tasks, await scripted(SECOND_LOOK, "a b X d e", **faults), strategy=strategy)
    it.around.give("third", await scripted("third", "a b X d e"))
    it.around.give("fourth", await scripted("fourth", "a b X d e"))
    it.speak(0)
    around = await closed(it)
    assert texts(around, UtteranceCorrected) == ["a b X d e"] and not around.said(PassFailed)


async def test_where_all_who_vote_fail_the_pass_does(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, await scripted(SECOND_LOOK, fail_after_ms=0), strategy=VOTERS)
    it.around.give("third", await scripted("third", garbage=True))
    it.speak(0)
    around = await closed(it)
    assert failures(around) == [(1, Pass.ACCURATE, "provider")]
    assert around.said(PassFailed)[0].provider == passes.VOTE


CORRECTED = Strategy(corrected_budget_s=BUDGET_S)


async def test_a_correction_is_told_after_the_accurate_pass_and_knows_what_was_said_before(
    tasks: asyncio.TaskGroup,
) -> None:
    strategy = Strategy(accurate=ACCURATE.accurate, corrected_budget_s=BUDGET_S)
    it = await rig(tasks, await scripted(SECOND_LOOK, SLOW_TEXT), strategy=strategy)
    it.around.corrector = model = Model("V w x y z.", "V w x y z!")
    end = it.speak(0)
    await it.around.until(UtteranceCorrected, 2)
    it.speak(end)
    around = await closed(it)
    told = [event.hypothesis for event in around.said(UtteranceCorrected) if event.utterance == 1]
    assert [(it.text, it.pass_, it.provider) for it in told] == [
        (SLOW_TEXT, Pass.ACCURATE, SECOND_LOOK),
        ("V w x y z.", Pass.CORRECTED, "tiny"),
    ]
    assert told[0].words and not told[1].words
    assert model.asked == [(SLOW_TEXT, ()), (SLOW_TEXT, ("V w x y z.",))]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (CorrectionFailed("no", reason="garbage"), "correction"),
        (ZeroDivisionError(), "internal"),
        (None, "pass-late"),
    ],
)
async def test_a_correction_that_fails_leaves_the_final(
    tasks: asyncio.TaskGroup, answer: Exception | None, code: str
) -> None:
    around = Around(await scripted(), tasks, strategy=Strategy(corrected_budget_s=0.2))
    around.corrector = Model(answer, "A b c d e.")
    it = Rig(around)
    end = it.speak(0)
    it.speak(end)
    await closed(it)
    assert texts(around) == [FAST_TEXT, FAST_TEXT] and failures(around) == [(1, Pass.CORRECTED, code)]
    assert texts(around, UtteranceCorrected) == ["A b c d e."]


async def test_a_final_without_words_is_not_corrected(tasks: asyncio.TaskGroup) -> None:
    around = Around(await scripted(empty=True), tasks, strategy=CORRECTED)
    around.corrector = model = Model()
    it = Rig(around)
    it.speak(0, tone(0.4))
    await closed(it)
    assert not model.asked and not around.said(UtteranceCorrected, PassFailed)


def owed(around: Around) -> set[int]:
    """Utterances that are over, were not cleared, and have no final."""
    ended, cleared = set(), set()
    for event in around.said(SpeechEnded):
        (cleared if event.reason is EndpointReason.CLEAR else ended).add(event.utterance)
    return ended - cleared - {event.utterance for event in around.said(UtteranceFinalized)}


@settings(max_examples=40)
@given(
    second=st.sampled_from([{}, {"fail_after_ms": 400}, {"hang_after_ms": 0}, {"garbage": True}]),
    answers=st.lists(st.sampled_from(["A b c d e.", None, ZeroDivisionError(), CorrectionFailed("no")]), max_size=6),
    names=st.lists(st.sampled_from(["1", None, ZeroDivisionError(), PassLate("no")]), max_size=6),
    steps=st.lists(st.sampled_from(["speak", "wait", "cleared", "fast", "accurate", "corrected"]), max_size=10),
)
def test_whatever_goes_wrong_after_it_each_utterance_has_one_final_and_revisions_that_count_up(
    second: dict[str, Any], answers: list[Any], names: list[Any], steps: list[str]
) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            strategy = Strategy(accurate=HURRIED.accurate, corrected_budget_s=0.02, speakers=True)
            it = await rig(group, looks := await scripted(SECOND_LOOK, SLOW_TEXT, **second), strategy=strategy)
            it.around._breakers.policy = BreakerPolicy(failures=16)
            it.around.corrector = Model(*answers, *["A b c d e."] * 20)
            left = iter([*names, *["2"] * 20])

            async def speaker(session: SessionId, pcm: bytes, rate: int, spoken_s: float) -> str | None:
                await asyncio.sleep(0)
                if isinstance(name := next(left), Exception):
                    raise name
                return str(name) if name is not None else None

            it.around.speakers = speaker
            end = 0
            for step in steps:
                if step == "speak":
                    end = it.speak(end)
                elif step == "wait":
                    while owed(it.around):
                        await it.around.until(UtteranceFinalized, len(it.around.said(UtteranceFinalized)) + 1)
                elif step == "cleared":
                    it.recogniser.begin(end, RATE)
                    await asyncio.sleep(0)
                    it.recogniser.clear(end, RATE)
                else:
                    it.around.dispatch(SessionConfigured(session=ID, wait_for=Pass(step)))
            around = await closed(it)
            assert looks.slots.used == 0
        finals = {event.utterance: event.hypothesis for event in around.said(UtteranceFinalized)}
        assert len(finals) == len(around.said(UtteranceFinalized))
        assert not owed(around)
        for number, final in finals.items():
            later = [e.hypothesis for e in around.said(UtteranceCorrected) if e.utterance == number]
            revisions = [final.revision, *(hypothesis.revision for hypothesis in later)]
            assert revisions == list(range(final.revision, final.revision + len(revisions)))
            assert all(hypothesis.text in (FAST_TEXT, SLOW_TEXT, "A b c d e.") for hypothesis in (final, *later))

    asyncio.run(run())
