"""The providers of one hub: started, tried again when they fail, found by name."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from asr_hub.errors import ConfigError, HubError, NotFound, ProviderUnavailable, unwrapped
from asr_hub.model import ProviderName
from asr_hub.providers.base import Changing, Condition, Provider, State
from asr_hub.store.event import Event
from asr_hub.store.slices.providers import (
    ProviderFailed,
    ProviderNoted,
    ProviderReady,
    ProviderStarting,
    ProviderStopped,
    ProviderUnloaded,
)
from asr_hub.telemetry import logs

_log = logs.get(__name__)

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0

Make = Callable[[], Provider]


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
    ) -> None:
        self._makers = makers
        self._fallbacks = fallbacks or {}
        self._dispatch = dispatch
        self._spawn = spawn
        self._now = now
        self._ready: dict[ProviderName, Provider] = {}
        self._faults: dict[ProviderName, str] = {}
        self._began: dict[ProviderName, float] = {}
        self._heard: dict[ProviderName, str] = {}
        """What each heard in its self-test."""
        self._retries: list[asyncio.Task[None]] = []
        self._waiting: Counter[ProviderName] = Counter()

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
            instead = self.next_after(name, language)
            if instead is None:
                raise
            return self.get(instead)

    def next_after(self, name: ProviderName, language: str | None) -> ProviderName | None:
        """The first of the fallbacks of `name` that is ready and hears the language; none where there is none."""
        seen = {name}
        while (name := self._fallbacks.get(name, name)) not in seen:
            seen.add(name)
            provider = self._ready.get(name)
            if provider is not None and hears(provider, language):
                return name
        return None

    def waiting(self, name: ProviderName) -> int:
        """Utterances that wait for a slot of this provider."""
        return self._waiting[name]

    @contextlib.contextmanager
    def in_line(self, name: ProviderName) -> Iterator[None]:
        """Count an utterance as waiting while the block runs."""
        self._waiting[name] += 1
        try:
            yield
        finally:
            self._waiting[name] -= 1

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
        for task in self._retries:
            task.cancel()
        if self._retries:
            await asyncio.wait(self._retries)
        while self._ready:
            name, provider = self._ready.popitem()
            await _close(name, provider)
            self._dispatch(ProviderStopped(at=self._now(), provider=name))

    async def _start_or_retry(self, name: ProviderName) -> None:
        if not await self._start(name, FIRST_RETRY_S):
            self._retries.append(self._spawn(self._retry(name), f"retry {name}"))

    async def _retry(self, name: ProviderName) -> None:
        pause = FIRST_RETRY_S
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_S)
            if await self._start(name, pause):
                return

    async def _start(self, name: ProviderName, retry_in: float) -> bool:
        kind, make = self._makers[name]
        self._began[name] = self._now()
        self._dispatch(ProviderStarting(at=self._began[name], provider=name, kind=kind))
        provider: Provider | None = None
        try:
            provider = make()
            if isinstance(provider, Changing):
                provider.watch(functools.partial(self._changed, name, kind))
            await provider.start()
            heard = await provider.self_test()
        except (ConfigError, asyncio.CancelledError):
            if provider is not None:
                await _close(name, provider)
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of an engine: its defect must not stop the hub
            fault = exc if isinstance(exc, HubError) else ProviderUnavailable(f"{name} failed to start: {exc!r}")
            if provider is not None:
                await _close(name, provider)
            self._faults[name] = str(fault)
            self._dispatch(
                ProviderFailed(at=self._now(), provider=name, code=fault.code, message=str(fault), retry_in=retry_in)
            )
            return False
        self._ready[name] = provider
        self._heard[name] = heard
        self._say_ready(name, provider)
        return True

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

    def _changed(self, name: ProviderName, kind: str, condition: Condition) -> None:
        """A provider that was ready changed by itself."""
        provider = self._ready.get(name)
        if provider is None:
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
