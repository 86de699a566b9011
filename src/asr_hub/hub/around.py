"""What the recognisers of all sessions ask of their hub: the store, the engines, and what else is done with words."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from asr_hub.effects.breaking import BreakerPolicy, Breakers
from asr_hub.effects.hedging import Late
from asr_hub.effects.recognition import Listening
from asr_hub.effects.routing import Choice, Place, Situation, choose
from asr_hub.effects.shadowing import Shadowing, Told
from asr_hub.effects.strategy import Strategy
from asr_hub.errors import HubError, ProviderUnavailable
from asr_hub.hub.engines import Engines, hears
from asr_hub.model import ProviderName, SessionId
from asr_hub.providers.base import Provider
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.hotwords import Preferred, select_preferred
from asr_hub.store.slices.providers import select_provider
from asr_hub.store.slices.scores import select_latency, select_score
from asr_hub.store.slices.sessions import Session, select_session
from asr_hub.store.slices.transcripts import Utterance, select_utterance


class Corrector(Protocol):
    """A language model that mends what was heard."""

    async def __call__(
        self, text: str, *, language: str | None, context: Sequence[str], names: Sequence[str]
    ) -> tuple[str, ProviderName]:
        """The mended text, and the name of the model. Raises HubError where there is none, or it must not be told."""
        ...

    async def aclose(self) -> None: ...


class SpeakerFinder(Protocol):
    """Tells who speaks."""

    async def __call__(self, session: SessionId, pcm: bytes, rate: int, spoken_s: float) -> str | None:
        """Raises HubError."""
        ...

    def forget(self, session: SessionId) -> None:
        """A session is over."""
        ...

    async def aclose(self) -> None: ...


Part = Corrector | SpeakerFinder
"""What stands beside the engines, and may be replaced while the hub runs."""

P = TypeVar("P", bound=Part)


class Around:
    """Implements `Surroundings`. One for the hub."""

    def __init__(
        self,
        store: HubStore,
        engines: Engines,
        breakers: Breakers,
        *,
        strategy: Strategy,
        default: Callable[[], ProviderName],
        wake_word: Listening | None,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        broke: Callable[[SessionId, Exception], None],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        corrector: Corrector | None = None,
        speakers: SpeakerFinder | None = None,
    ) -> None:
        self.strategy = strategy
        self.wake_word = wake_word
        self.corrector = corrector
        self.speakers = speakers
        self.shadowing = Shadowing(self)
        self._store = store
        self._engines = engines
        self._breakers = breakers
        self._default = default
        self._spawn = spawn
        self._broke = broke
        self._now = now
        self._monotonic = monotonic
        self._users: Counter[int] = Counter()
        """Of each part, by its identity."""
        self._idle = asyncio.Event()
        """A part is used by nobody any more."""

    def change(
        self,
        *,
        strategy: Strategy,
        breaker: BreakerPolicy,
        corrector: Corrector | None,
        speakers: SpeakerFinder | None,
    ) -> tuple[Part, ...]:
        """Put these in force, from the next utterance on. Returns the parts that are not asked any more."""
        before = (self.corrector, self.speakers)
        self.strategy = strategy
        self._breakers.policy = breaker
        self.corrector, self.speakers = corrector, speakers
        return tuple(part for part in before if part is not None and part not in (corrector, speakers))

    async def unused(self, part: Part) -> None:
        """Wait until nobody uses a part that is not asked any more."""
        while self._users[id(part)]:
            self._idle.clear()
            await self._idle.wait()

    async def aclose(self) -> None:
        """Close the parts that are asked now."""
        for part in (self.corrector, self.speakers):
            if part is not None:
                await part.aclose()

    def dispatch(self, event: Event) -> None:
        self._store.dispatch(event)

    def now(self) -> float:
        return self._now()

    def monotonic(self) -> float:
        return self._monotonic()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._spawn(work, name)

    def broke(self, session: SessionId, exc: Exception) -> None:
        self._broke(session, exc)

    def record(self, session: SessionId) -> Session | None:
        return select_session(self._store.state, session)

    def told(self, session: SessionId, number: int) -> Utterance | None:
        return select_utterance(self._store.state, session, number)

    def hotwords(self, record: Session) -> Preferred:
        return select_preferred(
            self._store.state, own=record.hotwords, own_weights=record.hotword_weights, tenant=record.principal
        )

    # Engines.

    def provider(self, name: ProviderName) -> Provider:
        return self._engines.get(name)

    def heirs(self, name: ProviderName, language: str | None) -> Sequence[ProviderName]:
        return self._engines.heirs(name, language)

    def in_line(self, name: ProviderName) -> AbstractContextManager[None]:
        return self._engines.in_line(name)

    def using(self, provider: Provider) -> AbstractContextManager[None]:
        return self._engines.using(provider)

    def is_strained(self, name: ProviderName) -> bool:
        return self._engines.waiting(name) > 0

    def is_open(self, name: ProviderName) -> bool:
        return self._breakers.is_open(name)

    def failed(self, name: ProviderName, session: SessionId, utterance: int, exc: HubError) -> None:
        self._breakers.failed(name, session, utterance, exc)

    def succeeded(self, name: ProviderName) -> None:
        self._breakers.succeeded(name)

    def late_after(self, name: ProviderName, language: str | None) -> Late | None:
        hedge = self.strategy.hedge
        if hedge is None or name == hedge.provider or not self._can_hear(hedge.provider, language):
            return None
        usual = select_latency(self._store.state, name)
        if usual is None:
            return None
        return Late(hedge.provider, max(usual, hedge.min_ms) / 1000, lambda: self._is_affordable(name, hedge.share))

    def _can_hear(self, name: ProviderName, language: str | None) -> bool:
        try:
            return hears(self.provider(name), language) and not self.is_open(name)
        except HubError:
            return False

    def _is_affordable(self, name: ProviderName, share: float) -> bool:
        """Whether one more final of this provider may be asked for twice."""
        score = select_score(self._store.state, name)
        return score is not None and score.hedged + 1 <= share * (score.finals + score.lost + 1)

    def first_choice(self, record: Session) -> Choice:
        """The provider that the client named; else that of the first route that fits; else the session's."""
        strategy = self.strategy
        if not record.is_routed or not strategy.routes:
            return Choice(record.provider, "")
        language = record.language or record.identified
        situation = Situation(
            language=language,
            sample_rate=record.format.sample_rate,
            waiting=self._engines.waiting(self._default()),
            waiting_s=self._engines.waiting_s(self._default()),
        )
        places = {
            name: self._place(name, language)
            for name in {name for route in strategy.routes for name in route.providers}
        }
        return choose(strategy.routes, situation, places, strategy.costs) or Choice(record.provider, "")

    def _place(self, name: ProviderName, language: str | None) -> Place:
        record = select_provider(self._store.state, name)
        free = record.free - self._engines.waiting(name) if record is not None else 0
        return Place(self._can_hear(name, language), free)

    # Beside the engines.

    def compare(self, told: Told) -> None:
        self.shadowing.add(told)

    async def correct(
        self, text: str, *, language: str | None, context: Sequence[str], names: Sequence[str]
    ) -> tuple[str, ProviderName]:
        if self.corrector is None:
            raise ProviderUnavailable("no language model is configured; name one under recognition.passes.corrected")
        with self._use(self.corrector) as corrector:
            return await corrector(text, language=language, context=context, names=names)

    async def speaker(self, session: SessionId, pcm: bytes, rate: int, spoken_s: float) -> str | None:
        if self.speakers is None:
            return None
        with self._use(self.speakers) as speakers:
            return await speakers(session, pcm, rate, spoken_s)

    def forget(self, session: SessionId) -> None:
        """A session is over."""
        self.shadowing.forget(session)
        if self.speakers is not None:
            self.speakers.forget(session)

    @contextlib.contextmanager
    def _use(self, part: P) -> Iterator[P]:
        key = id(part)
        self._users[key] += 1
        try:
            yield part
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self._idle.set()
