"""An engine that breaks its promises at the worst moment costs no final, and no final of another utterance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Any

import pytest
from tests.effects.around import NAME, RATE, Around, Rig

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects.hedging import first_of
from asr_hub.effects.recognition import Listening
from asr_hub.errors import ProviderDied
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted, ScriptedStream
from asr_hub.store.slices.sessions import SessionClosed
from asr_hub.store.slices.transcripts import RecognitionFailed, UtteranceFinalized

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
    around = Around(provider, tasks)
    around.give(SPARE, spare, is_heir=True)
    rig = Rig(around)
    end = rig.speak(0, ends=False)
    await asyncio.sleep(0.01)
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
    await asyncio.sleep(0.01)
    for _ in range(3):
        race.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await race
    assert sorted(left) == ["main", "second"]
