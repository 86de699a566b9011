"""A recogniser with real parts around it, for tests: the store, the breakers, a task group, and providers by name."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tests.speech import tone

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects.breaking import BreakerPolicy, Breakers
from asr_hub.effects.recognition import Listening, Recogniser
from asr_hub.effects.strategy import Strategy
from asr_hub.errors import NotFound
from asr_hub.hub import around
from asr_hub.hub.engines import Engines
from asr_hub.model import AudioFormat, AudioFrame, Pass, ProviderName, SessionId
from asr_hub.providers.base import Provider
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.providers import ProviderStarting
from asr_hub.store.slices.sessions import SessionOpened

ID = SessionId("s")
NAME = ProviderName("p")
RATE = 16_000
SECOND = tone(1.0)


class Around(around.Around):
    """The hub's own, with providers that are there from the first moment."""

    def __init__(
        self,
        provider: Provider,
        tasks: asyncio.TaskGroup,
        wake_word: Listening | None = None,
        *,
        strategy: Strategy | None = None,
        policy: BreakerPolicy | None = None,
        wait_for: Pass = Pass.FAST,
        is_routed: bool = False,
    ) -> None:
        self.errors: list[Exception] = []
        self.broken: list[Exception] = []
        self._tasks = tasks
        self._news = asyncio.Event()
        self._provider = provider
        self.others: dict[ProviderName, Provider] = {}
        """Those that hear what the first cannot, in order."""
        self.aside: dict[ProviderName, Provider] = {}
        """Those that nothing falls back on."""
        self.time = 0.0
        self.store = HubStore(
            breakers := [
                Breakers(
                    lambda: self.store.state,
                    provider=self.provider,
                    dispatch=self.dispatch,
                    spawn=self._spawn_now,
                    now=lambda: self.time,
                    policy=policy,
                )
            ],
            on_error=lambda error, event: self.errors.append(error),
        )
        super().__init__(
            self.store,
            Engines({}, dispatch=self.dispatch, spawn=self._spawn_now, now=lambda: self.time),
            breakers[0],
            strategy=strategy or Strategy(),
            default=lambda: NAME,
            wake_word=wake_word,
            spawn=self._spawn_now,
            broke=lambda session, exc: self.broken.append(exc),
            now=lambda: self.time,
            monotonic=lambda: self.time,
        )
        self.dispatch(ProviderStarting(provider=NAME, kind="scripted"))
        self.dispatch(
            SessionOpened(
                session=ID,
                provider=NAME,
                format=AudioFormat(),
                protocol="t",
                armed=wake_word is not None,
                wait_for=wait_for,
                is_routed=is_routed,
            )
        )

    def give(self, name: str, provider: Provider, *, is_heir: bool = False) -> None:
        """One more provider."""
        (self.others if is_heir else self.aside)[ProviderName(name)] = provider
        self.dispatch(ProviderStarting(provider=ProviderName(name), kind="scripted"))

    def provider(self, name: ProviderName) -> Provider:
        known = {NAME: self._provider, **self.others, **self.aside}
        if name not in known:
            raise NotFound(f"no provider {name}")
        return known[name]

    def heirs(self, name: ProviderName, language: str | None) -> Sequence[ProviderName]:
        return tuple(other for other in self.others if other != name)

    def in_line(self, name: ProviderName) -> AbstractContextManager[None]:
        return nullcontext()

    def dispatch(self, event: Event) -> None:
        self.store.dispatch(event)
        self._news.set()

    def said(self, *types: type[Event]) -> list[Any]:
        return [e.event for e in self.store.journal.entries() if isinstance(e.event, types)]

    async def until(self, kind: type[Event], count: int = 1) -> list[Any]:
        async with asyncio.timeout(20):
            while len(self.said(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return self.said(kind)

    def _spawn_now(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=name)


class Rig:
    """A recogniser, and a mouth."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.recogniser = Recogniser(ID, around, on_room=lambda: None)

    def speak(self, at: int, pcm: bytes = SECOND, *, ends: bool = True) -> int:
        """One utterance at sample `at`; where it ends."""
        self.recogniser.begin(at, RATE)
        self.recogniser.add(AudioFrame(pcm, at, RATE))
        end = at + len(pcm) // 2
        if ends:
            self.recogniser.end(SpeechEnd(end))
        return end
