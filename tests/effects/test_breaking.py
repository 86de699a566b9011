"""Circuit breakers: what is decided is read from the journal, with the scripted engine and a clock that is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import reduce
from typing import Any

import pytest

from asr_hub.effects.breaking import BreakerPolicy, Breakers, counts
from asr_hub.errors import (
    ConfigError,
    HubError,
    NotFound,
    OutOfMemory,
    Overloaded,
    ProviderDied,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    UnsupportedAudio,
)
from asr_hub.model import ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.providers.scripted import Scripted
from asr_hub.store.event import Event
from asr_hub.store.journal import replay
from asr_hub.store.kernel import HubStore
from asr_hub.store.root import ROOT
from asr_hub.store.slices.breakers import (
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    BreakerReset,
    BreakerState,
    select_breaker,
    select_breakers,
)
from asr_hub.store.slices.providers import ProviderReady, ProviderRemoved, ProviderRetired, ProviderStarting
from asr_hub.store.slices.system import HubStarted, HubStopped

pytestmark = pytest.mark.unit

ID = SessionId("s")
P = ProviderName("p")
Q = ProviderName("q")
POLICY = BreakerPolicy(failures=3, window_s=60.0, open_s=10.0, max_open_s=40.0)
BROKE = ProviderError("it broke")
HEARD = {"transcript": ["yes"]}
DEAF = {"faults": {"self_test": True}}
HANGS = {"faults": {"hang_after_ms": 0}}
FAILS = {"faults": {"fail_after_ms": 0}}


class Clock:
    """Time that stands until it is moved. `on_sleep` is told of everyone who begins to sleep."""

    def __init__(self, on_sleep: Callable[[], None]) -> None:
        self.time = 1_000.0
        self._on_sleep = on_sleep
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        sleeper = (self.time + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        self._on_sleep()
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    @property
    def sleeping(self) -> int:
        return sum(not future.done() for _, future in self._sleepers)

    def move(self, seconds: float) -> None:
        self.time += seconds
        due = [future for until, future in self._sleepers if until <= self.time and not future.done()]
        for future in due:
            future.set_result(None)


class World:
    """A real store with the effect, real scripted engines, and a task group."""

    def __init__(self, tasks: asyncio.TaskGroup, *, probe_s: float = 30.0) -> None:
        self._news = asyncio.Event()
        self.clock = Clock(self._news.set)
        self.errors: list[Exception] = []
        self.engines: dict[ProviderName, Provider | HubError] = {}
        self.in_use = 0
        self.most_in_use = 0
        self._tasks = tasks
        self.breakers = Breakers(
            lambda: self.store.state,
            provider=self._provider,
            dispatch=self.dispatch,
            spawn=self._spawn,
            now=self.clock.now,
            using=self._using,
            policy=POLICY,
            probe_s=probe_s,
            sleep=self.clock.sleep,
        )
        self.spawned: list[asyncio.Task[None]] = []
        self.store = HubStore([self.breakers], on_error=lambda error, event: self.errors.append(error))

    def dispatch(self, event: Event) -> None:
        self.store.dispatch(event)
        self._news.set()

    async def put(self, name: ProviderName, settings: dict[str, Any] | None = None) -> Scripted:
        """Start an engine under this name, as the hub does: at first, or in the place of another."""
        engine = Scripted(name, settings or {})
        await engine.start()
        self.engines[name] = engine
        self.dispatch(ProviderStarting(at=self.clock.time, provider=name, kind="scripted"))
        self.dispatch(ProviderReady(at=self.clock.time, provider=name, max_streams=4, took=0.1, self_test="yes"))
        return engine

    def fail(self, times: int = 1, exc: HubError = BROKE, name: ProviderName = P) -> None:
        for _ in range(times):
            self.breakers.failed(name, ID, 1, exc)

    def told(self, name: ProviderName) -> list[str]:
        """The moves of one breaker in the journal, in order."""
        moves = []
        for _, event in self.store.journal.entries():
            match event:
                case BreakerOpened(provider=who, open_s=pause):
                    word = f"opened for {pause:g}"
                case BreakerHalfOpened(provider=who):
                    word = "half-opened"
                case BreakerClosed(provider=who):
                    word = "closed"
                case BreakerReset(provider=who):
                    word = "reset"
                case _:
                    continue
            if who == name:
                moves.append(word)
        return moves

    def said(self, *types: type[Event]) -> list[Any]:
        return [entry.event for entry in self.store.journal.entries() if isinstance(entry.event, types)]

    async def wait(self, seconds: float) -> None:
        """Move the clock, and see every self-test that begins then to its end."""
        await self.reach(seconds)
        await self.until(lambda: not self._is_deciding())

    async def reach(self, seconds: float) -> None:
        """Move the clock once everyone who is to wait for it does."""
        await self.until(lambda: not self._is_deciding())
        self.clock.move(seconds)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    def _is_deciding(self) -> bool:
        states = [breaker.state for breaker in select_breakers(self.store.state)]
        # Each that is open sleeps; one that was woken and has not said so does neither.
        return BreakerState.HALF_OPEN in states or states.count(BreakerState.OPEN) > self.clock.sleeping

    def _provider(self, name: ProviderName) -> Provider:
        engine = self.engines.get(name)
        if engine is None:
            raise NotFound(f"no provider is called {name!r}")
        if isinstance(engine, HubError):
            raise engine
        return engine

    @contextmanager
    def _using(self, provider: Provider) -> Any:
        self.in_use += 1
        self.most_in_use = max(self.most_in_use, self.in_use)
        self._news.set()
        try:
            yield
        finally:
            self.in_use -= 1

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._tasks.create_task(work, name=name)
        self.spawned.append(task)
        task.add_done_callback(lambda _: self._news.set())
        return task


@asynccontextmanager
async def running(probe_s: float) -> AsyncIterator[World]:
    """What must hold after every test is asserted at its end."""
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, probe_s=probe_s)
        try:
            yield world
        finally:
            await world.breakers.aclose()
    assert all(task.done() for task in world.spawned)
    assert not world.errors
    assert replay(b"".join(world.store.journal.dump()).splitlines()) == world.store.state
    facts = [entry.event for entry in world.store.journal.entries()]
    assert reduce(ROOT.reduce, facts, ROOT.initial) == world.store.state


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Where a self-test that hangs is soon given up."""
    async with running(0.02) as world:
        yield world


