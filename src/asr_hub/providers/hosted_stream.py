"""One utterance on its way through an engine process that serves many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from asr_hub.errors import HubError, ProviderDied, ProviderError
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Suppressed
from asr_hub.providers.heard import hypothesis_of
from asr_hub.providers.host.messages import Drop, StreamAudio, StreamEnd
from asr_hub.providers.host.process import HostProcess
from asr_hub.providers.mailbox import Mailbox
from asr_hub.providers.trial import Trial
from asr_hub.providers.worker_messages import Begin, Heard

WINDOW = 128_000
"""Bytes of audio that may be on the way to the process: four seconds at 16 kHz."""

_PIECE = 32_000
_SUSPECT = "hosted-suspect"
"""In the session's memory: how often its last utterance was alone with the process when that died; 0 for in company."""

MOST_DEATHS_ALONE = 2


class HostedStream:
    """
    A RecognitionStream over a HostProcess.

    `lend` waits for a slot and gives the process; with a trial, where this utterance may have ended the last one.
    """

    def __init__(
        self,
        name: ProviderName,
        lend: Callable[[Trial | None], AbstractAsyncContextManager[HostProcess]],
        begin: Begin,
        warnings: tuple[str, ...],
        memory: MutableMapping[str, Any],
        *,
        trial: Trial,
        on_trial: Begin,
    ) -> None:
        self.warnings = list(warnings)
        self.suppressed: Suppressed | None = None
        self._name = name
        self._lend = lend
        self._memory = memory
        self._trial = trial
        self._begin = begin
        self._on_trial = on_trial
        """How it begins on trial: with partials where there are any, since the first one ends the trial."""
        self._taken = AsyncExitStack()
        self._process: HostProcess | None = None
        self._number = 0
        self._box = Mailbox()
        self._room = asyncio.Event()
        self._on_the_way = 0
        self._revision = 0
        self._start: int | None = None
        self._is_ended = False
        self._is_over = False

    async def __aenter__(self) -> HostedStream:
        async with AsyncExitStack() as taken:
            process = await taken.enter_async_context(self._lend(self._trial if _SUSPECT in self._memory else None))
            self._number = await process.open(self._on_trial if self._trial.is_on else self._begin, self)
            self._process = process
            self._taken = taken.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.forget(self._number)
            if not self._is_over:
                process.mention(Drop(self._number))
        self._room.set()
        await self._taken.aclose()

    async def push(self, frame: AudioFrame) -> None:
        if self._start is None:
            self._start = frame.start * 1000 // frame.rate
        process = self._entered()
        for at in range(0, len(frame.pcm), _PIECE):
            piece = frame.pcm[at : at + _PIECE]
            while self._on_the_way + len(piece) > WINDOW and self._process is not None and self._box.failure is None:
                self._room.clear()
                await self._room.wait()
            self._entered()
            self._on_the_way += len(piece)
            await process.say(StreamAudio(self._number, piece))

    async def end_utterance(self) -> None:
        process = self._entered()
        if not self._is_ended:
            self._is_ended = True
            await process.say(StreamEnd(self._number))

    def __aiter__(self) -> AsyncIterator[Hypothesis]:
        return self._box.__aiter__()

    # What the process says: a Listener.

    def took(self, size: int) -> None:
        self._on_the_way -= size
        self._room.set()

    def heard(self, heard: Heard) -> None:
        self._trial.passed()
        self.warnings += [warning for warning in heard.warnings if warning not in self.warnings]
        if heard.suppressed:
            self.suppressed = Suppressed(heard.suppressed, heard.suppressed_because)
        self._is_over = heard.is_final
        if heard.is_final:
            self._memory.pop(_SUSPECT, None)
        self._revision += 1
        self._box.put(
            hypothesis_of(
                heard,
                at=self._start or 0,
                revision=self._revision,
                provider=self._name,
                language=self._begin.language,
            )
        )

    def failed(self, failure: HubError) -> None:
        self._is_over = True
        self._box.fail(self._judged(failure) if isinstance(failure, ProviderDied) else failure)
        self._room.set()

    def _judged(self, death: ProviderDied) -> ProviderDied:
        """An utterance of which the process died twice while it was alone with it is not tried again."""
        alone = self._memory.get(_SUSPECT, 0) + self._trial.is_on
        if alone < MOST_DEATHS_ALONE:
            self._memory[_SUSPECT] = alone
            return death
        self._memory.pop(_SUSPECT, None)
        return ProviderDied(
            f"{self._name}: this utterance ends the engine's process; it is not tried again", retryable=False
        )

    def _entered(self) -> HostProcess:
        if self._box.failure is not None:
            raise self._box.failure
        if self._process is None:
            raise ProviderError(f"{self._name}: a stream must be entered with `async with` before it is used")
        return self._process
