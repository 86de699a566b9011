"""The providers of one hub: started, tried again when they fail, found by name, replaced while the hub runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, NamedTuple

from asr_hub.errors import ConfigError, HubError, NotFound, ProviderTimeout, ProviderUnavailable, unwrapped
from asr_hub.model import ProviderName
from asr_hub.providers.base import Changing, Condition, Provider, State
from asr_hub.store.event import Event
from asr_hub.store.slices.providers import (
    ProviderFailed,
    ProviderNoted,
    ProviderReady,
    ProviderRemoved,
    ProviderRetired,
    ProviderStarting,
    ProviderStopped,
    ProviderUnloaded,
)
from asr_hub.telemetry import logs

_log = logs.get(__name__)

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0

SELF_TEST_S = 120.0
"""Seconds that an engine gets for its first clip: a device that compiles its kernels first needs many."""

Make = Callable[[], Provider]


class Started(NamedTuple):
    """A provider that is ready and that nobody can ask for yet."""

    provider: Provider
    kind: str
    began: float
    """Seconds since the epoch: when it was started."""
    heard: str
    """In its self-test."""


class Engines:
    """Loads every configured provider, tells the store how each is, and hands out those that are ready."""

    def __init__(
        self,
        makers: Mapping[ProviderName, tuple[str, Make]],
        *,
        fallbacks: Mapping[ProviderName, ProviderName] | None = None,
        dispatch: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        now: Callable[[], float],
        self_test_s: float = SELF_TEST_S,
    ) -> None:
        self._self_test_s = self_test_s
        self._makers = dict(makers)
        self._fallbacks = dict(fallbacks or {})
        self._dispatch = dispatch
        self._spawn = spawn
        self._now = now
        self._ready: dict[ProviderName, Provider] = {}
        self._faults: dict[ProviderName, str] = {}
        self._began: dict[ProviderName, float] = {}
        self._heard: dict[ProviderName, str] = {}
        """What each heard in its self-test."""
        self._retries: dict[ProviderName, asyncio.Task[None]] = {}
        self._lines: dict[ProviderName, dict[int, float]] = {}
        """When each who waits for a slot of a provider began to; the first in line stands first."""
        self._places = itertools.count()
        self._users: Counter[int] = Counter()
        """Utterances that each provider hears, by its identity: one name may stand for two while one retires."""
        self._idle = asyncio.Event()
        """A provider hears nothing any more."""
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def names(self) -> tuple[ProviderName, ...]:
        return tuple(self._makers)

    def get(self, name: ProviderName) -> Provider:
        """Raises NotFound for a name that is not configured, ProviderUnavailable while it is not ready."""
        provider = self._ready.get(name)
        if provider is not None:
            return provider
        if name not in self._makers:
            raise NotFound(
                f"no provider is called {name!r}; there are: {', '.join(self._makers)}", code="unknown-provider"
            )
        why = self._faults.get(name, "it is still starting")
        raise ProviderUnavailable(f"provider {name!r} is not ready: {why}", retry_after=FIRST_RETRY_S)

    def hearer(self, name: ProviderName, language: str | None) -> Provider:
        """
        Who hears a new session of `name` now: itself, or the fallback it has while it is not ready.

        Raises what `get` raises where there is none.
        """
        try:
            return self.get(name)
        except ProviderUnavailable:
            heirs = self.heirs(name, language)
            if not heirs:
                raise
            return self.get(heirs[0])

    def heirs(self, name: ProviderName, language: str | None) -> list[ProviderName]:
        """The fallbacks of `name` that are ready and hear the language, each the fallback of the one before."""
        chain = [name]
        while (name := self._fallbacks.get(name, name)) not in chain:
            chain.append(name)
        return [heir for heir in chain[1:] if heir in self._ready and hears(self._ready[heir], language)]

    def waiting(self, name: ProviderName) -> int:
        """Utterances that wait for a slot of this provider."""
        return len(self._lines.get(name, ()))

    def waiting_s(self, name: ProviderName) -> float:
        """How long the first of them waits, in seconds; 0 where nobody does."""
        began = next(iter(self._lines.get(name, {}).values()), None)
        return 0.0 if began is None else max(0.0, self._now() - began)

    @contextlib.contextmanager
    def in_line(self, name: ProviderName) -> Iterator[None]:
        """Count an utterance as waiting while the block runs."""
        line, place = self._lines.setdefault(name, {}), next(self._places)
        line[place] = self._now()
        try:
            yield
        finally:
            del line[place]

    @contextlib.contextmanager
    def using(self, provider: Provider) -> Iterator[None]:
        """Keep a provider open while the block runs, though it may be replaced meanwhile."""
        key = id(provider)
        self._users[key] += 1
        try:
            yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self._idle.set()

    async def start(self) -> None:
        """
        Start all at once. One that fails is tried again later, with a growing pause, while the hub runs.

        Raises ConfigError: a setting that is wrong now will be wrong later.
        """
        try:
            with unwrapped():
                async with asyncio.TaskGroup() as group:
                    for name in self._makers:
                        group.create_task(self._start_or_retry(name))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        tasks = {*self._retries.values(), *self._retiring}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        while self._ready:
            name, provider = self._ready.popitem()
            await _close(name, provider)
            self._dispatch(ProviderStopped(at=self._now(), provider=name))

    async def prepare(self, makers: Mapping[ProviderName, tuple[str, Make]]) -> dict[ProviderName, Started]:
        """
        Start providers beside those that run; `change` puts them in place.

        Raises ConfigError, ProviderUnavailable where one does not start; the others are closed then.
        """
        started: dict[ProviderName, Started] = {}
        try:
            with unwrapped():
                async with asyncio.TaskGroup() as group:
                    for name, (kind, make) in makers.items():
                        group.create_task(self._prepare(name, kind, make, started))
        except BaseException:
            await self.discard(started)
            raise
        return started

    async def discard(self, started: Mapping[ProviderName, Started]) -> None:
        """Close what was prepared and is not wanted after all."""
        for name, one in started.items():
            await _close(name, one.provider)

    def change(
        self,
        makers: Mapping[ProviderName, tuple[str, Make]],
        fallbacks: Mapping[ProviderName, ProviderName],
        started: Mapping[ProviderName, Started],
        *,
        default: ProviderName,
    ) -> tuple[ProviderName, ...]:
        """
        Put prepared providers in place; those that are not in `makers` go. Returns the names of these.

        What hears an utterance now goes on until it has its final, and is then closed. An utterance of one that is gone
        and fails is handed to the default.
        """
        gone = tuple(name for name in self._makers if name not in makers)
        heirs = {name: default for name in {*gone, *self._fallbacks} if name not in makers}
        self._makers = dict(makers)
        self._fallbacks = {**heirs, **fallbacks}
        for name in (*gone, *started):
            self._let_go(name)
        for name, one in started.items():
            self._dispatch(ProviderStarting(at=one.began, provider=name, kind=one.kind))
            self._began[name] = one.began
            self._put(name, one.provider, one.heard)
        return gone

    def _let_go(self, name: ProviderName) -> None:
        """Nobody gets this provider any more; it is closed when it hears nothing."""
        if (task := self._retries.pop(name, None)) is not None:
            task.cancel()
        self._faults.pop(name, None)
        self._heard.pop(name, None)
        provider = self._ready.pop(name, None)
        if name not in self._makers:
            self._dispatch(ProviderRetired(at=self._now(), provider=name))
        retiring = self._spawn(self._retire(name, provider), f"retire {name}")
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def _retire(self, name: ProviderName, provider: Provider | None) -> None:
        if provider is not None:
            try:
                while self._users[id(provider)]:
                    self._idle.clear()
                    await self._idle.wait()
            finally:
                await _close(name, provider)
        if name not in self._makers:
            self._dispatch(ProviderRemoved(at=self._now(), provider=name))

    async def _prepare(self, name: ProviderName, kind: str, make: Make, started: dict[ProviderName, Started]) -> None:
        began = self._now()
        provider, heard = await self._begin(name, kind, make)
        started[name] = Started(provider, kind, began, heard)

    async def _start_or_retry(self, name: ProviderName) -> None:
        if not await self._start(name, FIRST_RETRY_S, is_first=True):
            self._retries[name] = self._spawn(self._retry(name), f"retry {name}")

    async def _retry(self, name: ProviderName) -> None:
        pause = FIRST_RETRY_S
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_S)
            if await self._start(name, pause):
                return

    async def _start(self, name: ProviderName, retry_in: float, *, is_first: bool = False) -> bool:
        """Whether it is ready now. Raises ConfigError at the first try; later that would end a hub that hears."""
        kind, make = self._makers[name]
        self._began[name] = self._now()
        self._dispatch(ProviderStarting(at=self._began[name], provider=name, kind=kind))
        try:
            provider, heard = await self._begin(name, kind, make)
        except HubError as fault:
            if is_first and isinstance(fault, ConfigError):
                raise
            self._faults[name] = str(fault)
            self._dispatch(
                ProviderFailed(at=self._now(), provider=name, code=fault.code, message=str(fault), retry_in=retry_in)
            )
            return False
        self._put(name, provider, heard)
        return True

    async def _begin(self, name: ProviderName, kind: str, make: Make) -> tuple[Provider, str]:
        """A provider that is ready, and what it heard in its self-test. Raises HubError; it is closed then."""
        provider: Provider | None = None
        try:
            provider = make()
            if isinstance(provider, Changing):
                provider.watch(functools.partial(self._changed, name, kind, provider))
            await provider.start()
            return provider, await self._test(name, provider)
        except BaseException as exc:
            if provider is not None:
                await _close(name, provider)
            if isinstance(exc, HubError) or not isinstance(exc, Exception):
                raise
            # The edge of an engine: its defect must not stop the hub.
            raise ProviderUnavailable(f"{name} failed to start: {exc!r}") from exc

    async def _test(self, name: ProviderName, provider: Provider) -> str:
        try:
            async with asyncio.timeout(self._self_test_s):
                return await provider.self_test()
        except TimeoutError:
            raise ProviderTimeout(
                f"{name}: the self-test was not answered within {self._self_test_s:g} s; see the engine's own log"
            ) from None

    def _put(self, name: ProviderName, provider: Provider, heard: str) -> None:
        self._ready[name] = provider
        self._heard[name] = heard
        self._say_ready(name, provider)

    def _say_ready(self, name: ProviderName, provider: Provider) -> None:
        self._dispatch(
            ProviderReady(
                at=self._now(),
                provider=name,
                max_streams=provider.capabilities.max_streams,
                took=self._now() - self._began[name],
                self_test=self._heard[name],
            )
        )

    def _changed(self, name: ProviderName, kind: str, provider: Provider, condition: Condition) -> None:
        """A provider changed by itself. Before it is ready, and once it retires, that is nobody's business."""
        if self._ready.get(name) is not provider:
            return
        now = self._now()
        match condition:
            case Condition(State.STARTING):
                self._began[name] = now
                self._dispatch(ProviderStarting(at=now, provider=name, kind=kind))
            case Condition(State.READY, message=""):
                self._say_ready(name, provider)
            case Condition(State.READY, code, message):
                self._dispatch(ProviderNoted(at=now, provider=name, code=code, message=message))
            case Condition(State.FAILED, code, message, retry_in):
                self._began[name] = now
                self._dispatch(ProviderFailed(at=now, provider=name, code=code, message=message, retry_in=retry_in))
            case Condition(State.UNLOADED):
                self._dispatch(ProviderUnloaded(at=now, provider=name))


async def _close(name: ProviderName, provider: Provider) -> None:
    """What one engine does at its end must not keep the others from theirs."""
    try:
        await provider.aclose()
    except Exception as exc:  # noqa: BLE001 - the edge of an engine
        _log.exception("provider.close_failed", exc, provider=name)


def hears(provider: Provider, language: str | None) -> bool:
    """The region does not matter: an engine for en-US hears en-GB."""
    spoken = provider.capabilities.languages
    if language is None or not spoken:
        return True
    return language.split("-")[0].lower() in {tag.split("-")[0].lower() for tag in spoken}
