"""The circuit breakers: who fails again and again is passed over, and tried with a known clip after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from reactivex import Observable
from reactivex import operators as ops

from asr_hub.errors import ConfigError, HubError, NotFound, OutOfMemory, ProviderError, ProviderUnavailable
from asr_hub.model import ProviderName, SessionId
from asr_hub.providers.base import Provider
from asr_hub.store.effect import effect
from asr_hub.store.event import Event
from asr_hub.store.slice import State
from asr_hub.store.slices.breakers import (
    FAILURES_KEPT,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    BreakerReset,
    select_breaker,
    select_failures_since,
    select_is_open,
)
from asr_hub.store.slices.providers import ProviderReady, ProviderRemoved, ProviderRetired
from asr_hub.store.slices.system import HubStarted, HubStopped

PROBE_S = 30.0
"""Seconds within which the self-test must be passed."""


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a provider is passed over, and for how long. Raises ConfigError."""

    failures: int = 5
    """In a row, within `window_s`. Each try counts, also a second one at the same utterance."""
    window_s: float = 60.0
    """Seconds"""
    open_s: float = 10.0
    """Seconds from the opening to the self-test; twice as long after each that is not passed."""
    max_open_s: float = 300.0
    """Seconds; a pause grows no longer."""

    def __post_init__(self) -> None:
        if not 1 <= self.failures <= FAILURES_KEPT:
            raise ConfigError(f"breaker: failures must be from 1 to {FAILURES_KEPT}")
        if self.window_s <= 0 or not 0 < self.open_s <= self.max_open_s:
            raise ConfigError("breaker: window_s and open_s must be above 0, and max_open_s at least open_s")


