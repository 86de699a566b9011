"""One utterance on its way through a server: what all cloud providers have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Protocol

from asr_hub.errors import HubError, ProviderError
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions, Suppressed
from asr_hub.providers.cloud.pipe import AudioPipe
from asr_hub.providers.heard import hypothesis_of
from asr_hub.providers.mailbox import Mailbox
from asr_hub.providers.slots import Slots
from asr_hub.providers.worker_messages import Heard

BACKLOG_S = 10
"""Seconds of audio that may wait for the network."""

Tell = Callable[[Heard], None]
Converse = Callable[[RecognitionOptions, AudioPipe, Tell], Coroutine[Any, Any, None]]
"""
Sends the audio of one utterance to its server and tells what is understood: partials, then one final.

Times are milliseconds since the utterance began. Raises a HubError where the server fails.
"""


class Front(Protocol):
    """What a stream needs of its provider."""

    name: ProviderName
    slots: Slots

    def admit(self, stream: CloudStream) -> None:
        """Raises ProviderUnavailable unless the provider is open."""
        ...

    def dismiss(self, stream: CloudStream) -> None: ...


class CloudStream:
    """A RecognitionStream whose conversation with the server runs in a task of its own."""

    def __init__(self, front: Front, options: RecognitionOptions, converse: Converse) -> None:
        self.warnings: list[str] = []
        self.suppressed: Suppressed | None = None
        self._front = front
        self._options = options
        self._converse = converse
        self._audio = AudioPipe(BACKLOG_S * 2 * options.sample_rate)
        self._box = Mailbox()
        self._taken = AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        self._start: int | None = None
        self._revision = 0
        self._is_final = False

    async def __aenter__(self) -> CloudStream:
        async with AsyncExitStack() as taken:
            await taken.enter_async_context(self._front.slots)
            self._front.admit(self)
            taken.callback(self._front.dismiss, self)
            self._taken = taken.pop_all()
        self._task = asyncio.create_task(self._run(), name=f"{self._front.name}: utterance")
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._stop()
        finally:
            self._task = None
            await self._taken.aclose()

    async def fail(self, failure: ProviderError) -> None:
        """End the conversation with this error, and wait until it has let go of the server."""
        self._box.fail(failure)
        await self._stop()

    async def push(self, frame: AudioFrame) -> None:
        """Waits while more than ten seconds of audio have not been sent."""
        self._check()
        if self._start is None:
            self._start = frame.start * 1000 // frame.rate
        await self._audio.put(frame.pcm)
        self._check()

    async def end_utterance(self) -> None:
        self._check()
        self._audio.end()

    def __aiter__(self) -> AsyncIterator[Hypothesis]:
        return self._box.__aiter__()

    def _check(self) -> None:
        if self._task is None:
            raise ProviderError(f"{self._front.name}: a stream must be entered with `async with` before it is used")
        if self._box.failure is not None:
            raise self._box.failure

    async def _stop(self) -> None:
        self._audio.break_off()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        name = self._front.name
        try:
            await self._converse(self._options, self._audio, self._tell)
            if not self._is_final:
                raise ProviderError(f"{name}: the server ended the utterance without a final")
        except HubError as exc:
            self._box.fail(exc)
        except Exception as exc:  # noqa: BLE001 - the edge of a foreign SDK: its errors have no common class
            # Without its text, which may quote what was sent.
            self._box.fail(ProviderError(f"{name}: the connection failed in a way it should not: {type(exc).__name__}"))
        finally:
            self._audio.break_off()

    def _tell(self, heard: Heard) -> None:
        if self._is_final:
            return
        self._is_final = heard.is_final
        self.warnings += heard.warnings
        if heard.suppressed:
            self.suppressed = Suppressed(heard.suppressed, heard.suppressed_because)
        self._revision += 1
        self._box.put(
            hypothesis_of(
                heard,
                at=self._start or 0,
                revision=self._revision,
                provider=self._front.name,
                language=self._options.language,
            )
        )
