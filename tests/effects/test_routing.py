"""Who hears an utterance: by its language, its audio, who waits, and the order, the load or the cost of the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.effects.around import ID, NAME, Around, Rig
from tests.speech import tone

from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.routing import Choice, Place, Situation, choose
from asr_hub.effects.strategy import Identify, Route, Strategy
from asr_hub.errors import ProviderError
from asr_hub.model import ProviderName
from asr_hub.providers.scripted import Scripted
from asr_hub.store.slices.sessions import LanguageIdentified, SessionConfigured
from asr_hub.store.slices.transcripts import UtteranceFinalized, UtteranceRouted

pytestmark = pytest.mark.unit

A, B, C = map(ProviderName, "abc")
UP = dict.fromkeys((A, B, C), Place(True, 1))


def route(*providers: ProviderName, **conditions: Any) -> Route:
    return Route(providers=providers, **conditions)


def situation(
    language: str | None = None, sample_rate: int = 16_000, waiting: int = 0, waiting_s: float = 0.0
) -> Situation:
    return Situation(language=language, sample_rate=sample_rate, waiting=waiting, waiting_s=waiting_s)


TABLE: list[tuple[str, list[Route], Situation, Mapping[ProviderName, Place], ProviderName | None, str]] = [
    ("no rule", [], situation(), UP, None, ""),
    ("a rule for everything", [route(B)], situation(), UP, B, "the route for everything"),
    ("the first that fits", [route(B), route(C)], situation(), UP, B, "everything"),
    ("a language", [route(B, languages=("zh",))], situation("zh"), UP, B, "language zh"),
    ("its region", [route(B, languages=("zh-CN",))], situation("zh-TW"), UP, B, "language zh-TW"),
    ("its case", [route(B, languages=("ZH",))], situation("zh"), UP, B, "language zh"),
    ("another language", [route(B, languages=("zh",))], situation("de"), UP, None, ""),
    ("no language", [route(B, languages=("zh",))], situation(None), UP, None, ""),
    ("the next rule", [route(B, languages=("zh",)), route(C)], situation("de"), UP, C, "everything"),
    ("the telephone", [route(B, max_sample_rate=8000)], situation(sample_rate=8000), UP, B, "audio of 8000 Hz"),
    ("a microphone", [route(B, max_sample_rate=8000)], situation(sample_rate=16_000), UP, None, ""),
    ("few wait", [route(B, min_waiting=2)], situation(waiting=1), UP, None, ""),
    ("enough wait", [route(B, min_waiting=2)], situation(waiting=2), UP, B, "2 utterances wait"),
    ("not for long", [route(B, min_waiting_s=0.5)], situation(waiting=9, waiting_s=0.4), UP, None, ""),
    ("for long", [route(B, min_waiting_s=0.5)], situation(waiting_s=0.6), UP, B, "waits for 0.6 s"),
    (
        "all conditions",
        [route(B, languages=("zh",), max_sample_rate=8000, min_waiting=1)],
        situation("zh", 8000, 1),
        UP,
        B,
        "language zh, audio of 8000 Hz, 1 utterances wait",
    ),
    (
        "all conditions but one",
        [route(B, languages=("zh",), max_sample_rate=8000, min_waiting=1)],
        situation("zh", 8000, 0),
        UP,
        None,
        "",
    ),
    ("the order", [route(C, B)], situation(), UP, C, "everything"),
    ("one that does not hear", [route(B, C)], situation(), {**UP, B: Place(False, 9)}, C, "everything"),
    ("one that is not there", [route(B, C)], situation(), {C: Place(True, 0)}, C, "everything"),
    ("nobody hears", [route(B), route(C)], situation(), {B: Place(False, 9), C: Place(True, 1)}, C, "everything"),
    ("nobody at all", [route(B)], situation(), {}, None, ""),
    (
        "the load",
        [route(A, B, C, prefer="load")],
        situation(),
        {A: Place(True, -1), B: Place(True, 2), C: Place(False, 3)},
        B,
        "the most free slots",
    ),
    ("an equal load", [route(B, A, prefer="load")], situation(), UP, B, "the most free slots"),
    ("the cost", [route(A, B, C, prefer="cost")], situation(), UP, B, "the cheapest"),
    ("an equal cost", [route(C, A, prefer="cost")], situation(), UP, C, "the cheapest"),
]
COSTS = {A: 2.0, B: 1.0, C: 2.0}


@pytest.mark.parametrize(
    ("rules", "of", "places", "provider", "why"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE]
)
def test_the_rules(
    rules: list[Route], of: Situation, places: Mapping[ProviderName, Place], provider: ProviderName | None, why: str
) -> None:
    choice = choose(rules, of, places, COSTS)
    assert (choice.provider if choice is not None else None) == provider
    assert choice is None or why in choice.reason


def test_one_without_a_cost_is_free_of_charge() -> None:
    choice = choose([route(A, B, C, prefer="cost")], situation(), UP, {A: 1.0, B: 0.5})
    assert choice is not None and choice.provider == C


NAMES = st.sampled_from((A, B, C))
ROUTES = st.lists(
    st.builds(
        Route,
        providers=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
        languages=st.lists(st.sampled_from(["zh", "de-CH", "en"]), max_size=2).map(tuple),
        max_sample_rate=st.none() | st.sampled_from([8000, 16_000]),
        min_waiting=st.integers(0, 2),
        prefer=st.sampled_from(["order", "load", "cost"]),
    ),
    max_size=4,
)
SITUATIONS = st.builds(
    Situation,
    language=st.none() | st.sampled_from(["zh-TW", "de", "en", "fr"]),
    sample_rate=st.sampled_from([8000, 16_000]),
    waiting=st.integers(0, 3),
)
PLACES = st.dictionaries(NAMES, st.builds(Place, st.booleans(), st.integers(-2, 3)))


@given(ROUTES, SITUATIONS, PLACES, st.dictionaries(NAMES, st.floats(0, 9)))
def test_nobody_is_chosen_who_cannot_hear_or_whom_no_rule_names(
    rules: list[Route], of: Situation, places: dict[ProviderName, Place], costs: dict[ProviderName, float]
) -> None:
    choice = choose(rules, of, places, costs)
    if choice is None:
        assert not any(
            not (rule.languages or rule.max_sample_rate or rule.min_waiting)
            and any(name in places and places[name].hears for name in rule.providers)
            for rule in rules
        )
    else:
        assert places[choice.provider].hears and choice.reason
        assert any(choice.provider in rule.providers for rule in rules)


# In a session.


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def scripted(name: str, **settings: Any) -> Scripted:
    provider = Scripted(ProviderName(name), settings)
    await provider.start()
    return provider


async def hub(tasks: asyncio.TaskGroup, strategy: Strategy, *, is_routed: bool = True, **others: Scripted) -> Around:
    around = Around(
        await scripted(NAME), tasks, strategy=strategy, is_routed=is_routed, policy=BreakerPolicy(failures=1)
    )
    for name, provider in others.items():
        around.give(name, provider)
    return around


async def heard_by(around: Around, count: int = 1) -> list[ProviderName]:
    rig, at = Rig(around), 0
    for number in range(count):
        at = rig.speak(at, tone(0.2))
        await around.until(UtteranceFinalized, number + 1)
    return [final.hypothesis.provider for final in around.said(UtteranceFinalized)]


async def test_a_session_that_names_its_provider_is_never_routed(tasks: asyncio.TaskGroup) -> None:
    around = await hub(tasks, Strategy(routes=(route(B),)), is_routed=False, b=await scripted(B))
    assert await heard_by(around) == [NAME]
    assert not around.said(UtteranceRouted)


async def test_one_that_names_a_provider_later_is_routed_no_more(tasks: asyncio.TaskGroup) -> None:
    around = await hub(tasks, Strategy(routes=(route(B),)), b=await scripted(B))
    assert await heard_by(around) == [B]
    around.dispatch(SessionConfigured(session=ID, provider=NAME))
    record = around.record(ID)
    assert record is not None and around.first_choice(record) == Choice(NAME, "")


async def test_the_utterance_says_why_another_engine_hears_it(tasks: asyncio.TaskGroup) -> None:
    around = await hub(tasks, Strategy(routes=(route(B),)), b=await scripted(B))
    assert await heard_by(around, 2) == [B, B]
    assert [(fact.utterance, fact.provider, fact.reason) for fact in around.said(UtteranceRouted)] == [
        (1, B, "the route for everything"),
        (2, B, "the route for everything"),
    ]


async def test_who_is_ill_or_does_not_know_the_language_is_passed_over(tasks: asyncio.TaskGroup) -> None:
    strategy = Strategy(routes=(route(A, B, C),))
    around = await hub(
        tasks, strategy, a=await scripted(A), b=await scripted(B, languages=("de",)), c=await scripted(C)
    )
    around.failed(A, ID, 1, ProviderError("ill"))
    around.dispatch(SessionConfigured(session=ID, language="zh"))
    record = around.record(ID)
    assert record is not None and around.first_choice(record).provider == C
    await around._breakers.aclose()


async def test_the_next_utterance_goes_by_the_language_that_was_identified(tasks: asyncio.TaskGroup) -> None:
    """The engine takes everything for Chinese, which nobody had said."""
    strategy = Strategy(routes=(route(B, languages=("zh",)),), identify=Identify(allowed=("zh", "en"), after=2))
    around = await hub(tasks, strategy, b=await scripted(B))
    around._provider = await scripted(NAME, speaks="zh-CN")
    assert await heard_by(around, 3) == [NAME, B, B]
    assert [fact.language for fact in around.said(LanguageIdentified)] == ["zh"]
    assert [fact.reason for fact in around.said(UtteranceRouted)] == ["language zh"] * 2


async def test_a_language_that_is_not_allowed_changes_nothing(tasks: asyncio.TaskGroup) -> None:
    strategy = Strategy(routes=(route(B, languages=("zh",)),), identify=Identify(allowed=("en", "de")))
    around = await hub(tasks, strategy, b=await scripted(B))
    around._provider = await scripted(NAME, speaks="zh")
    assert await heard_by(around, 3) == [NAME] * 3
    assert not around.said(LanguageIdentified)


async def test_what_the_client_says_of_its_language_counts_more_than_what_is_heard(tasks: asyncio.TaskGroup) -> None:
    strategy = Strategy(routes=(route(B, languages=("zh",)),), identify=Identify(allowed=("zh",)))
    around = await hub(tasks, strategy, b=await scripted(B))
    around._provider = await scripted(NAME, speaks="zh")
    around.dispatch(SessionConfigured(session=ID, language="en"))
    assert await heard_by(around, 3) == [NAME] * 3
    assert not around.said(LanguageIdentified)
