"""An engine that breaks its promises at the worst moment costs no final, and no final of another utterance."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Any

import pytest
from tests.effects.around import ID, NAME, RATE, Around, Rig

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects import settling, shadowing
from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.hedging import first_of
from asr_hub.effects.recognition import Listening, Recogniser
from asr_hub.effects.strategy import Accurate, Hedge, Patience, Shadow, Strategy
from asr_hub.errors import ProviderDied
from asr_hub.model import AudioFormat, AudioFrame, Hypothesis, Pass, ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.providers.scripted import Scripted, ScriptedStream
from asr_hub.store.slices.breakers import AttemptFailed
from asr_hub.store.slices.scores import LATENCIES_NEEDED, FinalHedged, ShadowCompared, select_score
from asr_hub.store.slices.sessions import SessionClosed, SessionConfigured, SessionOpened
from asr_hub.store.slices.transcripts import HypothesisRevised, RecognitionFailed, UtteranceFinalized

pytestmark = pytest.mark.unit

SPARE = ProviderName("spare")


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


class Odd(Scripted):
    """Its streams are of another kind."""

    kind: Callable[..., ScriptedStream]

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> ScriptedStream:
        return self.kind(self, options, memory)


async def odd(kind: Callable[..., ScriptedStream]) -> Odd:
    provider = Odd(NAME, {})
    provider.kind = kind
    await provider.start()
    return provider


class FailsWhenLeft(ScriptedStream):
    """Waits after the final, and dies of being left."""

    async def end_utterance(self) -> None:
        await super().end_utterance()
        try:
            await asyncio.Event().wait()
        finally:
            raise ProviderDied("the process went with the last word")


class FailsWithTheFinal(ScriptedStream):
    """Its final, and its death, come in one turn of the loop."""

    async def end_utterance(self) -> None:
        await super().end_utterance()
        raise ProviderDied("the process went with the last word")


class CancelsReading(ScriptedStream):
    """A task of its own is cancelled, and takes the iteration with it."""

    async def end_utterance(self) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:  # type: ignore[override]
        await asyncio.sleep(0)
        raise asyncio.CancelledError
        yield


class CancelsFeeding(ScriptedStream):
    async def push(self, frame: AudioFrame) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError


class EndsEarly(ScriptedStream):
    """Gives its final after the first piece, though somebody speaks on."""

    async def push(self, frame: AudioFrame) -> None:
        await super().push(frame)
        self._tell_final()


@pytest.mark.parametrize("kind", [FailsWhenLeft, FailsWithTheFinal])
async def test_a_final_stands_whatever_its_engine_does_after_it(
    tasks: asyncio.TaskGroup, kind: Callable[..., ScriptedStream]
) -> None:
    provider = await odd(kind)
    rig = Rig(Around(provider, tasks))
    rig.speak(rig.speak(0))
    finals = await rig.around.until(UtteranceFinalized, 2)
    assert all(final.hypothesis.text for final in finals)
    assert not rig.around.said(RecognitionFailed) and not rig.around.broken
    rig.recogniser.close("bye", lambda: 0)
    await rig.around.until(SessionClosed)
    assert provider.slots.used == 0


@pytest.mark.parametrize("kind", [CancelsReading, CancelsFeeding, EndsEarly])
async def test_an_engine_that_breaks_off_by_itself_is_replaced(
    tasks: asyncio.TaskGroup, kind: Callable[..., ScriptedStream]
) -> None:
    provider, spare = await odd(kind), Scripted(SPARE, {})
    await spare.start()
    # Asked again it may hear the utterance to its end, which has come meanwhile.
    around = Around(provider, tasks, strategy=Strategy(patience=Patience(attempts=1)))
    around.give(SPARE, spare, is_heir=True)
    rig = Rig(around)
    end = rig.speak(0, ends=False)
    for _ in range(100):
        await asyncio.sleep(0)
    rig.recogniser.end(SpeechEnd(end))
    (final,) = await around.until(UtteranceFinalized)
    assert final.hypothesis.provider == SPARE and len(final.hypothesis.text.split()) == 5
    assert provider.slots.used == 0 and not around.broken and not around.errors


async def test_a_session_can_be_cleared_after_an_engine_failed_while_it_was_left(tasks: asyncio.TaskGroup) -> None:
    rig = Rig(Around(await odd(FailsWhenLeft), tasks))
    end = rig.speak(0)
    await rig.around.until(UtteranceFinalized)
    rig.speak(end)
    rig.recogniser.clear(end, RATE)
    rig.speak(2 * end)
    finals = await rig.around.until(UtteranceFinalized, 2)
    assert [final.utterance for final in finals] == [1, 3]
    assert not rig.around.errors
    await rig.recogniser.stop()


async def test_a_defect_of_whoever_spots_wake_words_costs_one_utterance(tasks: asyncio.TaskGroup) -> None:
    class Broken(ScriptedStream):
        async def push(self, frame: AudioFrame) -> None:
            raise KeyError("a defect")

    listening = Listening(provider=NAME, phrases=("hey",), min_silence=0.5)
    rig = Rig(Around(await odd(Broken), tasks, wake_word=listening))
    rig.speak(0)
    await rig.around.until(RecognitionFailed)
    assert not rig.around.broken


async def test_who_is_cancelled_again_and_again_waits_for_both_all_the_same() -> None:
    """Whoever comes next takes the slot that these two have."""
    left = []

    async def slow(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            left.append(name)

    over = asyncio.Event()
    over.set()
    race = asyncio.create_task(
        first_of(slow("main"), lambda: slow("second"), when=over, after=0.0, wanted=lambda: True)
    )
    for _ in range(20):
        await asyncio.sleep(0)
    for _ in range(3):
        race.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await race
    assert sorted(left) == ["main", "second"]


async def test_of_finals_that_are_late_in_one_moment_no_more_than_the_share_is_asked_for_twice(
    tasks: asyncio.TaskGroup,
) -> None:
    """An engine that stalls is late for all sessions at once."""
    around, _ = await hedged(tasks, share=0.1)
    around._provider = await scripted(no_final=True)
    sessions = [SessionId(f"s{number}") for number in range(20)]
    rigs = []
    for session in sessions:
        around.dispatch(SessionOpened(session=session, provider=NAME, format=AudioFormat(), protocol="t"))
        rigs.append(Rig(around))
        rigs[-1].recogniser = Recogniser(session, around, on_room=lambda: None)
        rigs[-1].speak(0, ends=False)
    for _ in range(20):
        await asyncio.sleep(0)
    for rig in rigs:
        rig.recogniser.end(SpeechEnd(RATE))
    await around.until(UtteranceFinalized, LATENCIES_NEEDED + 2)
    score = select_score(around.store.state, NAME)
    assert score is not None and score.hedged <= 0.1 * (score.finals + score.lost + 1)
    for rig in rigs:
        await rig.recogniser.stop()


async def test_an_engine_that_fails_while_another_is_asked_besides_is_held_to_account(
    tasks: asyncio.TaskGroup,
) -> None:
    around, rig = await hedged(tasks, share=1.0, late_s=0.05)
    around._provider = first = await scripted(no_final=True)
    rig.speak(RATE * 100)
    await around.until(FinalHedged)
    for stream in tuple(first._streams):
        stream.fail(ProviderDied("it died"))
    finals = await around.until(UtteranceFinalized, LATENCIES_NEEDED + 1)
    assert finals[-1].hypothesis.provider == SPARE
    assert [(fact.provider, fact.code) for fact in around.said(AttemptFailed)] == [(NAME, ProviderDied.code)]


async def test_a_final_is_numbered_after_what_the_engine_that_was_too_late_has_shown(
    tasks: asyncio.TaskGroup,
) -> None:
    class Chatty(ScriptedStream):
        """Knows no end."""

        async def end_utterance(self) -> None:
            while True:
                await asyncio.sleep(0)
                self._tell(is_final=False)

    around, rig = await hedged(tasks, share=1.0)
    around._provider = await odd(Chatty)
    rig.speak(RATE * 100)
    finals = await around.until(UtteranceFinalized, LATENCIES_NEEDED + 1)
    final = finals[-1]
    shown = [e.hypothesis.revision for e in around.said(HypothesisRevised) if e.utterance == final.utterance]
    assert final.hypothesis.provider == SPARE and shown and final.hypothesis.revision > max(shown)


async def test_a_final_is_numbered_after_the_reading_that_was_shown_while_a_later_pass_was_waited_for(
    tasks: asyncio.TaskGroup,
) -> None:
    around = Around(
        await scripted(),
        tasks,
        strategy=Strategy(accurate=Accurate(providers=(SPARE,))),
        wait_for=Pass.ACCURATE,
    )
    spare = Scripted(SPARE, {"faults": {"fail_after_ms": 0}})
    await spare.start()
    around.give(SPARE, spare)
    Rig(around).speak(0)
    (final,) = await around.until(UtteranceFinalized)
    shown = [e.hypothesis.revision for e in around.said(HypothesisRevised)]
    assert final.hypothesis.revision > shown[-1] and shown == sorted(set(shown))


async def test_how_fast_an_engine_is_does_not_depend_on_what_its_final_is_held_back_for(
    tasks: asyncio.TaskGroup,
) -> None:
    around = Around(
        await scripted(),
        tasks,
        strategy=Strategy(accurate=Accurate(providers=(SPARE,))),
        wait_for=Pass.ACCURATE,
    )

    class Slow(ScriptedStream):
        async def end_utterance(self) -> None:
            around.time += 7.0
            await super().end_utterance()

    spare = await odd(Slow)
    around.give(SPARE, spare)
    Rig(around).speak(0)
    (final,) = await around.until(UtteranceFinalized)
    assert (final.hypothesis.provider, final.latency_ms) == (SPARE, 7000)
    first, second = (select_score(around.store.state, name) for name in (NAME, SPARE))
    assert first is not None and first.latencies_ms == (0,) and second is None


@pytest.mark.parametrize("providers", [(SPARE,), (SPARE, NAME)])
async def test_a_defect_in_a_pass_that_is_waited_for_costs_no_final(
    tasks: asyncio.TaskGroup, providers: tuple[ProviderName, ...]
) -> None:
    class Torn(Around):
        def provider(self, name: ProviderName) -> Provider:
            if name == SPARE:
                raise KeyError("a defect")
            return super().provider(name)

    strategy = Strategy(accurate=Accurate(providers=providers))
    around = Torn(await scripted(), tasks, strategy=strategy, wait_for=Pass.ACCURATE)
    rig = Rig(around)
    rig.speak(rig.speak(0))
    finals = await around.until(UtteranceFinalized, 2)
    assert all(final.hypothesis.text for final in finals) and not around.broken
    rig.recogniser.clear(3 * RATE, RATE)
    rig.recogniser.close("bye", lambda: 0)
    await around.until(SessionClosed)


async def test_the_name_of_who_was_cut_off_is_forgotten(tasks: asyncio.TaskGroup) -> None:
    class Named(Around):
        async def speaker(self, *_: Any) -> str | None:
            return "S1"

    around = Named(await scripted(no_final=True), tasks, strategy=Strategy(speakers=True))
    rig = Rig(around)
    end = rig.speak(0)
    for _ in range(100):
        await asyncio.sleep(0)
    speakers = rig.recogniser._speakers
    assert speakers._names == {1: "S1"}
    rig.recogniser.clear(end, RATE)
    assert not speakers._names
    await rig.recogniser.stop()


async def test_what_takes_long_for_a_long_text_is_done_beside_the_loop(
    tasks: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand sessions share the loop."""
    threads = []

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            threads.append(threading.get_ident())
            return work(*args, **more)

        return run

    monkeypatch.setattr(settling, "match", watched(settling.match))
    monkeypatch.setattr(shadowing, "score", watched(shadowing.score))
    around = Around(await scripted(), tasks, strategy=Strategy(shadow=Shadow(provider=SPARE)))
    around.dispatch(SessionConfigured(session=ID, hotwords=("Xylophone",)))
    spare = Scripted(SPARE, {})
    await spare.start()
    around.give(SPARE, spare)
    Rig(around).speak(0)
    await around.until(ShadowCompared)
    assert len(threads) == 2 and threading.get_ident() not in threads


async def hedged(tasks: asyncio.TaskGroup, *, share: float, late_s: float = 0.0) -> tuple[Around, Rig]:
    """An engine that was fast so far, and another one that is asked besides, as soon as an utterance is over."""
    around = Around(await scripted(), tasks, policy=BreakerPolicy(failures=16))
    spare = Scripted(SPARE, {"faults": {"late_s": late_s}})
    await spare.start()
    around.give(SPARE, spare)
    rig = Rig(around)
    at = 0
    for number in range(LATENCIES_NEEDED):
        at = rig.speak(at)
        await around.until(UtteranceFinalized, number + 1)
    around.strategy = Strategy(
        hedge=Hedge(provider=SPARE, share=share, min_ms=0), patience=Patience(attempts=1, stall_s=50.0)
    )
    return around, rig


async def scripted(**faults: Any) -> Scripted:
    provider = Scripted(NAME, {"faults": faults})
    await provider.start()
    return provider
