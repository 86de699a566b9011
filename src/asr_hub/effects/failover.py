"""Gets the final of an utterance out of whichever engine can hear it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from asr_hub.effects.hearing import Heard, Room, Times, hear, obey_cancel
from asr_hub.effects.hedging import Late, first_of
from asr_hub.effects.strategy import LONGEST_BACKOFF_S
from asr_hub.effects.utterance import Reader, Utterance
from asr_hub.errors import HubError, OutOfMemory, ProviderDied, ProviderTimeout, ProviderUnavailable
from asr_hub.model import Hypothesis, ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.store.slices.scores import FinalHedged, HedgeWon
from asr_hub.store.slices.sessions import Session
from asr_hub.store.slices.transcripts import HypothesisRevised, RecognitionFailed, UtteranceHandedOn, UtteranceRouted

MemoryOfAnEngine = dict[str, Any]


class Engines(Room, Protocol):
    """What failing over needs of the hub."""

    def provider(self, name: ProviderName) -> Provider:
        """Raises ProviderUnavailable."""
        ...

    def heirs(self, name: ProviderName, language: str | None) -> Sequence[ProviderName]:
        """Who can hear an utterance that `name` cannot, the first choice first."""
        ...

    def is_open(self, name: ProviderName) -> bool:
        """Its circuit breaker keeps utterances from it."""
        ...

    def failed(self, name: ProviderName, session: SessionId, utterance: int, exc: HubError) -> None:
        """It could not hear an utterance."""
        ...

    def succeeded(self, name: ProviderName) -> None: ...

    def late_after(self, name: ProviderName, language: str | None) -> Late | None:
        """Who is asked besides, and when, for a final of `name` that is late; none where nobody can be."""
        ...

    def monotonic(self) -> float: ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` in the hub's task group."""
        ...


