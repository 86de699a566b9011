"""The recogniser: utterances in order, answers always, whatever the engine does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.effects.around import NAME, RATE, Around, Rig

from asr_hub.effects.recognition import Listening
from asr_hub.effects.strategy import Patience, Strategy
from asr_hub.errors import HubError, NotFound, OutOfMemory, ProviderError, ProviderUnavailable
from asr_hub.model import EndpointReason, ProviderName
from asr_hub.providers.scripted import Scripted
from asr_hub.store.slices.providers import ProviderStarting
from asr_hub.store.slices.sessions import (
    SessionClosed,
    SpeechEnded,
    SpeechStarted,
    WakeWordHeard,
)
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    RecognitionFailed,
    UtteranceFinalized,
    UtteranceHandedOn,
)

pytestmark = pytest.mark.unit


async def scripted(settings: dict[str, Any] | None = None, rates: tuple[int, ...] | None = None) -> Scripted:
    provider = Scripted(NAME, settings or {})
    if rates is not None:
        provider.capabilities = type(provider.capabilities)(
            streaming=True, partials=True, wake_words=True, sample_rates=rates, max_streams=4
        )
    await provider.start()
    return provider


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def test_utterances_are_heard_in_order(tasks: asyncio.TaskGroup) -> None:
    rig = Rig(Around(await scripted(), tasks))
    end = 0
    for _ in range(5):
        end = rig.speak(end)
    finals = await rig.around.until(UtteranceFinalized, 5)
    assert [f.utterance for f in finals] == [1, 2, 3, 4, 5]
    assert [f.hypothesis.start for f in finals] == [0, 1000, 2000, 3000, 4000]
    assert not rig.around.errors


async def test_speech_is_announced_while_the_engine_is_busy_with_the_utterance_before(
    tasks: asyncio.TaskGroup,
) -> None:
    rig = Rig(Around(await scripted({"faults": {"hang_after_ms": 200}}), tasks))
    end = rig.speak(0)
    await asyncio.sleep(0)
    rig.speak(end, ends=False)
    assert [e.utterance for e in rig.around.said(SpeechStarted)] == [1, 2]
    await rig.recogniser.stop()


async def test_an_engine_with_another_rate_gets_it_and_times_stay_those_of_the_session(
    tasks: asyncio.TaskGroup,
) -> None:
    rig = Rig(Around(await scripted(rates=(8_000,)), tasks))
    rig.speak(5 * RATE)
    (final,) = await rig.around.until(UtteranceFinalized)
    assert (final.hypothesis.start, final.hypothesis.end) == (5000, 6000)


async def test_clear_drops_what_is_open_and_what_waits(tasks: asyncio.TaskGroup) -> None:
    provider = await scripted({"faults": {"hang_after_ms": 200}})
    rig = Rig(Around(provider, tasks))
    end = rig.speak(0)
    rig.speak(end, ends=False)
    await asyncio.sleep(0)
    rig.recogniser.clear(end, RATE)
    cleared = [e.utterance for e in rig.around.said(SpeechEnded) if e.reason is EndpointReason.CLEAR]
    assert cleared == [1, 2]
    rig.recogniser.close("close", lambda: 0)
    await rig.around.until(SessionClosed)
    assert not rig.around.said(UtteranceFinalized)
    assert provider.slots.used == 0
    assert not rig.around.errors


async def test_an_adapter_with_a_defect_costs_its_utterance_and_not_the_session(tasks: asyncio.TaskGroup) -> None:
    provider = await scripted()

    def broken(*_: object) -> Any:
        raise ZeroDivisionError("a defect")

    provider.stream = broken  # type: ignore[method-assign]
    rig = Rig(Around(provider, tasks))
    rig.speak(0)
    (final,) = await rig.around.until(UtteranceFinalized)
    (failed,) = rig.around.said(RecognitionFailed)
    assert final.hypothesis.text == ""
    assert "ZeroDivisionError" in failed.message


async def failing(error: HubError) -> Scripted:
    provider = await scripted()

    def refuse(*_: object) -> Any:
        raise error

    provider.stream = refuse  # type: ignore[method-assign]
    return provider


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (OutOfMemory("no memory"), 1),
        (ProviderUnavailable("not there"), 1),
        (ProviderError("it broke"), 2),
        (NotFound("no such language", code="unsupported-language"), 1),
    ],
)
async def test_what_one_engine_cannot_hear_the_next_one_does_from_the_first_sample(
    tasks: asyncio.TaskGroup, error: HubError, attempts: int
) -> None:
    asked = 0
    provider = await failing(error)
    refuse = provider.stream

    def count(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return refuse(*args)

    provider.stream = count  # type: ignore[method-assign]
    alone = Rig(Around(await scripted(), tasks))
    alone.speak(0)
    (expected,) = await alone.around.until(UtteranceFinalized)

    rig = Rig(Around(provider, tasks))
    rig.around.others = {ProviderName("broken"): await failing(error), ProviderName("q"): await scripted()}
    rig.around.dispatch(ProviderStarting(provider=ProviderName("q"), kind="scripted"))
    rig.speak(0)
    (final,) = await rig.around.until(UtteranceFinalized)
    assert asked == attempts
    assert final.hypothesis.text == expected.hypothesis.text != ""
    assert final.hypothesis.provider == "q"
    handed = rig.around.said(UtteranceHandedOn)
    assert [(fact.provider, fact.to, fact.code) for fact in handed] == [
        (NAME, "broken", error.code),
        ("broken", "q", error.code),
    ]
    assert not rig.around.said(RecognitionFailed) and not rig.around.errors


async def test_when_nobody_is_left_it_is_said_once_and_the_session_goes_on(tasks: asyncio.TaskGroup) -> None:
    rig = Rig(Around(await failing(OutOfMemory("no memory")), tasks))
    rig.around.others = {ProviderName("q"): await failing(OutOfMemory("none here either"))}
    end = rig.speak(0)
    rig.speak(end)
    finals = await rig.around.until(UtteranceFinalized, 2)
    assert [final.hypothesis.text for final in finals] == ["", ""]
    failures = rig.around.said(RecognitionFailed)
    assert [(failure.provider, failure.message) for failure in failures] == [("q", "none here either")] * 2


async def test_close_waits_for_the_last_final(tasks: asyncio.TaskGroup) -> None:
    rig = Rig(Around(await scripted(), tasks))
    rig.speak(0)
    rig.recogniser.close("close", lambda: 16_000)
    (closed,) = await rig.around.until(SessionClosed)
    assert (closed.reason, closed.audio_offset) == ("close", 16_000)
    assert len(rig.around.said(UtteranceFinalized)) == 1


async def test_speech_right_after_a_wake_word_is_announced_in_order(tasks: asyncio.TaskGroup) -> None:
    words = ["computer", "stop", "now", "please", "go"]
    wake = Listening(provider=NAME, phrases=("computer",), min_silence=0.2)
    rig = Rig(Around(await scripted({"transcript": words}), tasks, wake))
    end = rig.speak(0)
    rig.speak(end)
    finals = await rig.around.until(UtteranceFinalized, 2)
    assert [f.utterance for f in finals] == [1, 2]
    assert rig.around.said(WakeWordHeard)[0].audio_ms == 200
    assert finals[0].hypothesis.start == 200
    assert not rig.around.errors


async def test_without_the_wake_word_nothing_is_said(tasks: asyncio.TaskGroup) -> None:
    wake = Listening(provider=NAME, phrases=("computer",), min_silence=0.2)
    rig = Rig(Around(await scripted({"transcript": ["hello"]}), tasks, wake))
    rig.speak(0)
    rig.recogniser.close("close", lambda: 0)
    await rig.around.until(SessionClosed)
    assert not rig.around.said(SpeechStarted, SpeechEnded, HypothesisRevised, UtteranceFinalized, WakeWordHeard)


@pytest.mark.parametrize("fault", [{"no_final": True}, {"hang_after_ms": 200}])
async def test_an_engine_that_never_answers_costs_its_utterance_only(
    tasks: asyncio.TaskGroup, fault: dict[str, object]
) -> None:
    provider = await scripted({"faults": fault})
    patience = Patience(stall_s=0.05, final_rtf=0.0)
    rig = Rig(Around(provider, tasks, strategy=Strategy(patience=patience)))
    rig.speak(0)
    (final,) = await rig.around.until(UtteranceFinalized)
    (failed,) = rig.around.said(RecognitionFailed)
    assert failed.code == "provider-timeout"
    assert final.hypothesis.text == ""
    rig.recogniser.close("close", lambda: 0)
    await rig.around.until(SessionClosed)
    assert provider.slots.used == 0


async def test_clear_in_the_moment_in_which_the_engine_fails_is_obeyed(tasks: asyncio.TaskGroup) -> None:
    """The task group reports the engine's error and forgets the cancellation; the recogniser must not."""
    for turns in range(8):
        provider = await scripted({"faults": {"hang_after_ms": 200}})
        rig = Rig(Around(provider, tasks))
        rig.speak(0, ends=False)
        for _ in range(20):
            await asyncio.sleep(0)
        for stream in tuple(provider._streams):
            stream.fail(ProviderError("died"))
        for _ in range(turns):
            await asyncio.sleep(0)
        rig.recogniser.clear(RATE, RATE)
        rig.recogniser.close("close", lambda: 0)
        await rig.around.until(SessionClosed)
        assert provider.slots.used == 0


async def test_clear_again_and_again_never_takes_a_second_slot(tasks: asyncio.TaskGroup) -> None:
    provider = await scripted({"faults": {"hang_after_ms": 200}})
    rig = Rig(Around(provider, tasks))
    most = 0
    end = 0
    for _ in range(6):
        end = rig.speak(end, ends=False)
        await asyncio.sleep(0)
        rig.recogniser.clear(end, RATE)
        end = rig.speak(end, ends=False)
        rig.recogniser.clear(end, RATE)
        for _ in range(3):
            await asyncio.sleep(0)
            most = max(most, provider.slots.used)
    await rig.recogniser.stop()
    assert most <= 1
    assert provider.slots.used == 0
