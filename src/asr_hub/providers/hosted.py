"""
A provider whose engine lives in a process of its own, which serves all its streams: the shape of most engines.

The engine's SDK is imported there and nowhere else. A crash, a device that fails or an import that takes half a minute
does not touch the hub; the utterances that were being heard fail with an error that lets them be heard again.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from asr_hub.errors import ConfigError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import Capabilities, Condition, RecognitionOptions, State
from asr_hub.providers.host.messages import LoadEngine, Noted
from asr_hub.providers.host.process import HostProcess
from asr_hub.providers.hosted_stream import HostedStream
from asr_hub.providers.known_clip import KnownClip, own_clip, packaged_clip
from asr_hub.providers.not_done import not_done
from asr_hub.providers.slots import Slots
from asr_hub.providers.supervisor import Supervisor
from asr_hub.providers.trial import Trial
from asr_hub.providers.worker_messages import Begin

ON_A_GPU = 64
WHOLE_PER_CORE = 4
STEPS_PER_CORE = 16
"""Utterances at the same time, where the settings do not say."""


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of every provider with an engine process. An engine's own settings extend these."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:1`. `auto` takes a GPU where the engine finds one."""
    max_streams: int | None = None
    """
    Utterances at the same time. One more waits for a slot. By default 64 on a GPU; on the CPU 4 for each core where the
    engine hears whole utterances, 16 where it hears them as they come.
    """
    wait_s: float = 5.0
    """Seconds to wait for a slot before `overloaded`."""
    max_batch: int = 16
    """Utterances that may share one call of the engine. Halved, and said so, when the device has no memory for it."""
    partial_s: float = 0.8
    """Seconds of new audio after which a partial is due; for engines that hear whole utterances only."""
    threads: int = 1
    """Of the engine, on the CPU."""
    memory_mb: int | None = None
    """
    MiB that the engine's process may take: all of its memory on the CPU, that of the device on a GPU. Not limited by
    default. An engine that cannot be held to it on a GPU refuses it.
    """
    load: Literal["start", "demand"] = "start"
    """`demand`: the model is tried at the start, and then loaded with the first utterance."""
    unload_after_s: float | None = None
    """Seconds without an utterance after which the model is unloaded; the next one loads it again."""
    start_timeout_s: float = 180.0
    """Seconds for loading."""
    hang_s: float = 120.0
    """Seconds of silence of an engine that owes an answer, after which its process is ended and started anew."""
    self_test: Literal["clip", "answers", "off"] | None = None
    """
    `clip`: the packaged English clip, or `self_test_clip`, must be heard; `answers`: any answer will do. By default
    `clip` where the model knows English.
    """
    self_test_clip: str | None = None
    """A mono 16-bit WAV file."""
    self_test_text: str | None = None
    """What is said in it."""