@pytest.fixture
async def patient() -> AsyncIterator[World]:
    """Where no self-test is given up within a test."""
    async with running(30.0) as world:
        yield world


Story = Callable[[World], Awaitable[None]]


async def _below(world: World) -> None:
    await world.put(P)
    world.fail(2)


async def _at_threshold(world: World) -> None:
    await world.put(P)
    world.fail(3)


async def _reports_while_open(world: World) -> None:
    await world.put(P)
    world.fail(9)


async def _window_passes(world: World) -> None:
    await world.put(P)
    world.fail(2)
    await world.wait(61.0)
    world.fail(2)


async def _just_within_the_window(world: World) -> None:
    await world.put(P)
    world.fail(2)
    await world.wait(60.0)
    world.fail(1)


async def _success_resets(world: World) -> None:
    await world.put(P)
    world.fail(2)
    world.breakers.succeeded(P)
    world.fail(2)


async def _probe_passes(world: World) -> None:
    await world.put(P)
    world.fail(3)
    await world.wait(10.0)


async def _pause_is_not_over(world: World) -> None:
    await world.put(P)
    world.fail(3)
    await world.wait(9.9)


async def _probe_fails(world: World) -> None:
    await world.put(P, DEAF)
    world.fail(3)
    await world.wait(10.0)


async def _probe_breaks(world: World) -> None:
    await world.put(P, FAILS)
    world.fail(3)
    await world.wait(10.0)


