"""Who speaks is told with the final or after it, in order; whatever the model of voices does, nothing waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.effects.around import RATE, SECOND, Around, Rig

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects import speakers
from asr_hub.effects.strategy import Accurate, Strategy
from asr_hub.errors import Overloaded
from asr_hub.model import AudioFrame, Pass, ProviderName, SessionId
from asr_hub.providers.scripted import Scripted
from asr_hub.store.slices.sessions import SessionClosed
from asr_hub.store.slices.transcripts import UtteranceCorrected, UtteranceFinalized

pytestmark = pytest.mark.unit

SECOND_LOOK = ProviderName("second")
NAMED = Strategy(speakers=True)
NAMED_TWICE = Strategy(speakers=True, accurate=Accurate(providers=(SECOND_LOOK,)))
HALF = len(SECOND) // 2


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A final is not held back for the name at all."""
    monkeypatch.setattr(speakers, "WAIT_S", 0)


class Ears:
    """A model of voices: numbers whom it hears, one after the other, when it is `let`."""

    def __init__(self, *, is_let: bool = True) -> None:
        self.let = asyncio.Semaphore(1000 if is_let else 0)
        self.asked = asyncio.Event()
        self.heard: list[bytes] = []
        self.spoken_s: list[float] = []
        self.waited_s = 0.0
        """How long it kept those who asked waiting, one after the other."""
        self.fails: dict[int, Callable[[], Exception]] = {}

    async def __call__(self, session: SessionId, pcm: bytes, rate: int, spoken_s: float) -> str | None:
        self.heard.append(pcm)
        self.spoken_s.append(spoken_s)
        number = len(self.heard)
        self.asked.set()
        if number in self.fails:
            raise self.fails[number]()
        asked_at = asyncio.get_running_loop().time()
        try:
            await self.let.acquire()
        finally:
            self.waited_s += asyncio.get_running_loop().time() - asked_at
        return str(number)


async def rig(tasks: asyncio.TaskGroup, ears: Ears, *, strategy: Strategy = NAMED, **more: Any) -> Rig:
    first, second = (Scripted(ProviderName(name), {}) for name in ("p", SECOND_LOOK))
    await first.start()
    await second.start()
    around = Around(first, tasks, strategy=strategy, **more)
    around.give(SECOND_LOOK, second)
    around.speakers = ears
    return Rig(around)


async def closed(rig: Rig) -> Around:
    rig.recogniser.close("client", lambda: 0)
    await rig.around.until(SessionClosed)
    assert not rig.around.errors and not rig.around.broken
    return rig.around


def named(around: Around, kind: type[Any] = UtteranceFinalized) -> list[tuple[int, str | None]]:
    return [(event.utterance, event.hypothesis.speaker) for event in around.said(kind)]


async def test_finals_say_who_spoke(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, ears := Ears())
    end = it.speak(0)
    it.speak(end, SECOND[:-2])
    around = await closed(it)
    assert named(around) == [(1, "1"), (2, "2")] and not around.said(UtteranceCorrected)
    assert ears.heard == [SECOND, SECOND[:-2]]


