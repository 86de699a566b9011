"""The providers of a hub: how each is, as the store is told, and who hears what another cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from asr_hub.errors import ConfigError, HubError, NotFound, ProviderUnavailable
from asr_hub.hub import engines
from asr_hub.hub.engines import Engines
from asr_hub.model import ProviderName
from asr_hub.providers.base import Condition, State
from asr_hub.providers.scripted import Scripted
from asr_hub.store.event import Event
from asr_hub.store.slices.providers import (
    ProviderFailed,
    ProviderNoted,
    ProviderReady,
    ProviderStarting,
    ProviderStopped,
    ProviderUnloaded,
)

pytestmark = pytest.mark.unit

A, B, C = map(ProviderName, "abc")


class Moody(Scripted):
    """A scripted engine whose condition the test changes."""

    tell: Callable[[Condition], None]

    def watch(self, tell: Callable[[Condition], None]) -> None:
        self.tell = tell


class Rig:
    def __init__(self, tasks: asyncio.TaskGroup, fallbacks: Mapping[ProviderName, ProviderName]) -> None:
        self.said: list[Event] = []
        self.made: dict[ProviderName, Moody] = {}
        self.faults: dict[ProviderName, str] = {}
        self.clock = 0.0
        self._tasks = tasks
        self.engines = Engines(
            {name: ("moody", lambda name=name: self._make(name)) for name in (A, B, C)},
            fallbacks=fallbacks,
            dispatch=self.said.append,
            spawn=self._spawn,
            now=lambda: self.clock,
        )

    def _make(self, name: ProviderName) -> Moody:
        fault = self.faults.get(name)
        self.made[name] = Moody(name, {"faults": {"start": fault}} if fault else {})
        return self.made[name]

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=name)

    def kinds(self, name: ProviderName) -> list[type[Event]]:
        return [type(event) for event in self.said if getattr(event, "provider", None) == name]


@asynccontextmanager
async def running(
    fallbacks: Mapping[ProviderName, ProviderName] | None = None, faults: Mapping[ProviderName, str] | None = None
) -> AsyncIterator[Rig]:
    async with asyncio.TaskGroup() as tasks:
        rig = Rig(tasks, fallbacks or {})
        rig.faults.update(faults or {})
        await rig.engines.start()
        yield rig
        await rig.engines.aclose()


async def test_every_change_of_a_running_provider_is_a_fact() -> None:
    async with running() as rig:
        tell = rig.made[A].tell
        rig.clock = 10.0
        tell(Condition(State.FAILED, "provider-unavailable", "it died", 0.5))
        rig.clock = 12.5
        tell(Condition(State.READY))
        tell(Condition(State.READY, "out-of-memory", "8 at a time"))
        tell(Condition(State.UNLOADED))
        tell(Condition(State.STARTING))
        tell(Condition(State.READY))
        assert rig.kinds(A) == [
            ProviderStarting,
            ProviderReady,
            ProviderFailed,
            ProviderReady,
            ProviderNoted,
            ProviderUnloaded,
            ProviderStarting,
            ProviderReady,
        ]
        again = [event for event in rig.said if isinstance(event, ProviderReady) and event.provider == A][1]
        assert again.took == 2.5 and again.self_test
        assert rig.engines.get(A) is rig.made[A]
    assert rig.kinds(A)[-1] is ProviderStopped


async def test_what_a_provider_tells_before_it_is_ready_is_nobodys_business() -> None:
    async with running(faults={A: "no weights"}) as rig:
        rig.made[A].tell(Condition(State.READY))
        assert rig.kinds(A) == [ProviderStarting, ProviderFailed]
        with pytest.raises(ProviderUnavailable, match="no weights"):
            rig.engines.get(A)


async def test_an_engine_that_never_answers_its_self_test_holds_up_nobody() -> None:
    said: list[Event] = []
    made: list[Scripted] = []

    def make() -> Scripted:
        made.append(Scripted(A, {"faults": {"no_final": not made}}))
        return made[-1]

    async with asyncio.TaskGroup() as tasks:
        engines = Engines(
            {A: ("scripted", make)},
            dispatch=said.append,
            spawn=lambda work, name: tasks.create_task(work, name=name),
            now=lambda: 0.0,
            self_test_s=0.05,
        )
        await engines.start()
        (failed,) = [event for event in said if isinstance(event, ProviderFailed)]
        assert failed.code == "provider-timeout" and "self-test" in failed.message and failed.retry_in
        assert made[0].slots.used == 0
        await engines.aclose()


async def test_who_waits_is_counted_and_the_first_tells_how_long() -> None:
    async with running() as rig:
        assert (rig.engines.waiting(A), rig.engines.waiting_s(A)) == (0, 0.0)
        with rig.engines.in_line(A):
            rig.clock += 2
            with rig.engines.in_line(A), rig.engines.in_line(B):
                rig.clock += 1
                assert (rig.engines.waiting(A), rig.engines.waiting_s(A)) == (2, 3.0)
                assert (rig.engines.waiting(B), rig.engines.waiting_s(B)) == (1, 1.0)
            assert (rig.engines.waiting(A), rig.engines.waiting(B)) == (1, 0)
        assert rig.engines.waiting_s(A) == 0.0


async def test_the_fallback_is_the_next_that_is_ready_and_hears_the_language() -> None:
    async with running({A: B, B: C, C: A}, faults={B: "no weights"}) as rig:
        assert rig.engines.heirs(A, None)[0] == C
        rig.made[C].capabilities = replace(rig.made[C].capabilities, languages=("zh",))
        assert rig.engines.heirs(A, "zh-TW")[0] == C
        assert rig.engines.heirs(A, "en") == []
        assert rig.engines.heirs(B, None)[0] == C
    async with running() as rig:
        assert rig.engines.heirs(A, None) == []


async def test_a_session_is_opened_where_the_fallback_hears_it() -> None:
    async with running({A: B}, faults={A: "no weights"}) as rig:
        assert rig.engines.hearer(A, None) is rig.made[B]
        assert rig.engines.hearer(B, None) is rig.made[B]
        rig.made[B].capabilities = replace(rig.made[B].capabilities, languages=("zh",))
        with pytest.raises(ProviderUnavailable, match="no weights"):
            rig.engines.hearer(A, "en")


async def test_an_unknown_name_is_told_what_there_is() -> None:
    async with running() as rig:
        with pytest.raises(NotFound, match="there are: a, b, c") as caught:
            rig.engines.get(ProviderName("d"))
        error: HubError = caught.value
        assert error.code == "unknown-provider"


async def test_a_setting_that_is_found_wrong_while_the_hub_runs_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights that were fetched between two tries may not fit the settings: one provider is missing, and no more."""
    monkeypatch.setattr(engines, "FIRST_RETRY_S", 0.001)
    async with asyncio.TaskGroup() as tasks:
        rig = Rig(tasks, {})
        rig.faults[B] = "no weights"
        make, tries = rig._make, iter((None, ConfigError("providers.b.settings: no such language"), None))

        def changing(name: ProviderName) -> Moody:
            if name != B:
                return make(name)
            if (fault := next(tries)) is not None:
                del rig.faults[B]
                raise fault
            return make(name)

        monkeypatch.setattr(rig, "_make", changing)
        await rig.engines.start()
        await rig.engines._retries[B]
        assert ProviderReady in rig.kinds(B)
        failed = [event for event in rig.said if isinstance(event, ProviderFailed)]
        assert [event.code for event in failed] == [ProviderUnavailable.code, ConfigError.code]
        assert "no such language" in failed[1].message
        await rig.engines.aclose()