async def _probe_hangs(world: World) -> None:
    await world.put(P, HANGS)
    world.fail(3)
    await world.wait(10.0)


async def _probe_of_one_that_is_not_ready(world: World) -> None:
    world.engines[P] = ProviderUnavailable("it is still starting")
    world.fail(3, ProviderUnavailable("it is still starting"))
    await world.wait(10.0)


async def _probe_fails_again_and_again(world: World) -> None:
    await world.put(P, DEAF)
    world.fail(3)
    for pause in (10.0, 20.0, 40.0, 40.0):
        await world.wait(pause)


async def _recovers_after_failed_probes(world: World) -> None:
    engine = await world.put(P, DEAF)
    world.fail(3)
    await world.wait(10.0)
    engine.settings = (await world.put(Q)).settings
    await world.wait(20.0)
    world.breakers.succeeded(P)
    world.fail(3)


async def _clip_is_heard_and_speakers_are_not(world: World) -> None:
    await world.put(P)
    world.fail(3)
    await world.wait(10.0)
    world.fail(3)
    await world.wait(20.0)


async def _removed_while_open(world: World) -> None:
    await world.put(P)
    world.fail(3)
    world.dispatch(ProviderRetired(provider=P))
    del world.engines[P]
    await world.wait(500.0)
    world.dispatch(ProviderRemoved(provider=P))
    world.fail(9)


async def _replaced_while_open(world: World) -> None:
    await world.put(P, DEAF)
    world.fail(3)
    await world.put(P)
    await world.wait(500.0)


async def _replaced_when_closed(world: World) -> None:
    await _probe_passes(world)
    await world.put(P)


async def _comes_back_by_itself_while_open(world: World) -> None:
    await world.put(P)
    world.fail(3)
    world.dispatch(ProviderReady(provider=P, max_streams=4, took=0.1, self_test="yes"))


async def _gets_ready_while_open(world: World) -> None:
    await _probe_of_one_that_is_not_ready(world)
    await world.put(P)
    await world.wait(500.0)


async def _others_faults(world: World) -> None:
    await world.put(P)
    for exc in (
        Overloaded("no room"),
        OutOfMemory("no memory"),
        UnsupportedAudio("float"),
        NotFound("no such language", code="unsupported-language"),
        ConfigError("a typing error"),
    ):
        world.fail(9, exc)


async def _engines_faults_of_every_kind(world: World) -> None:
    await world.put(P)
    for exc in (ProviderDied("gone"), ProviderTimeout("no final"), ProviderUnavailable("no weights")):
        world.fail(1, exc)


async def _unknown_name(world: World) -> None:
    world.fail(9, name=ProviderName("nobody"))


async def _policy_changes(world: World) -> None:
    await world.put(P)
    world.breakers.policy = BreakerPolicy(failures=1, open_s=5.0)
    world.fail(1)


@pytest.mark.parametrize(
    ("story", "moves"),
    [
        (_below, []),
        (_at_threshold, ["opened for 10"]),
        (_reports_while_open, ["opened for 10"]),
        (_window_passes, []),
        (_just_within_the_window, ["opened for 10"]),
        (_success_resets, []),
        (_pause_is_not_over, ["opened for 10"]),
        (_probe_passes, ["opened for 10", "half-opened", "closed"]),
        (_probe_fails, ["opened for 10", "half-opened", "opened for 20"]),
        (_probe_breaks, ["opened for 10", "half-opened", "opened for 20"]),
        (_probe_hangs, ["opened for 10", "half-opened", "opened for 20"]),
        (_probe_of_one_that_is_not_ready, ["opened for 10", "half-opened", "opened for 20"]),
        (
            _probe_fails_again_and_again,
            ["opened for 10"] + [move for pause in (20, 40, 40, 40) for move in ("half-opened", f"opened for {pause}")],
        ),
        (
            _recovers_after_failed_probes,
            ["opened for 10", "half-opened", "opened for 20", "half-opened", "closed", "opened for 10"],
        ),
        (
            _clip_is_heard_and_speakers_are_not,
            ["opened for 10", "half-opened", "closed", "opened for 20", "half-opened", "closed"],
        ),
        (_removed_while_open, ["opened for 10"]),
        (_replaced_while_open, ["opened for 10", "reset"]),
        (_replaced_when_closed, ["opened for 10", "half-opened", "closed"]),
        (_comes_back_by_itself_while_open, ["opened for 10"]),
        (_gets_ready_while_open, ["opened for 10", "half-opened", "opened for 20", "reset"]),
        (_others_faults, []),
        (_engines_faults_of_every_kind, ["opened for 10"]),
        (_unknown_name, []),
        (_policy_changes, ["opened for 5"]),
    ],
    ids=lambda value: value.__name__.lstrip("_") if callable(value) else "",
)
async def test_a_breaker_moves_as_the_engine_does(world: World, story: Story, moves: list[str]) -> None:
    await story(world)
    assert world.told(P) == moves
    assert world.told(Q) == []
    is_open = bool(moves) and "opened for" in world.told(P)[-1] and story is not _removed_while_open
    assert world.breakers.is_open(P) is is_open


