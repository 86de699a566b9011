"""An engine on trial hears what the others hear, after them, and is compared with them. No client is told, or waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from asr_hub.effects.aside import hear_aside
from asr_hub.effects.failover import Engines, MemoryOfAnEngine
from asr_hub.effects.hearing import obey_cancel
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import HubError
from asr_hub.model import Hypothesis, ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.store.slices.scores import ShadowCompared, ShadowSkipped
from asr_hub.telemetry import logs
from asr_hub.text.score import score

_log = logs.get(__name__)

MAX_WAITING = 16
"""Utterances of all sessions that may wait for the shadow: each holds its audio. One more is skipped."""

MAX_MEMORIES = 256
"""Sessions whose shadow is remembered from one utterance to the next."""


class Around(Engines, Protocol):
    """What the shadow needs of the hub."""

    def is_strained(self, name: ProviderName) -> bool:
        """Utterances wait for slots of this provider."""
        ...


class Told(NamedTuple):
    """An utterance with the final that its client was told."""

    session: SessionId
    number: int
    utterance: Utterance
    final: Hypothesis
    latency_ms: int
    options: Callable[[Provider], RecognitionOptions]


class Shadowing:
    """One for the hub: one utterance after the other, so that it never takes more than one slot."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._waiting: deque[Told] = deque()
        self._task: asyncio.Task[None] | None = None
        self._memories: dict[SessionId, MemoryOfAnEngine] = {}
        self._current: SessionId | None = None
        """Of which an utterance is being compared."""
        self._over: set[SessionId] = set()
        """Sessions that have ended, and of which something still waits."""

    def add(self, told: Told) -> None:
        """Compare this utterance when there is time, or skip it and say so."""
        shadow = self._around.strategy.shadow
        if shadow is None or told.final.provider in ("", shadow.provider) or told.number % shadow.every:
            return
        if why := self._why_not(told, shadow.provider):
            self._skip(told, shadow.provider, why)
        elif len(self._waiting) >= MAX_WAITING:
            self._skip(told, shadow.provider, "the shadow is behind")
        else:
            self._waiting.append(told)
            if self._task is None or self._task.done():
                self._task = self._around.spawn(self._run(), "shadow")

    async def settled(self) -> None:
        """Wait until nothing waits to be compared. For tests and measurements."""
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    def abandon(self) -> None:
        """Compare nothing more; its slot is free in a later turn of the loop."""
        self._waiting.clear()
        self._over.clear()
        self._memories.clear()
        if self._task is not None:
            self._task.cancel()

    def forget(self, session: SessionId) -> None:
        """It is over: when the last of it has been compared, nothing of it is remembered."""
        if session == self._current or any(told.session == session for told in self._waiting):
            self._over.add(session)
        else:
            self._over.discard(session)
            self._memories.pop(session, None)

    def _why_not(self, told: Told, name: ProviderName) -> str:
        if self._around.is_open(name):
            return "its breaker is open"
        if self._around.is_strained(told.final.provider):
            return "utterances wait for the engine that clients hear"
        return ""

    async def _run(self) -> None:
        while self._waiting:
            told = self._waiting.popleft()
            self._current = told.session
            try:
                await self._try(told)
            finally:
                self._current = None
                if told.session in self._over:
                    self.forget(told.session)

    async def _try(self, told: Told) -> None:
        shadow = self._around.strategy.shadow
        # Meanwhile it may have been promoted: then its own finals wait here.
        if shadow is None or told.final.provider == shadow.provider:
            return
        if why := self._why_not(told, shadow.provider):
            self._skip(told, shadow.provider, why)
            return
        try:
            await self._compare(told, shadow.provider)
        except HubError as exc:
            obey_cancel()
            self._around.failed(shadow.provider, told.session, told.number, exc)
            self._skip(told, shadow.provider, f"{exc.code}: {exc}")
        except Exception as exc:  # noqa: BLE001 - the edge of a trial: a defect costs one comparison, nothing else
            obey_cancel()
            _log.exception("shadow.broke", exc, session=told.session)
            self._skip(told, shadow.provider, f"it failed in a way it should not: {type(exc).__name__}")

    async def _compare(self, told: Told, name: ProviderName) -> None:
        around = self._around
        provider = around.provider(name)
        began = around.monotonic()
        heard = await hear_aside(
            around, provider, name, told.utterance, told.options(provider), self._memory(told.session)
        )
        latency_ms = round(1000 * (around.monotonic() - began))
        # Hundredths of a second for long texts, in which others would wait.
        errors = await asyncio.to_thread(score, told.final.text, heard.text)
        around.dispatch(
            ShadowCompared(
                at=around.now(),
                session=told.session,
                utterance=told.number,
                provider=name,
                primary=told.final.provider,
                words=errors.words.said,
                errors=errors.words.errors,
                characters=errors.characters.said,
                character_errors=errors.characters.errors,
                latency_ms=latency_ms,
                primary_latency_ms=told.latency_ms,
            )
        )

    def _memory(self, session: SessionId) -> MemoryOfAnEngine:
        memory = self._memories.pop(session, {})
        # The last one used stands last.
        self._memories[session] = memory
        if len(self._memories) > MAX_MEMORIES:
            del self._memories[next(iter(self._memories))]
        return memory

    def _skip(self, told: Told, name: ProviderName, reason: str) -> None:
        self._around.dispatch(
            ShadowSkipped(
                at=self._around.now(), session=told.session, utterance=told.number, provider=name, reason=reason
            )
        )
