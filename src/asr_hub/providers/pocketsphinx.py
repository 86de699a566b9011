"""
PocketSphinx: the engine that comes with the hub and works where nothing else is installed.

Commands (a grammar or a list of phrases) and wake words are its strength; free dictation is rough. It holds the
interpreter's lock while it decodes, so it runs in worker processes that share one loaded model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Capabilities, Condition, RecognitionOptions
from asr_hub.providers.known_clip import KnownClip, own_clip, packaged_clip
from asr_hub.providers.pocketsphinx_settings import PocketSphinxSettings
from asr_hub.providers.pooled_stream import PooledStream
from asr_hub.providers.process_pool import PoolSettings, ProcessPool
from asr_hub.providers.settings import read_settings
from asr_hub.providers.slots import Slots
from asr_hub.providers.worker_messages import Begin

STREAMS_PER_CORE = 2
"""Dictation with partials costs half a core in real time."""

_TARGET = "asr_hub.providers.pocketsphinx_worker:load"
_DECOYS = ("stop the music", "what time is it", "please open the window")


class PocketSphinx:
    """
    A Provider. `memory` keeps the channel mean of the session under the key "process-pool".

    Hotwords whose words have no pronunciation are skipped and told in the stream's `warnings`. A wake word without
    one raises ConfigError. `stable` of its partials is always 0: the final comes from another look at the audio.
    """

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        self.name = name
        self._settings = chosen = read_settings(name, settings, PocketSphinxSettings)
        _check(name, chosen)
        streams = chosen.max_streams or STREAMS_PER_CORE * (os.cpu_count() or 1)
        self.capabilities = Capabilities(
            streaming=True,
            partials=True,
            words=True,
            confidence=True,
            hotwords=not chosen.is_grammar,
            hotword_weights=not chosen.is_grammar,
            wake_words=True,
            languages=(chosen.language,),
            sample_rates=(chosen.sample_rate,),
            max_streams=streams,
            description="Commands and wake words, offline, on any machine; free dictation is rough.",
        )
        self.slots = Slots(streams, chosen.wait_s, name=name)
        self.pool = ProcessPool(
            name,
            _TARGET,
            msgspec.to_builtins(chosen),
            PoolSettings(max_workers=streams, start_timeout_s=chosen.start_timeout_s),
        )

    def watch(self, tell: Callable[[Condition], None]) -> None:
        self.pool.watch(tell)

    async def start(self) -> None:
        await self.pool.start()

    async def aclose(self) -> None:
        await self.pool.aclose()

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> PooledStream:
        return self._stream(options, memory)

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> Sequence[Hypothesis]:
        return await self._transcribe(pcm, msgspec.structs.replace(options, partials=False))

    async def self_test(self) -> str:
        chosen = self._settings
        if chosen.self_test_clip is not None:
            clip = own_clip(chosen.self_test_clip, chosen.self_test_text)
        elif chosen.has_own_models:
            # Nothing is known about what these can hear: it is tested that they answer.
            clip = KnownClip(pcm=bytes(chosen.sample_rate * 2), rate=chosen.sample_rate, text="")
        else:
            clip = packaged_clip("self_test")
        phrases = (clip.text, *_DECOYS) if chosen.is_grammar and clip.text and not chosen.self_test_clip else ()
        options = RecognitionOptions(sample_rate=clip.rate, partials=False)
        (final,) = await self._transcribe(clip.pcm, options, phrases)
        if clip.text and not clip.is_heard_in(final.text):
            raise ProviderUnavailable(
                f"{self.name}: the self-test heard {final.text!r} where {clip.text!r} was said; "
                "check that models, dictionary and sample_rate belong together"
            )
        return final.text

    async def _transcribe(
        self, pcm: bytes, options: RecognitionOptions, phrases: tuple[str, ...] = ()
    ) -> Sequence[Hypothesis]:
        stream = self._stream(options, {}, phrases)
        async with stream:
            await stream.push(AudioFrame(pcm, 0, options.sample_rate))
            await stream.end_utterance()
            return tuple([hypothesis async for hypothesis in stream if hypothesis.is_final])

    def _stream(
        self, options: RecognitionOptions, memory: MutableMapping[str, Any], phrases: tuple[str, ...] = ()
    ) -> PooledStream:
        if options.sample_rate != self._settings.sample_rate:
            raise UnsupportedAudio(
                f"{self.name} hears {self._settings.sample_rate} Hz, not {options.sample_rate}; resample first"
            )
        begin = Begin(
            sample_rate=options.sample_rate,
            language=options.language,
            hotwords=tuple(sorted(set(options.hotwords))),
            hotword_weights=dict(sorted(options.hotword_weights.items())),
            wake_words=options.wake_words,
            phrases=phrases,
            partials=options.partials,
        )
        return PooledStream(
            self.name,
            pool=self.pool,
            slots=self.slots,
            begin=begin,
            profile=repr((begin.hotwords, begin.hotword_weights, begin.wake_words, begin.phrases)),
            memory=memory,
            language=self._settings.language,
            patient=options.patient,
        )


def _check(name: str, chosen: PocketSphinxSettings) -> None:
    where = f"providers.{name}.settings"
    if chosen.grammar and chosen.phrases:
        raise ConfigError(f"{where}: give `grammar` or `phrases`, not both")
    if chosen.max_streams is not None and chosen.max_streams < 1:
        raise ConfigError(f"{where}: max_streams must be at least 1")
    if chosen.sample_rate < 8000:
        raise ConfigError(f"{where}: sample_rate must be at least 8000")