class Breakers:
    """
    Decides from the records in the store alone; of its own it has only the tasks that wait for the end of a pause.

    One of the effects of the store, and what a recogniser asks and tells. `policy` may be replaced while the hub runs:
    pauses that have begun keep their length. `spawn` runs a task in the hub's task group; HubStopped ends them all.
    `provider` raises NotFound for a name that is not configured, and ProviderUnavailable while it is not ready.
    """

    def __init__(
        self,
        state: Callable[[], State],
        *,
        provider: Callable[[ProviderName], Provider],
        dispatch: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        now: Callable[[], float],
        using: Callable[[Provider], AbstractContextManager[None]] = lambda _: nullcontext(),
        policy: BreakerPolicy | None = None,
        probe_s: float = PROBE_S,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self.policy = policy or BreakerPolicy()
        self._state = state
        self._provider = provider
        self._dispatch = dispatch
        self._spawn = spawn
        self._now = now
        self._using = using
        self._probe_s = probe_s
        self._sleep = sleep
        self._recoveries: dict[ProviderName, _Recovery] = {}
        self._is_stopped = False

    # What the recogniser asks and tells.

    def is_open(self, name: ProviderName) -> bool:
        """Utterances are to go to another one, if there is one."""
        return select_is_open(self._state(), name)

    def failed(self, name: ProviderName, session: SessionId, utterance: int, exc: HubError) -> None:
        """Count a try of this provider at an utterance, where `counts` says that it is the engine's fault."""
        if not counts(exc) or self._is_gone(name):
            return
        self._dispatch(
            AttemptFailed(
                at=self._now(), session=session, provider=name, utterance=utterance, code=exc.code, message=str(exc)
            )
        )

    def succeeded(self, name: ProviderName) -> None:
        """It heard an utterance. Costs no action where nothing is held against it."""
        breaker = select_breaker(self._state(), name)
        if breaker is not None and breaker.has_to_forget:
            self._dispatch(AttemptSucceeded(at=self._now(), provider=name))

    async def aclose(self) -> None:
        """End every task, for an owner that says no HubStopped. May be called twice."""
        tasks = self._stop()
        if tasks:
            await asyncio.wait(tasks)

    # What happens because of a fact.

    @effect(AttemptFailed)
    def trip(self, events: Observable[AttemptFailed]) -> Observable[BreakerOpened | None]:
        return events.pipe(ops.map(self._judge))

    @effect(BreakerOpened, dispatch=False)
    def recover(self, events: Observable[BreakerOpened]) -> Observable[BreakerOpened]:
        return events.pipe(ops.do_action(self._begin))

    @effect(ProviderReady)
    def reset(self, events: Observable[ProviderReady]) -> Observable[BreakerReset | None]:
        return events.pipe(ops.map(self._replaced))

    @effect(BreakerReset, ProviderRetired, ProviderRemoved, dispatch=False)
    def forget(
        self, events: Observable[BreakerReset | ProviderRetired | ProviderRemoved]
    ) -> Observable[BreakerReset | ProviderRetired | ProviderRemoved]:
        return events.pipe(ops.do_action(self._forget))

    @effect(HubStarted, HubStopped, dispatch=False)
    def live(self, events: Observable[HubStarted | HubStopped]) -> Observable[HubStarted | HubStopped]:
        return events.pipe(ops.do_action(self._start_or_stop))

    def _judge(self, event: AttemptFailed) -> BreakerOpened | None:
        name, policy = event.provider, self.policy
        # While it is open none are on record.
        failures = select_failures_since(self._state(), name, event.at - policy.window_s)
        if failures < policy.failures:
            return None
        reason = f"{failures} failures in a row within {policy.window_s:g} s, the last: {event.code}"
        return BreakerOpened(at=event.at, provider=name, reason=reason, open_s=self._pause(name))

    def _begin(self, event: BreakerOpened) -> None:
        name = event.provider
        self._end(name)
        if self._is_stopped:
            return
        recovery = self._recoveries[name] = _Recovery(self._find(name))
        recovery.task = self._spawn(self._recover(name, recovery, event.open_s), f"breaker {name}")

    def _replaced(self, event: ProviderReady) -> BreakerReset | None:
        # An engine that comes back by itself is the same object: that it starts does not say that it hears.
        recovery = self._recoveries.get(event.provider)
        if recovery is None or self._find(event.provider) is recovery.provider:
            return None
        return BreakerReset(at=event.at, provider=event.provider)

    def _forget(self, event: BreakerReset | ProviderRetired | ProviderRemoved) -> None:
        self._end(event.provider)

    def _start_or_stop(self, event: HubStarted | HubStopped) -> None:
        if isinstance(event, HubStopped):
            self._stop()
        else:
            self._is_stopped = False

    # What goes on while a breaker is not closed.

    async def _recover(self, name: ProviderName, recovery: _Recovery, open_s: float) -> None:
        await self._sleep(open_s)
        self._dispatch(BreakerHalfOpened(at=self._now(), provider=name))
        fault = await self._probe(name)
        # An engine may swallow the cancellation of its self-test: what it says then is nobody's business.
        if self._recoveries.get(name) is recovery:
            del self._recoveries[name]
            self._dispatch(self._verdict(name, fault))

    def _verdict(self, name: ProviderName, fault: str | None) -> BreakerClosed | BreakerOpened:
        now = self._now()
        if fault is None:
            return BreakerClosed(at=now, provider=name)
        reason = f"the self-test failed: {fault}"
        return BreakerOpened(at=now, provider=name, reason=reason, open_s=self._pause(name))

    async def _probe(self, name: ProviderName) -> str | None:
        """What is wrong with it, or none."""
        limit = asyncio.timeout(self._probe_s)
        try:
            provider = self._provider(name)
            with self._using(provider):
                async with limit:
                    await provider.self_test()
            # It may swallow the cancellation, and answer all the same.
            return self._too_late() if limit.expired() else None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return "it was cancelled by the engine"
        except Exception as exc:  # noqa: BLE001 - the edge of an engine
            if limit.expired():
                return self._too_late()
            return str(exc) if isinstance(exc, HubError) else repr(exc)

    def _too_late(self) -> str:
        return f"no answer within {self._probe_s:g} s"

    def _pause(self, name: ProviderName) -> float:
        """Twice the last one, as long as no utterance was heard after it: a clip proves less than a speaker."""
        breaker = select_breaker(self._state(), name)
        last = breaker.open_s if breaker is not None else 0.0
        return min(2 * last, self.policy.max_open_s) if last else self.policy.open_s

    def _find(self, name: ProviderName) -> Provider | None:
        try:
            return self._provider(name)
        except (NotFound, ProviderUnavailable):
            return None

    def _is_gone(self, name: ProviderName) -> bool:
        try:
            self._provider(name)
        except NotFound:
            return True
        except ProviderUnavailable:
            pass
        return False

    def _end(self, name: ProviderName) -> None:
        recovery = self._recoveries.pop(name, None)
        if recovery is not None and recovery.task is not None:
            recovery.task.cancel()

    def _stop(self) -> list[asyncio.Task[None]]:
        self._is_stopped = True
        tasks = [recovery.task for recovery in self._recoveries.values() if recovery.task is not None]
        for name in tuple(self._recoveries):
            self._end(name)
        return tasks


class _Recovery:
    """One opening: the task that ends it, and the provider that failed."""

    def __init__(self, provider: Provider | None) -> None:
        self.provider = provider
        self.task: asyncio.Task[None] | None = None


def counts(exc: HubError) -> bool:
    """
    Whether it tells of an engine that is ill.

    Not where the client is wrong, where there is no room, or where the device has no memory for this utterance: the
    next one may be shorter.
    """
    return isinstance(exc, ProviderError) and not isinstance(exc, OutOfMemory)
