"""An engine of your own behind the hub: here one that hears how long you spoke."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.slots import Slots


class Stopwatch:
    """A provider: the engine, loaded once."""

    capabilities = Capabilities(
        streaming=True, max_streams=8, literal=True, description="Hears how long somebody spoke."
    )

    def __init__(self, name: ProviderName, settings: dict[str, Any]) -> None:
        self.name = name
        self.slots = Slots(self.capabilities.max_streams, wait_s=settings.get("wait_s", 5.0), name=name)

    async def start(self) -> None:
        """Load the model here; raise ProviderUnavailable, with what to install, where that fails."""

    async def aclose(self) -> None:
        """Free the model here."""

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> "Utterance":
        return Utterance(self, options)

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> list[Hypothesis]:
        async with self.stream(options, {}) as utterance:
            await utterance.push(AudioFrame(pcm, 0, options.sample_rate))
            await utterance.end_utterance()
            return [hypothesis async for hypothesis in utterance]

    async def self_test(self) -> str:
        (final,) = await self.transcribe(bytes(32_000), RecognitionOptions())
        return final.text


class Utterance:
    """A stream: one utterance on its way through the engine."""

    warnings = ()
    suppressed = None

    def __init__(self, engine: Stopwatch, options: RecognitionOptions) -> None:
        self._engine, self._rate = engine, options.sample_rate
        self._start: int | None = None
        self._samples = 0
        self._ended = asyncio.Event()

    async def __aenter__(self) -> "Utterance":
        await self._engine.slots.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._engine.slots.__aexit__(*exc)

    async def push(self, frame: AudioFrame) -> None:
        self._start = frame.start if self._start is None else self._start
        self._samples += frame.samples

    async def end_utterance(self) -> None:
        self._ended.set()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        await self._ended.wait()
        start = (self._start or 0) * 1000 // self._rate
        length = self._samples * 1000 // self._rate
        yield Hypothesis(text=f"{length / 1000:.1f} seconds", start=start, end=start + length, is_final=True)