class Failover:
    """
    For the utterances of one session, one at a time.

    An utterance that one engine fails in goes to the next from its first sample: what has no final is kept. Providers
    whose breaker is open are passed over while there is another.
    """

    def __init__(
        self,
        session: SessionId,
        around: Engines,
        *,
        options: Callable[[Provider, Utterance, Session], RecognitionOptions],
        on_room: Callable[[], None],
    ) -> None:
        self._session = session
        self._around = around
        self._options = options
        self._on_room = on_room
        self.memory: MemoryOfAnEngine = {}
        """What the engines remember of the session."""
        self._revision = 0

    async def final(self, utterance: Utterance, first: ProviderName, why: str, record: Session) -> Heard | None:
        """The final, of `first` where it can; nothing where nobody can, and the store has been told why."""
        self._revision = 0
        tried: list[ProviderName] = []
        last: tuple[ProviderName, HubError] | None = None
        while (name := self._next(first, record, tried)) is not None:
            if last is not None:
                self._hand_on(utterance, last[0], name, last[1])
            elif name != record.provider:
                self._route(utterance, name, why if name == first else f"the breaker of {first} is open")
            tried.append(name)
            heard = await self._ask(utterance, name, record, has_heir=self._next(first, record, tried) is not None)
            if isinstance(heard, Heard):
                return heard
            last = (name, heard)
        if last is not None:
            self._give_up(utterance, *last)
        return None

    def _next(self, first: ProviderName, record: Session, tried: Sequence[ProviderName]) -> ProviderName | None:
        around = self._around
        # Where a route fails, the session's own provider hears all the same.
        whole = [heir for name in (first, record.provider) for heir in (name, *around.heirs(name, record.language))]
        line = [name for name in dict.fromkeys(whole) if name not in tried]
        # Where every breaker is open, somebody is asked all the same: a slow answer is better than none.
        return next((name for name in line if not around.is_open(name)), line[0] if line else None)

    async def _ask(
        self, utterance: Utterance, name: ProviderName, record: Session, *, has_heir: bool
    ) -> Heard | HubError:
        """The final of one provider, or why it has none, tried as often as there is hope."""
        patience = self._around.strategy.patience
        # A death may be another utterance's fault; but whoever else can hear it need not wait for the proof.
        most_deaths = min(patience.deaths, patience.attempts) if has_heir else patience.deaths
        failures = deaths = 0
        while True:
            try:
                heard = await self._attempt(utterance, name, record, has_heir=has_heir)
            except HubError as exc:
                obey_cancel()
                self._around.failed(name, self._session, utterance.number or 0, exc)
                has_died = isinstance(exc, ProviderDied)
                deaths += has_died
                failures += not has_died
                hopeless = not exc.retryable or isinstance(exc, OutOfMemory | ProviderUnavailable)
                # To wait for a second silence is dear where somebody else can hear it.
                hopeless = hopeless or (has_heir and isinstance(exc, ProviderTimeout))
                if hopeless or failures == patience.attempts or deaths >= most_deaths:
                    return exc
            else:
                self._around.succeeded(heard.hypothesis.provider)
                return heard
            tries = failures + deaths
            await asyncio.sleep(min(LONGEST_BACKOFF_S, patience.backoff_s * 2 ** (tries - 1)))
            utterance.rewind()

    async def _attempt(self, utterance: Utterance, name: ProviderName, record: Session, *, has_heir: bool) -> Heard:
        late = self._around.late_after(name, record.language)
        main = self._hear(utterance, utterance.main, name, record, self.memory, has_heir=has_heir, is_shown=True)
        heard = await main if late is None else await self._hedge(utterance, name, record, main, late)
        # Counted when nobody hears any more: the one that was too late may have shown something in between.
        self._revision += 1
        hypothesis = replace(heard.hypothesis, revision=self._revision, stable=len(heard.hypothesis.text))
        return heard._replace(hypothesis=hypothesis)

    async def _hedge(
        self,
        utterance: Utterance,
        name: ProviderName,
        record: Session,
        main: Coroutine[Any, Any, Heard],
        late: Late,
    ) -> Heard:
        memory = dict(self.memory)
        number = utterance.number or 0
        around = self._around
        failures: list[HubError] = []

        async def first() -> Heard:
            try:
                return await main
            except HubError as exc:
                failures.append(exc)
                raise

        def wanted() -> bool:
            """Said at once: of many that are late in one moment, each sees what the others have asked for."""
            if not late.is_affordable():
                return False
            around.dispatch(
                FinalHedged(at=around.now(), session=self._session, utterance=number, provider=name, to=late.provider)
            )
            return True

        async def second() -> Heard:
            reader = utterance.reader()
            try:
                return await self._hear(utterance, reader, late.provider, record, memory, has_heir=True, is_shown=False)
            except HubError as exc:
                obey_cancel()
                around.failed(late.provider, self._session, number, exc)
                raise
            finally:
                utterance.leave(reader)

        heard = await first_of(first(), second, when=utterance.over, after=late.after_s, wanted=wanted)
        if heard.hypothesis.provider == late.provider:
            self.memory.update(memory)
            for failure in failures:
                around.failed(name, self._session, number, failure)
            around.dispatch(
                HedgeWon(
                    at=around.now(),
                    session=self._session,
                    utterance=number,
                    provider=late.provider,
                    over=name,
                    latency_ms=round(1000 * (around.monotonic() - utterance.ended_at)),
                )
            )
        return heard

    async def _hear(
        self,
        utterance: Utterance,
        reader: Reader,
        name: ProviderName,
        record: Session,
        memory: MemoryOfAnEngine,
        *,
        has_heir: bool,
        is_shown: bool,
    ) -> Heard:
        provider = self._around.provider(name)
        patience = self._around.strategy.patience
        stall = min(patience.stall_s, patience.stall_with_heir_s) if has_heir else patience.stall_s
        options = replace(self._options(provider, utterance, record), patient=not has_heir)
        return await hear(
            self._around,
            provider,
            name,
            utterance,
            reader,
            options if is_shown else replace(options, partials=False),
            memory,
            times=Times(stall, patience.final_rtf),
            on_partial=lambda hypothesis: self._revise(utterance, hypothesis),
            on_room=self._on_room if is_shown else _nothing,
        )

    # What is said.

    def _revise(self, utterance: Utterance, hypothesis: Hypothesis) -> None:
        self._revision += 1
        around = self._around
        around.dispatch(
            HypothesisRevised(
                at=around.now(),
                session=self._session,
                utterance=utterance.number or 0,
                hypothesis=replace(hypothesis, revision=self._revision),
            )
        )

    def _route(self, utterance: Utterance, name: ProviderName, why: str) -> None:
        around = self._around
        around.dispatch(
            UtteranceRouted(
                at=around.now(), session=self._session, utterance=utterance.number or 0, provider=name, reason=why
            )
        )

    def _hand_on(self, utterance: Utterance, name: ProviderName, to: ProviderName, why: HubError) -> None:
        utterance.rewind()
        around = self._around
        around.dispatch(
            UtteranceHandedOn(
                at=around.now(),
                session=self._session,
                utterance=utterance.number or 0,
                provider=name,
                to=to,
                code=why.code,
                message=str(why),
            )
        )

    def _give_up(self, utterance: Utterance, provider: ProviderName, exc: HubError) -> None:
        around = self._around
        around.dispatch(
            RecognitionFailed(
                at=around.now(),
                session=self._session,
                utterance=utterance.number or 0,
                provider=provider,
                code=exc.code,
                message=str(exc),
                retryable=exc.retryable,
            )
        )


def _nothing() -> None:
    pass
