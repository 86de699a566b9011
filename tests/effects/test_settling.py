"""What is told of a reading: no phantoms, hotwords where words sound like them, sentences where they are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.effects.around import ID, NAME, RATE, Around, Rig
from tests.speech import clip, needs_clips, noise, tone

from asr_hub.effects.strategy import Accurate, Strategy
from asr_hub.model import Pass, ProviderName
from asr_hub.providers.scripted import Scripted
from asr_hub.store.slices.sessions import SessionClosed, SessionConfigured, SessionWarned
from asr_hub.store.slices.transcripts import (
    DecisionUndone,
    HotwordsMatched,
    PassFailed,
    TextSuppressed,
    UtteranceCorrected,
    UtteranceFinalized,
    select_utterance,
    undoing,
)

pytestmark = pytest.mark.unit

SECOND_LOOK = ProviderName("second")
PHANTOM = "thanks for watching"
FIRST = "one two three four five six"
HISS = noise(1.2)
HEARD = "the train to zer mat leaves"
MEANT = "the train to Zermatt leaves"
WARNING = "knows no hotwords"


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def scripted(name: str, text: str, *, invents: bool = False, hotwords: bool = False) -> Scripted:
    """Each of these words once in 200 ms."""
    provider = Scripted(ProviderName(name), {"transcript": text.split(), "faults": {"invents": invents}})
    provider.capabilities = replace(provider.capabilities, hotwords=hotwords)
    await provider.start()
    return provider


async def told(
    tasks: asyncio.TaskGroup,
    first: Scripted,
    pcm: bytes,
    *others: Scripted,
    hotwords: tuple[str, ...] = (),
    wait_for: Pass = Pass.FAST,
    **strategy: Any,
) -> Around:
    """A session with one utterance, after its end. `others` read it again."""
    if others:
        strategy["accurate"] = Accurate(providers=tuple(other.name for other in others))
    around = Around(first, tasks, strategy=Strategy(**strategy), wait_for=wait_for)
    for other in others:
        around.give(other.name, other)
    around.dispatch(SessionConfigured(session=ID, hotwords=hotwords, language="en"))
    rig = Rig(around)
    rig.speak(0, pcm)
    rig.recogniser.close("client", lambda: 0)
    await around.until(SessionClosed)
    assert not around.errors and not around.broken
    return around


def final(around: Around) -> str:
    (event,) = around.said(UtteranceFinalized)
    text: str = event.hypothesis.text
    return text


def warnings(around: Around) -> list[str]:
    return [event.message for event in around.said(SessionWarned)]


STILL = {
    "noise": noise(1.0),
    "loud noise": noise(1.4, level=0.6),
    "a tone": tone(0.6),
    "a high tone": tone(2.0, hertz=1000),
    "hardly a sound": noise(1.0, level=0.0001),
}


@pytest.mark.parametrize("sound", STILL)
async def test_what_a_model_makes_up_where_nobody_speaks_is_kept_back_with_its_reason(
    tasks: asyncio.TaskGroup, sound: str
) -> None:
    around = await told(tasks, await scripted(NAME, PHANTOM, invents=True), STILL[sound])
    assert final(around) == ""
    (fact,) = around.said(TextSuppressed)
    assert fact.text.startswith(PHANTOM) and fact.reason and fact.utterance == 1
    assert fact.hypothesis.text == fact.text and fact.hypothesis.words
    (hypothesis,) = (event.hypothesis for event in around.said(UtteranceFinalized))
    assert (hypothesis.stable, hypothesis.words, hypothesis.is_final) == (0, (), True)


async def test_what_an_engine_hears_that_makes_nothing_up_is_told(tasks: asyncio.TaskGroup) -> None:
    around = await told(tasks, await scripted(NAME, PHANTOM), HISS)
    assert final(around) == f"{PHANTOM} {PHANTOM}" and not around.said(TextSuppressed)


async def test_everything_is_told_where_that_is_configured(tasks: asyncio.TaskGroup) -> None:
    first = await scripted(NAME, PHANTOM, invents=True)
    around = await told(tasks, first, HISS, suppress_phantoms=False)
    assert final(around) == f"{PHANTOM} {PHANTOM}" and not around.said(TextSuppressed)


@pytest.mark.data
@needs_clips
async def test_a_person_who_says_what_models_make_up_is_heard(tasks: asyncio.TaskGroup) -> None:
    speech = clip("2609-156975-0000.flac").pcm()[: 2 * 3 * RATE]
    around = await told(tasks, await scripted(NAME, PHANTOM, invents=True), speech)
    assert PHANTOM in final(around) and not around.said(TextSuppressed)


async def test_a_later_pass_that_makes_something_up_is_refused_and_the_final_stands(tasks: asyncio.TaskGroup) -> None:
    around = await told(tasks, await scripted(NAME, FIRST), HISS, await scripted(SECOND_LOOK, PHANTOM, invents=True))
    assert final(around) == FIRST and not around.said(UtteranceCorrected)
    (failed,) = around.said(PassFailed)
    assert (failed.code, failed.pass_, failed.provider) == ("pass-refused", Pass.ACCURATE, SECOND_LOOK)
    assert PHANTOM not in failed.message


@pytest.mark.data
@needs_clips
@pytest.mark.parametrize(("said", "is_taken_back"), [(FIRST, False), (PHANTOM, True)])
async def test_a_pass_that_hears_nothing_takes_back_only_what_models_make_up(
    tasks: asyncio.TaskGroup, said: str, is_taken_back: bool
) -> None:
    speech = clip("2609-156975-0000.flac").pcm()[: 2 * 3 * RATE]
    deaf = Scripted(SECOND_LOOK, {"faults": {"empty": True}})
    await deaf.start()
    around = await told(tasks, await scripted(NAME, said, invents=True), speech, deaf)
    assert said in final(around)
    *_, last = around.store.journal.entries()
    utterance = select_utterance(around.store.journal.state_at(last.seq - 1), ID, 1)
    assert utterance is not None and utterance.latest is not None
    assert bool(utterance.latest.text) is not is_taken_back
    if is_taken_back:
        undone = undoing(utterance)
        assert undone is not None and said in undone.text
    else:
        assert [event.code for event in around.said(PassFailed)] == ["pass-refused"]


async def test_a_final_that_waits_for_a_pass_that_makes_something_up_is_the_first_reading(
    tasks: asyncio.TaskGroup,
) -> None:
    around = await told(
        tasks,
        await scripted(NAME, FIRST),
        HISS,
        await scripted(SECOND_LOOK, PHANTOM, invents=True),
        wait_for=Pass.ACCURATE,
    )
    assert final(around) == FIRST
    assert [event.code for event in around.said(PassFailed)] == ["pass-refused"]


@pytest.mark.parametrize("invents", [False, True])
async def test_an_election_is_doubted_where_one_of_those_who_vote_makes_things_up(
    tasks: asyncio.TaskGroup, invents: bool
) -> None:
    others = (await scripted(SECOND_LOOK, PHANTOM, invents=invents), await scripted("third", PHANTOM))
    around = await told(tasks, await scripted(NAME, FIRST), HISS, *others)
    assert len(around.said(PassFailed)) == invents
    assert len(around.said(UtteranceCorrected)) == (not invents)


async def test_a_hotword_is_written_where_words_sound_like_it_and_what_was_heard_is_kept(
    tasks: asyncio.TaskGroup,
) -> None:
    around = await told(tasks, await scripted(NAME, HEARD), tone(1.2), hotwords=("Zermatt",))
    assert final(around) == MEANT
    (fact,) = around.said(HotwordsMatched)
    (it,) = fact.replacements
    assert (it.heard, it.hotword, it.position, fact.before.text) == ("zer mat", "Zermatt", 3, HEARD)
    assert 0.8 < it.similarity <= 1
    hypothesis = around.said(UtteranceFinalized)[0].hypothesis
    assert hypothesis.stable == len(MEANT) and [word.text for word in hypothesis.words] == MEANT.split()


async def test_what_the_engine_said_can_be_had_back(tasks: asyncio.TaskGroup) -> None:
    around = Around(await scripted(NAME, HEARD), tasks)
    around.dispatch(SessionConfigured(session=ID, hotwords=("Zermatt",)))
    Rig(around).speak(0, tone(1.2))
    await around.until(UtteranceFinalized)
    utterance = select_utterance(around.store.state, ID, 1)
    assert utterance is not None and utterance.final is not None and utterance.final.text == MEANT
    before = undoing(utterance)
    assert before is not None and before.text == HEARD


async def test_a_pass_that_comes_after_somebody_wanted_what_the_engine_said_is_not_told(
    tasks: asyncio.TaskGroup,
) -> None:
    second = Scripted(SECOND_LOOK, {"transcript": HEARD.split(), "faults": {"late_s": 0.2}})
    await second.start()
    around = Around(await scripted(NAME, HEARD), tasks, strategy=Strategy(accurate=Accurate(providers=(SECOND_LOOK,))))
    around.give(SECOND_LOOK, second)
    around.dispatch(SessionConfigured(session=ID, hotwords=("Zermatt",), language="en"))
    rig = Rig(around)
    rig.speak(0, HISS)
    await around.until(UtteranceFinalized)
    around.dispatch(DecisionUndone(session=ID, utterance=1))
    rig.recogniser.close("client", lambda: 0)
    await around.until(SessionClosed)
    assert [failed.code for failed in around.said(PassFailed)] == ["undone"]
    assert not around.said(UtteranceCorrected) and not around.errors


async def test_an_engine_that_knows_hotwords_is_not_mended(tasks: asyncio.TaskGroup) -> None:
    around = await told(tasks, await scripted(NAME, HEARD, hotwords=True), tone(1.2), hotwords=("Zermatt",))
    assert final(around) == HEARD and not around.said(HotwordsMatched) and not warnings(around)


async def test_no_hotword_is_written_where_that_is_configured_and_the_client_is_told_that_none_is_used(
    tasks: asyncio.TaskGroup,
) -> None:
    first = await scripted(NAME, HEARD)
    around = await told(tasks, first, tone(1.2), hotwords=("Zermatt",), match_hotwords=False)
    assert final(around) == HEARD and not around.said(HotwordsMatched)
    (warning,) = warnings(around)
    assert WARNING in warning and "not used" in warning


async def test_the_client_is_told_that_the_hub_writes_what_its_engine_does_not_know(tasks: asyncio.TaskGroup) -> None:
    around = await told(tasks, await scripted(NAME, HEARD), tone(1.2), hotwords=("Zermatt",))
    (warning,) = warnings(around)
    assert WARNING in warning and "not used" not in warning


async def test_words_that_sound_like_no_hotword_stay(tasks: asyncio.TaskGroup) -> None:
    around = await told(tasks, await scripted(NAME, HEARD), tone(1.2), hotwords=("Montreux",))
    assert final(around) == HEARD and not around.said(HotwordsMatched)


async def test_a_later_pass_does_not_take_a_hotword_away_again(tasks: asyncio.TaskGroup) -> None:
    second = await scripted(SECOND_LOOK, "a train to zermat leaves soon")
    around = await told(tasks, await scripted(NAME, HEARD), tone(1.2), second, hotwords=("Zermatt",))
    assert final(around) == MEANT
    (revision,) = around.said(UtteranceCorrected)
    assert revision.hypothesis.text == "a train to Zermatt leaves soon"
    assert [fact.before.provider for fact in around.said(HotwordsMatched)] == [NAME, SECOND_LOOK]


@pytest.mark.parametrize(("polish", "expected"), [(True, "What is the time now?"), (False, "what is the time now")])
async def test_bare_words_become_sentences_where_that_is_configured(
    tasks: asyncio.TaskGroup, polish: bool, expected: str
) -> None:
    words = "what is the time now"
    around = await told(
        tasks, await scripted(NAME, words), tone(1.0), await scripted(SECOND_LOOK, words), polish=polish
    )
    assert final(around) == expected
    assert [event.hypothesis.text for event in around.said(UtteranceCorrected)] == [expected]