async def test_a_pause_makes_nobody_a_new_speaker(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, ears := Ears())
    end = it.speak(0)
    it.recogniser.begin(end, RATE)
    it.recogniser.add(AudioFrame(SECOND, end, RATE))
    it.recogniser.end(SpeechEnd(end + HALF, voiced=RATE // 4))
    await closed(it)
    assert ears.spoken_s == [1.0, 0.25]


@pytest.mark.usefixtures("impatient")
async def test_a_name_that_comes_late_is_told_as_a_revision(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, ears := Ears(is_let=False))
    it.speak(0)
    (final,) = await it.around.until(UtteranceFinalized)
    assert final.hypothesis.speaker is None
    it.around.time = 2.0
    ears.let.release()
    (revision,) = await it.around.until(UtteranceCorrected)
    assert (revision.hypothesis.speaker, revision.hypothesis.text) == ("1", final.hypothesis.text)
    assert revision.hypothesis.revision == final.hypothesis.revision + 1 and revision.latency_ms == 2000
    await closed(it)


@pytest.mark.usefixtures("impatient")
async def test_closing_waits_for_the_last_name(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, ears := Ears(is_let=False))
    it.speak(0)
    await it.around.until(UtteranceFinalized)
    it.recogniser.close("client", lambda: 0)
    ears.let.release()
    await it.around.until(UtteranceCorrected)
    around = await closed(it)
    assert named(around, UtteranceCorrected) == [(1, "1")]


@pytest.mark.usefixtures("impatient")
async def test_names_that_come_late_come_in_the_order_of_the_utterances(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, ears := Ears(is_let=False))
    end = 0
    for cut in (0, 2, 4, 6):
        end = it.speak(end, SECOND[: len(SECOND) - cut])
    await it.around.until(UtteranceFinalized, 4)
    # One at a time: whoever spoke first has the lowest number.
    assert len(ears.heard) == 1
    for _ in range(4):
        ears.let.release()
    around = await closed(it)
    assert named(around, UtteranceCorrected) == [(1, "1"), (2, "2"), (3, "3"), (4, "4")]
    assert [len(pcm) for pcm in ears.heard] == [len(SECOND) - cut for cut in (0, 2, 4, 6)]


@pytest.mark.parametrize("is_told_first", [False, True])
async def test_an_utterance_that_is_cleared_before_its_end_holds_up_no_name_and_no_close(
    tasks: asyncio.TaskGroup, is_told_first: bool
) -> None:
    it = await rig(tasks, ears := Ears())
    at, before = 0, []
    if is_told_first:
        at = it.speak(0)
        await it.around.until(UtteranceFinalized)
        before = [(1, "1")]
    it.recogniser.begin(at, RATE)
    # The task of the utterance begins, and asks who speaks.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    it.recogniser.clear(at + HALF, RATE)
    it.speak(at + HALF)
    around = await closed(it)
    assert named(around) == [*before, (len(before) + 2, str(len(before) + 1))]
    assert len(ears.heard) == len(before) + 1


@pytest.mark.usefixtures("impatient")
async def test_clearing_takes_no_name_from_an_utterance_that_has_its_final(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, ears := Ears(is_let=False))
    end = it.speak(0)
    await it.around.until(UtteranceFinalized)
    it.recogniser.begin(end, RATE)
    await asyncio.sleep(0)
    it.recogniser.clear(end + HALF, RATE)
    ears.let.release()
    around = await closed(it)
    assert named(around, UtteranceCorrected) == [(1, "1")]


@pytest.mark.parametrize("error", [lambda: Overloaded("all slots are taken"), ZeroDivisionError, lambda: ValueError()])
async def test_a_model_of_voices_that_fails_costs_one_name(
    tasks: asyncio.TaskGroup, error: Callable[[], Exception]
) -> None:
    it = await rig(tasks, ears := Ears())
    ears.fails[1] = error
    end = it.speak(0)
    it.speak(end)
    around = await closed(it)
    assert named(around) == [(1, None), (2, "2")]


@pytest.mark.usefixtures("impatient")
async def test_a_model_of_voices_that_hangs_is_waited_for_once_and_not_once_for_each_utterance(
    tasks: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speakers, "LONGEST_S", 1.0)
    it = await rig(tasks, ears := Ears(is_let=False))
    end = 0
    for _ in range(9):
        end = it.speak(end)
    around = await closed(it)
    assert named(around) == [(number, None) for number in range(1, 10)] and not around.said(UtteranceCorrected)
    # All nine end in one moment, so that their patience does: a later one is asked for in what the first has left.
    assert ears.waited_s < 4.5


@pytest.mark.usefixtures("impatient")
async def test_a_session_that_is_stopped_leaves_no_question_behind() -> None:
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        it = await rig(group, ears := Ears(is_let=False))
        end = 0
        for _ in range(3):
            end = it.speak(end)
        await it.around.until(UtteranceFinalized, 3)
        await it.recogniser.stop()
        ears.let.release()
    assert len(ears.heard) == 1 and not it.around.said(UtteranceCorrected)


async def test_a_name_that_comes_while_the_final_waits_for_its_second_pass_is_in_the_final(
    tasks: asyncio.TaskGroup,
) -> None:
    it = await rig(tasks, ears := Ears(is_let=False), strategy=NAMED_TWICE, wait_for=Pass.ACCURATE)
    it.speak(0)
    await ears.asked.wait()
    ears.let.release()
    around = await closed(it)
    (final,) = around.said(UtteranceFinalized)
    assert (final.hypothesis.speaker, final.hypothesis.pass_) == ("1", Pass.ACCURATE)
    assert not around.said(UtteranceCorrected)


@pytest.mark.usefixtures("impatient")
async def test_a_late_name_and_a_later_pass_are_revisions_one_after_the_other_and_lose_nothing_of_each_other(
    tasks: asyncio.TaskGroup,
) -> None:
    it = await rig(tasks, ears := Ears(is_let=False), strategy=NAMED_TWICE)
    it.speak(0)
    await it.around.until(UtteranceCorrected)
    ears.let.release()
    around = await closed(it)
    (final,) = around.said(UtteranceFinalized)
    told = [event.hypothesis for event in around.said(UtteranceCorrected)]
    assert [(it.pass_, it.speaker, it.provider) for it in told] == [
        (Pass.ACCURATE, None, SECOND_LOOK),
        (Pass.ACCURATE, "1", SECOND_LOOK),
    ]
    assert [it.revision - final.hypothesis.revision for it in told] == [1, 2]


async def test_the_name_of_the_final_is_that_of_its_revisions(tasks: asyncio.TaskGroup) -> None:
    it = await rig(tasks, Ears(), strategy=NAMED_TWICE)
    it.speak(0)
    around = await closed(it)
    assert named(around) == named(around, UtteranceCorrected) == [(1, "1")]