class Hosted:
    """
    A Provider. Subclasses say in their constructor which engine it is.

    `target` is `module:function` of the engine's side: called in the engine's process with the settings as builtins, it
    returns a StreamingEngine or a WholeEngine, as `is_streaming` says. `languages` of the loaded engine replace those
    of `capabilities`.
    """

    def __init__(
        self,
        name: ProviderName,
        settings: HostSettings,
        capabilities: Capabilities,
        *,
        target: str,
        is_streaming: bool,
    ) -> None:
        _check(name, settings)
        self.name = name
        self.capabilities = replace(
            capabilities,
            max_streams=settings.max_streams or ON_A_GPU,
            # An engine that hears whole utterances is given the growing one again and again.
            emulates=capabilities.emulates if is_streaming else ("streaming", "partials"),
        )
        self.version = ""
        """Of engine and model. Known after `start`."""
        self.device = ""
        """Known after `start`."""
        self._settings = settings
        self._load = LoadEngine(
            target=target,
            settings=msgspec.to_builtins(settings),
            max_batch=settings.max_batch,
            first_batch=settings.max_batch,
            partial_s=settings.partial_s,
            memory_mb=settings.memory_mb,
            is_streaming=is_streaming,
        )
        self._slots = Slots(self.capabilities.max_streams, settings.wait_s, name=name)
        self._tell: Callable[[Condition], None] = _unheard
        self._processes = Supervisor(name, self._new_process, patience_s=settings.start_timeout_s, tell=self._told)
        self._busy = 0
        self._suspects = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        # An engine that is loaded on demand proves itself once, and is then let go until it is needed.
        self._rest_after_s = 0.0 if settings.load == "demand" else settings.unload_after_s

    @property
    def pid(self) -> int:
        """Of the engine's process; 0 where there is none."""
        process = self._processes.current
        return 0 if process is None else process.pid

    def watch(self, tell: Callable[[Condition], None]) -> None:
        self._tell = tell

    async def start(self) -> None:
        await self._processes.start()

    async def aclose(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        await self._processes.aclose()

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> HostedStream:
        if options.sample_rate not in self.capabilities.sample_rates:
            rates = " or ".join(map(str, self.capabilities.sample_rates))
            raise UnsupportedAudio(f"{self.name} hears {rates} Hz, not {options.sample_rate}; resample first")
        if options.wake_words:
            raise ConfigError(f"{self.name} cannot spot wake words; name one that can in `wake_word.provider`")
        begin = Begin(
            sample_rate=options.sample_rate,
            language=options.language,
            hotwords=options.hotwords if self.capabilities.hotwords else (),
            hotword_weights=options.hotword_weights if self.capabilities.hotword_weights else {},
            partials=options.partials and self.capabilities.partials,
        )
        lend = functools.partial(self._lend, options.patient)
        warnings = not_done(self.name, self.capabilities, options)
        on_trial = replace(begin, partials=self.capabilities.partials)
        return HostedStream(self.name, lend, begin, warnings, memory, trial=Trial(self._suspects), on_trial=on_trial)

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> Sequence[Hypothesis]:
        async with self.stream(replace(options, partials=False), {}) as stream:
            await stream.push(AudioFrame(pcm, 0, options.sample_rate))
            await stream.end_utterance()
            return tuple([hypothesis async for hypothesis in stream if hypothesis.is_final])

    async def self_test(self) -> str:
        clip = self._known_clip()
        if clip is None:
            self._rest_later()
            return ""
        options = RecognitionOptions(sample_rate=clip.rate, language="en" if clip.is_packaged else None)
        (final,) = await self.transcribe(clip.pcm, options)
        if clip.text and not clip.is_heard_in(final.text):
            raise ProviderUnavailable(
                f"{self.name}: the self-test heard {final.text!r} where {clip.text!r} was said; check that the model's "
                "files belong together, or set `self_test: answers`"
            )
        return final.text

    def _known_clip(self) -> KnownClip | None:
        chosen = self._settings
        if chosen.self_test == "off":
            return None
        if chosen.self_test_clip is not None:
            return own_clip(chosen.self_test_clip, chosen.self_test_text)
        languages = self.capabilities.languages
        knows_english = not languages or any(tag.partition("-")[0] == "en" for tag in languages)
        if chosen.self_test == "clip" or (chosen.self_test is None and knows_english):
            clip = packaged_clip("self_test")
            if clip.rate in self.capabilities.sample_rates:
                return clip
        # Nothing is known about what this model hears: it is tested that it answers.
        rate = self.capabilities.sample_rates[0]
        return KnownClip(pcm=bytes(2 * rate), rate=rate, text="")

    @asynccontextmanager
    async def _lend(self, patient: bool, trial: Trial | None) -> AsyncIterator[HostProcess]:
        async with self._slots:
            self._busy += 1
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            try:
                process = await self._processes.living(patient=patient)
                # The turn is short: nobody has it while the next process is made.
                async with trial or nullcontext():
                    yield process if process.is_alive else await self._processes.living(patient=patient)
            finally:
                self._busy -= 1
                self._rest_later()

    def _rest_later(self) -> None:
        """Where nobody needs it and it shall not stay: let the model go after a while."""
        if not self._busy and self._idle is None and self._rest_after_s is not None:
            self._idle = asyncio.get_running_loop().call_later(self._rest_after_s, self._rest)

    def _rest(self) -> None:
        self._idle = None
        self._rest_after_s = self._settings.unload_after_s
        if not self._busy:
            self._processes.rest()

    async def _new_process(self) -> HostProcess:
        process = HostProcess(self.name, self._noted, hang_s=self._settings.hang_s)
        try:
            loaded = await process.start(self._load, self._environment(), self._settings.start_timeout_s)
        except BaseException:
            await process.bury()
            raise
        self.version, self.device = loaded.version, loaded.device
        on_cpu = loaded.device.startswith("cpu")
        if on_cpu and self._settings.max_streams is None:
            per_core = STEPS_PER_CORE if self._load.is_streaming else WHOLE_PER_CORE
            self._slots.max_streams = per_core * (os.cpu_count() or 1)
        self.capabilities = replace(
            self.capabilities,
            languages=loaded.languages or self.capabilities.languages,
            gpu=self.capabilities.gpu and not on_cpu,
            max_streams=self._slots.max_streams,
        )
        return process

    def _environment(self) -> Mapping[str, str]:
        threads = str(self._settings.threads)
        return {
            # Read when the libraries are loaded, which is before any setting could reach them.
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
            # A model is pulled by a person, who has seen its size and licence, and never by a server that starts.
            **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"), "1"),
            "TOKENIZERS_PARALLELISM": "false",
            # Large blocks go back to the system when they are freed, so that a budget is not lost to an old batch.
            **({"MALLOC_MMAP_THRESHOLD_": "65536"} if self._settings.memory_mb is not None else {}),
        }

    def _noted(self, note: Noted) -> None:
        if note.batch is not None:
            self._load = replace(self._load, first_batch=note.batch)
        self._tell(Condition(State.READY, note.code, note.message))

    def _told(self, condition: Condition) -> None:
        if condition.state is State.FAILED:
            # Some engines die where others would say that there is no memory.
            self._load = replace(self._load, first_batch=max(1, self._load.first_batch // 2))
        self._tell(condition)
        if condition.state is State.READY:
            self._rest_later()


def _unheard(condition: Condition) -> None:
    """Nobody watches."""


def _check(name: str, chosen: HostSettings) -> None:
    where = f"providers.{name}.settings"
    for key in ("max_streams", "max_batch", "threads"):
        if (number := getattr(chosen, key)) is not None and number < 1:
            raise ConfigError(f"{where}: {key} must be at least 1")
    for key in ("partial_s", "start_timeout_s", "hang_s"):
        if getattr(chosen, key) <= 0:
            raise ConfigError(f"{where}: {key} must be more than 0 seconds")
    if chosen.memory_mb is not None and chosen.memory_mb < 1:
        raise ConfigError(f"{where}: memory_mb must be at least 1")
    if chosen.unload_after_s is not None and chosen.unload_after_s < 0:
        raise ConfigError(f"{where}: unload_after_s must not be negative")