async def test_two_providers_do_not_wait_for_one_another(world: World) -> None:
    await world.put(P)
    await world.put(Q, DEAF)
    world.fail(2)
    world.fail(3, name=Q)
    world.fail(1)
    assert world.breakers.is_open(P) and world.breakers.is_open(Q)
    await world.wait(10.0)
    assert world.told(P) == ["opened for 10", "half-opened", "closed"]
    assert world.told(Q) == ["opened for 10", "half-opened", "opened for 20"]


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ZeroDivisionError("a defect"), "ZeroDivisionError('a defect')"),
        (TimeoutError(), "TimeoutError()"),
        (asyncio.CancelledError(), "cancelled by the engine"),
        (ExceptionGroup("several", [ValueError("one")]), "several"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_whatever_a_self_test_raises_is_a_failure_with_its_reason(
    world: World, raised: BaseException, reason: str
) -> None:
    engine = await world.put(P)

    async def break_down() -> str:
        raise raised

    engine.self_test = break_down  # type: ignore[method-assign]
    world.fail(3)
    await world.wait(10.0)
    assert world.told(P) == ["opened for 10", "half-opened", "opened for 20"]
    assert reason in world.said(BreakerOpened)[-1].reason


async def test_a_self_test_that_hangs_is_ended_and_its_slot_is_free(world: World) -> None:
    engine = await world.put(P, HANGS)
    world.fail(3)
    await world.wait(10.0)
    assert "no answer within 0.02 s" in world.said(BreakerOpened)[-1].reason
    assert (engine.slots.used, world.in_use, world.most_in_use) == (0, 0, 1)


async def test_one_that_answers_after_it_was_told_to_end_has_not_passed(world: World) -> None:
    engine = await world.put(P)

    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "yes"

    engine.self_test = stubborn  # type: ignore[method-assign]
    world.fail(3)
    await world.wait(10.0)
    assert world.told(P)[-1] == "opened for 20"


async def test_while_the_self_test_runs_it_is_passed_over_and_nothing_counts(patient: World) -> None:
    engine = await patient.put(P)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        asked.set()
        await answer.wait()
        return "yes"

    engine.self_test = slow  # type: ignore[method-assign]
    patient.fail(3)
    await patient.reach(10.0)
    await asked.wait()
    assert patient.breakers.is_open(P)
    patient.fail(9)
    patient.breakers.succeeded(P)
    assert patient.told(P) == ["opened for 10", "half-opened"]
    assert (patient.in_use, patient.said(AttemptSucceeded)) == (1, [])
    answer.set()
    await patient.until(lambda: not patient.breakers.is_open(P))
    assert patient.told(P)[-1] == "closed"
    assert len(patient.spawned) == 1


@pytest.mark.parametrize("end", ["retired", "replaced", "stopped"])
async def test_a_self_test_of_one_that_is_given_up_ends_without_a_word(patient: World, end: str) -> None:
    engine = await patient.put(P, HANGS)
    patient.fail(3)
    await patient.reach(10.0)
    await patient.until(lambda: patient.in_use == 1)
    if end == "retired":
        patient.dispatch(ProviderRetired(provider=P))
    elif end == "replaced":
        await patient.put(P)
    else:
        patient.dispatch(HubStopped())
    await asyncio.wait(patient.spawned)
    assert patient.told(P)[2:] == (["reset"] if end == "replaced" else [])
    assert (patient.in_use, engine.slots.used, patient.breakers.is_open(P)) == (0, 0, end == "stopped")


async def test_what_a_replaced_one_answers_after_all_is_nobodys_business(patient: World) -> None:
    engine = await patient.put(P)
    asked = asyncio.Event()

    async def stubborn() -> str:
        asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "yes"

    engine.self_test = stubborn  # type: ignore[method-assign]
    patient.fail(3)
    await patient.reach(10.0)
    await asked.wait()
    await patient.put(P)
    await asyncio.wait(patient.spawned)
    assert patient.told(P) == ["opened for 10", "half-opened", "reset"]


async def test_a_hub_that_has_stopped_begins_no_pause(patient: World) -> None:
    await patient.put(P)
    patient.dispatch(HubStopped())
    patient.fail(3)
    assert (patient.told(P), patient.spawned) == (["opened for 10"], [])
    patient.dispatch(ProviderRemoved(provider=P))
    patient.dispatch(HubStarted(version="1", max_sessions=1, default_provider=P))
    patient.fail(3)
    assert len(patient.spawned) == 1
    await patient.breakers.aclose()


async def test_a_hub_that_is_well_says_nothing_for_an_utterance(world: World) -> None:
    await world.put(P)
    before = world.store.journal.seq
    for _ in range(100):
        world.breakers.succeeded(P)
        world.breakers.succeeded(ProviderName("nobody"))
    assert world.store.journal.seq == before
    world.fail(1)
    for _ in range(100):
        world.breakers.succeeded(P)
    assert world.store.journal.seq == before + 2


async def test_a_failure_is_a_fact_of_its_session_with_what_went_wrong(world: World) -> None:
    await world.put(P)
    world.breakers.failed(P, ID, 7, ProviderTimeout("no final within 30 s"))
    (entry,) = world.store.journal.of(ID)
    assert entry.event == AttemptFailed(
        at=1_000.0, session=ID, provider=P, utterance=7, code="provider-timeout", message="no final within 30 s"
    )
    breaker = select_breaker(world.store.state, P)
    assert breaker is not None
    assert (breaker.failures, breaker.last_message) == ((1_000.0,), "no final within 30 s")


async def test_an_engine_that_recovers_is_heard_again(world: World) -> None:
    """With the engine's own errors: what the recogniser would see."""
    engine = await world.put(P, FAILS)
    for number in range(3):
        with pytest.raises(ProviderError) as caught:
            await engine.transcribe(bytes(6_400), RecognitionOptions())
        world.breakers.failed(P, ID, number, caught.value)
    assert world.breakers.is_open(P)
    engine.settings = Scripted(P, HEARD).settings
    await world.wait(10.0)
    assert world.told(P) == ["opened for 10", "half-opened", "closed"]
    assert not world.breakers.is_open(P)


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"failures": 101}, {"window_s": 0.0}, {"open_s": 0.0}, {"open_s": 20.0, "max_open_s": 10.0}],
    ids=repr,
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="breaker"):
        BreakerPolicy(**wrong)


def test_only_the_engines_own_faults_count() -> None:
    assert all(map(counts, (ProviderError("e"), ProviderDied("e"), ProviderTimeout("e"), ProviderUnavailable("e"))))
    assert not any(map(counts, (OutOfMemory("e"), Overloaded("e"), NotFound("e"), ConfigError("e"), HubError("e"))))
