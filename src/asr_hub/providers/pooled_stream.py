"""One utterance on its way through a worker of a process pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from asr_hub.errors import HubError, ProviderError
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Suppressed
from asr_hub.providers.heard import hypothesis_of
from asr_hub.providers.mailbox import Mailbox
from asr_hub.providers.process_pool import ProcessPool, Worker
from asr_hub.providers.slots import Slots
from asr_hub.providers.worker_messages import Begin, End, Heard

_MEMORY = "process-pool"


class PooledStream:
    """
    A RecognitionStream over a worker.

    `warnings` tells, at the latest with the final, what was asked for and cannot be done.
    """

    def __init__(
        self,
        name: ProviderName,
        *,
        pool: ProcessPool,
        slots: Slots,
        begin: Begin,
        profile: str,
        memory: MutableMapping[str, Any],
        language: str | None,
        patient: bool = True,
    ) -> None:
        self.warnings: list[str] = []
        self.suppressed: Suppressed | None = None
        self._name = name
        self._pool = pool
        self._slots = slots
        self._begin = begin
        self._profile = profile
        self._memory = memory
        self._language = language
        self._patient = patient
        self._taken = AsyncExitStack()
        self._worker: Worker | None = None
        self._reader: asyncio.Task[None] | None = None
        self._box = Mailbox()
        self._revision = 0
        self._start: int | None = None
        self._ended = False

    async def __aenter__(self) -> PooledStream:
        async with AsyncExitStack() as taken:
            await taken.enter_async_context(self._slots)
            worker = await taken.enter_async_context(self._pool.worker(self._profile, patient=self._patient))
            self._worker = worker
            await worker.say(msgspec.structs.replace(self._begin, memory=dict(self._memory.get(_MEMORY, {}))))
            self._taken = taken.pop_all()
        self._reader = asyncio.create_task(self._read(worker), name=f"{self._name}: worker {worker.pid}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        reader, self._reader = self._reader, None
        try:
            if reader is not None:
                reader.cancel()
                await asyncio.wait((reader,))
        finally:
            self._worker = None
            await self._taken.aclose()

    async def push(self, frame: AudioFrame) -> None:
        if self._start is None:
            self._start = frame.start * 1000 // frame.rate
        await self._entered().hear(frame.pcm)

    async def settled(self) -> None:
        """Wait until the engine has caught up with what was pushed. For measurements: partials are up to date then."""
        await self._entered().settled()

    async def end_utterance(self) -> None:
        worker = self._entered()
        if not self._ended:
            self._ended = True
            await worker.say(End())

    def __aiter__(self) -> AsyncIterator[Hypothesis]:
        return self._box.__aiter__()

    def _entered(self) -> Worker:
        if self._worker is None:
            raise ProviderError(f"{self._name}: a stream must be entered with `async with` before it is used")
        if self._box.failure is not None:
            raise self._box.failure
        return self._worker

    async def _read(self, worker: Worker) -> None:
        try:
            async for heard in worker.heard():
                self._take(heard)
        except HubError as exc:
            self._box.fail(exc)

    def _take(self, heard: Heard) -> None:
        self.warnings += heard.warnings
        if heard.suppressed:
            self.suppressed = Suppressed(heard.suppressed, heard.suppressed_because)
        if heard.is_final:
            self._memory[_MEMORY] = heard.memory
        self._revision += 1
        self._box.put(
            hypothesis_of(
                heard, at=self._start or 0, revision=self._revision, provider=self._name, language=self._language
            )
        )
