"""The passes after the first: a second look at the whole utterance, and a correction. Each may fail or be late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from msgspec.structs import replace

from asr_hub.effects.aside import hear_aside
from asr_hub.effects.failover import Engines, MemoryOfAnEngine
from asr_hub.effects.hearing import obey_cancel
from asr_hub.effects.strategy import Accurate
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import HubError, PassLate, PassRefused, ProviderUnavailable, unwrapped
from asr_hub.model import Hypothesis, Pass, ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.store.slices.sessions import Session
from asr_hub.store.slices.transcripts import PassFailed, UtteranceCorrected
from asr_hub.store.slices.transcripts import Utterance as Told
from asr_hub.telemetry import logs
from asr_hub.text.rover import vote

_log = logs.get(__name__)

MAX_WAITING = 8
"""Utterances of one session that may wait for their later passes: each holds its audio. The oldest is let go."""

CONTEXT = 3
"""Utterances before, that a correction is told."""

VOTE = ProviderName("vote")
"""Under this name several providers agree on a reading."""


class Around(Engines, Protocol):
    """What later passes need of the hub."""

    def record(self, session: SessionId) -> Session | None: ...

    def told(self, session: SessionId, number: int) -> Told | None:
        """What was told of an utterance, as the store has it now."""
        ...

    async def correct(
        self, text: str, *, language: str | None, context: Sequence[str], names: Sequence[str]
    ) -> tuple[str, ProviderName]:
        """What a language model makes of `text`, and its name. Raises HubError."""
        ...


class Reading(msgspec.Struct, kw_only=True):
    """An utterance between its passes."""

    utterance: Utterance
    hypothesis: Hypothesis
    """The latest."""
    left: tuple[Pass, ...]
    """The passes that are still to come, in order."""


class Passes:
    """
    Of one session. `upto` runs passes while the caller waits; `later` runs them in a task and tells a revision of each.

    What a pass costs is bounded by its budget; what comes after that is not told.
    """

    def __init__(
        self,
        session: SessionId,
        around: Around,
        *,
        options: Callable[[Provider, Utterance, Session], RecognitionOptions],
        accept: Callable[[Reading, Hypothesis], Awaitable[Hypothesis]],
    ) -> None:
        """`accept` is given what a pass read, and returns what may be told of it."""
        self._session = session
        self._around = around
        self._options = options
        self._accept = accept
        self._memories: dict[ProviderName, MemoryOfAnEngine] = {}
        self._context: deque[str] = deque(maxlen=CONTEXT)
        self._waiting: deque[Reading] = deque()
        self._task: asyncio.Task[None] | None = None

    def begin(self, utterance: Utterance, hypothesis: Hypothesis) -> Reading:
        """An utterance with its first reading."""
        strategy = self._around.strategy
        left = []
        if strategy.accurate is not None and hypothesis.provider:
            left.append(Pass.ACCURATE)
        if strategy.corrected_budget_s is not None:
            left.append(Pass.CORRECTED)
        return Reading(utterance=utterance, hypothesis=hypothesis, left=tuple(left))

    async def upto(self, reading: Reading, last: Pass) -> None:
        """Run its passes up to `last`, each within its budget, and keep the best reading in it."""
        order = list(Pass)
        while reading.left and order.index(reading.left[0]) <= order.index(last):
            heard = await self._next(reading)
            if heard is not None:
                reading.hypothesis = heard

    def later(self, reading: Reading) -> None:
        """Run the passes that are left when nobody waits for them, and say what each read."""
        if not reading.left:
            self._remember(reading)
            return
        self._waiting.append(reading)
        if len(self._waiting) > MAX_WAITING:
            dropped = self._waiting.popleft()
            for which in dropped.left:
                why = f"more than {MAX_WAITING} utterances wait for their later passes"
                self._failed(dropped, which, ProviderName(""), PassLate(why, code="pass-skipped"))
        if self._task is None or self._task.done():
            self._task = self._around.spawn(self._run(), f"later passes {self._session}")

    async def settled(self) -> None:
        """Wait until every pass has come to its end; the budgets bound it."""
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    def abandon(self) -> None:
        """Run no more of them."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._waiting:
            reading = self._waiting.popleft()
            while reading.left:
                heard = await self._next(reading)
                if heard is None:
                    continue
                known = self._around.told(self._session, reading.utterance.number or 0)
                if known is not None and _is_undone(known):
                    refusal = PassRefused("somebody wants what the engine said", code="undone")
                    self._failed(reading, heard.pass_, heard.provider, refusal)
                    continue
                if known is not None and known.latest is not None:
                    # Others may have revised it meanwhile.
                    heard = replace(heard, revision=max(heard.revision, known.latest.revision + 1))
                reading.hypothesis = heard
                self._say(reading, heard)
            self._remember(reading)

    def _remember(self, reading: Reading) -> None:
        if reading.hypothesis.text:
            self._context.append(reading.hypothesis.text)

    async def _next(self, reading: Reading) -> Hypothesis | None:
        """What the next pass reads; nothing where it fails, which is told, or has nothing to do."""
        which, *left = reading.left
        reading.left = tuple(left)
        try:
            heard = await self._look(reading, which)
            if heard is None:
                return None
            heard = await self._accept(reading, replace(heard, pass_=which, is_final=True))
        except HubError as exc:
            obey_cancel()
            self._failed(reading, which, self._provider_of(which), exc)
            return None
        except Exception as exc:  # noqa: BLE001 - the edge of a pass: a defect costs one revision, and nothing else
            obey_cancel()
            _log.exception("pass.broke", exc, session=self._session, which=which)
            why = HubError(f"the pass failed in a way it should not: {type(exc).__name__}")
            self._failed(reading, which, self._provider_of(which), why)
            return None
        # Counted at the end: the name of the speaker may have been told meanwhile, as a revision.
        return replace(heard, revision=reading.hypothesis.revision + 1, stable=len(heard.text))

    async def _look(self, reading: Reading, which: Pass) -> Hypothesis | None:
        strategy = self._around.strategy
        if which is Pass.ACCURATE and strategy.accurate is not None:
            return await self._accurate(reading, strategy.accurate)
        if which is Pass.CORRECTED and strategy.corrected_budget_s is not None and reading.hypothesis.text:
            return await self._corrected(reading, strategy.corrected_budget_s)
        return None

    async def _accurate(self, reading: Reading, accurate: Accurate) -> Hypothesis:
        record = self._around.record(self._session)
        if record is None:
            raise PassLate("the session is over")
        heard = await self._read_by(accurate, reading.utterance, record)
        if len(accurate.providers) == 1:
            return heard[0]
        # The first pass has a voice too, and the last one: who is named first is trusted most.
        # A tenth of a second for long texts, in which others would wait.
        elected = await asyncio.to_thread(vote, (*heard, reading.hypothesis))
        return replace(elected, provider=VOTE)

    async def _read_by(self, accurate: Accurate, utterance: Utterance, record: Session) -> list[Hypothesis]:
        """The readings that come in time, in the order of their names. Where there is none, raises why."""
        results: dict[ProviderName, Hypothesis | Exception] = {}

        async def read(name: ProviderName) -> None:
            try:
                async with _at_most(accurate.budget_s):
                    results[name] = await self._read(name, utterance, record)
            except Exception as exc:  # noqa: BLE001 - the others go on; who asked for all of them judges it
                # Not left to the group: before Python 3.13, one whose child fails leaves its own task cancelled.
                obey_cancel()
                results[name] = exc

        with unwrapped():
            async with asyncio.TaskGroup() as group:
                for name in accurate.providers:
                    group.create_task(read(name))
        heard = [result for name in accurate.providers if isinstance(result := results[name], Hypothesis)]
        if not heard:
            raise next(result for result in results.values() if isinstance(result, Exception))
        return heard

    async def _read(self, name: ProviderName, utterance: Utterance, record: Session) -> Hypothesis:
        around = self._around
        if around.is_open(name):
            raise ProviderUnavailable(f"the breaker of {name} is open")
        provider = around.provider(name)
        options = self._options(provider, utterance, record)
        try:
            return await hear_aside(around, provider, name, utterance, options, self._memories.setdefault(name, {}))
        except HubError as exc:
            around.failed(name, self._session, utterance.number or 0, exc)
            raise

    async def _corrected(self, reading: Reading, budget_s: float) -> Hypothesis:
        before = reading.hypothesis
        record = self._around.record(self._session)
        async with _at_most(budget_s):
            text, name = await self._around.correct(
                before.text,
                language=before.language or (record.language if record is not None else None),
                context=tuple(self._context),
                names=record.hotwords if record is not None else (),
            )
        # The words of a changed text have no times.
        words = before.words if text == before.text else ()
        return replace(before, text=text, words=words, alternatives=(), provider=name)

    def _provider_of(self, which: Pass) -> ProviderName:
        accurate = self._around.strategy.accurate
        if which is Pass.ACCURATE and accurate is not None:
            return accurate.providers[0] if len(accurate.providers) == 1 else VOTE
        return self._around.strategy.corrected_by

    def _say(self, reading: Reading, heard: Hypothesis) -> None:
        around = self._around
        around.dispatch(
            UtteranceCorrected(
                at=around.now(),
                session=self._session,
                utterance=reading.utterance.number or 0,
                hypothesis=heard,
                latency_ms=round(1000 * (around.monotonic() - reading.utterance.ended_at)),
            )
        )

    def _failed(self, reading: Reading, which: Pass, provider: ProviderName, exc: HubError) -> None:
        around = self._around
        around.dispatch(
            PassFailed(
                at=around.now(),
                session=self._session,
                utterance=reading.utterance.number or 0,
                pass_=which,
                provider=provider,
                code=exc.code,
                message=str(exc),
            )
        )


@asynccontextmanager
async def _at_most(seconds: float) -> AsyncIterator[None]:
    """Raises PassLate where the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise PassLate(f"no answer within {seconds:g} s") from None


def _is_undone(told: Told) -> bool:
    return any(decision is not None and decision.is_undone for decision in (told.suppressed, told.matched))
