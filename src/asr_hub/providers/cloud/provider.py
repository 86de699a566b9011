"""A provider whose engine is a server somewhere: open and closed, slots, self-test. Subclasses talk to the server."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import numpy as np
import soxr
from msgspec.structs import replace

from asr_hub.errors import ConfigError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Capabilities, Condition, RecognitionOptions
from asr_hub.providers.cloud.pipe import AudioPipe
from asr_hub.providers.cloud.stream import CloudStream, Tell
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.slots import Slots


class CloudProvider(ABC):
    """
    A Provider without weights. Nothing is remembered from one utterance of a session to the next.

    Subclasses say how to reach the server (`connect`, `disconnect`) and how one utterance is heard (`converse`).
    """

    def __init__(self, name: ProviderName, capabilities: Capabilities, *, wait_s: float, hears_clip: bool) -> None:
        if capabilities.max_streams < 1:
            raise ConfigError(f"providers.{name}.settings: max_streams must be at least 1")
        self.name = name
        self.capabilities = capabilities
        self.slots = Slots(capabilities.max_streams, wait_s, name=name)
        self._hears_clip = hears_clip
        self._is_open = False
        self._reached = ""
        self._streams: set[CloudStream] = set()

    @abstractmethod
    async def connect(self) -> str:
        """Reach the server, and say in a few words what is there. Raises ProviderUnavailable."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Let go of the server. May be called twice, and without `connect`."""

    @abstractmethod
    async def converse(self, options: RecognitionOptions, audio: AudioPipe, tell: Tell) -> None:
        """Hear one utterance, as `stream.Converse` says."""

    def watch(self, tell: Callable[[Condition], None]) -> None:
        """Nothing to tell: a server that fails is an error of the utterance that met it."""

    async def start(self) -> None:
        """Raises ProviderUnavailable where the SDK or the credentials are missing or the server refuses."""
        try:
            self._reached = await self.connect()
        except BaseException:
            await self.disconnect()
            raise
        self._is_open = True

    async def aclose(self) -> None:
        self._is_open = False
        if streams := tuple(self._streams):
            await asyncio.gather(*(stream.fail(self._closed()) for stream in streams))
        await self.disconnect()

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> CloudStream:
        rates = self.capabilities.sample_rates
        if options.sample_rate not in rates:
            hears = " or ".join(map(str, rates))
            raise UnsupportedAudio(f"{self.name} hears {hears} Hz, not {options.sample_rate}; resample first")
        if options.wake_words:
            raise ConfigError(f"{self.name} spots no wake words; name a provider that does under `wake_word`")
        return CloudStream(self, options, self.converse)

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> Sequence[Hypothesis]:
        async with self.stream(replace(options, partials=False), {}) as stream:
            await stream.push(AudioFrame(pcm, 0, options.sample_rate))
            await stream.end_utterance()
            return tuple([hypothesis async for hypothesis in stream if hypothesis.is_final])

    async def self_test(self) -> str:
        """What the server said at the start, or, with `self_test: clip`, what it hears in the packaged clip."""
        if not self._is_open:
            raise self._closed()
        if not self._hears_clip:
            return self._reached
        clip = packaged_clip("self_test")
        rate = self.capabilities.sample_rates[0]
        pcm = clip.pcm if rate == clip.rate else _resampled(clip.pcm, clip.rate, rate)
        (final,) = await self.transcribe(pcm, RecognitionOptions(language="en-US", sample_rate=rate))
        if not clip.is_heard_in(final.text):
            raise ProviderUnavailable(
                f"{self.name}: the self-test heard {final.text!r} where {clip.text!r} was said; check the model"
            )
        return final.text

    def admit(self, stream: CloudStream) -> None:
        if not self._is_open:
            raise self._closed()
        self._streams.add(stream)

    def dismiss(self, stream: CloudStream) -> None:
        self._streams.discard(stream)

    def _closed(self) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self.name}: not started, or closed")


def _resampled(pcm: bytes, rate: int, to: int) -> bytes:
    samples: bytes = soxr.resample(np.frombuffer(pcm, "<i2"), rate, to).tobytes()
    return samples
