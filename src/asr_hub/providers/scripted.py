"""An engine that needs no model: what it hears is a function of the audio. For tests, load runs and first steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from asr_hub.errors import ConfigError, ProviderError, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import HUB_RATE, AudioFrame, Hypothesis, ProviderName, Word
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.mailbox import Mailbox
from asr_hub.providers.not_done import not_done
from asr_hub.providers.settings import read_settings
from asr_hub.providers.slots import Slots

BLOCK_MS = 200
"""One word per so much audio, counted from the utterance's start."""

_WORDS = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu zero one two three four five"
)
VOCABULARY = tuple(_WORDS.split())

_RATES = (HUB_RATE, 8000)


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, on demand. Times are milliseconds of audio of one utterance."""

    start: str = ""
    """`start` fails with this message."""
    self_test: bool = False
    """The self-test hears something wrong."""
    fail_after_ms: int | None = None
    """The stream raises ProviderError. 0: as soon as it is entered."""
    hang_after_ms: int | None = None
    """The stream takes no more audio and answers nothing, until it is left."""
    no_final: bool = False
    """The end of the utterance is never answered."""
    late_s: float = 0.0
    """Seconds from the end of an utterance to its final, of one in `late_every`."""
    late_every: int = 1
    """One of so many, of all sessions together."""
    empty: bool = False
    """Nothing is ever understood."""
    garbage: bool = False
    """Texts jump, and have characters that no speaker says."""
    garbage_after_ms: int | None = None
    """The same, from there on."""
    invents: bool = False
    """What it says is judged as that of an engine which makes up text where nobody speaks."""
    cost: float = 0.0
    """Seconds that one second of audio takes, on the hub's clock."""


class ScriptedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: scripted`, which is for tests and load runs."""

    transcript: tuple[str, ...] = ()
    """One word per 200 ms of the session's audio, over and over. Without it a checksum of the audio picks the word."""
    partials: bool = True
    """Each word is told when it is heard, not with the final alone."""
    block_ms: int = BLOCK_MS
    """Milliseconds of audio per word."""
    max_streams: int = 64
    """Utterances at the same time. One more waits for a slot."""
    wait_s: float = 5.0
    """Seconds to wait for a slot before `overloaded`."""
    speaks: str | None = None
    """BCP 47: the language it takes all speech for. By default it says that of the session, where one was named."""
    languages: tuple[str, ...] = ()
    """BCP 47: those that it hears. By default any."""
    faults: Faults = Faults()


class Scripted:
    """
    A Provider. Each 200 ms of an utterance that are not digital silence are one word, however the audio was cut.

    Partials grow; all but the newest word is stable. A wake word is heard where a block's word is that phrase.
    """

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.settings = chosen = read_settings(name, settings, ScriptedSettings)
        if chosen.max_streams < 1:
            raise ConfigError(f"providers.{name}.settings: max_streams must be at least 1")
        if chosen.block_ms < 10:
            raise ConfigError(f"providers.{name}.settings: block_ms must be at least 10")
        self.capabilities = Capabilities(
            streaming=True,
            partials=chosen.partials,
            words=True,
            wake_words=True,
            languages=chosen.languages,
            sample_rates=_RATES,
            max_streams=chosen.max_streams,
            literal=not chosen.faults.invents,
            description="Hears a made-up word per 200 ms: for tests and load runs.",
        )
        self.slots = Slots(chosen.max_streams, chosen.wait_s, name=name)
        self._is_open = False
        self._ended = 0
        self._streams: set[ScriptedStream] = set()

    async def start(self) -> None:
        if self.settings.faults.start:
            raise ProviderUnavailable(f"{self.name}: {self.settings.faults.start}")
        self._is_open = True

    async def aclose(self) -> None:
        self._is_open = False
        for stream in tuple(self._streams):
            stream.fail(self._closed())

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> ScriptedStream:
        if options.sample_rate not in _RATES:
            raise UnsupportedAudio(f"{self.name} hears 16000 or 8000 Hz, not {options.sample_rate}; resample first")
        return ScriptedStream(self, options, memory)

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> Sequence[Hypothesis]:
        async with self.stream(options, {}) as stream:
            await stream.push(AudioFrame(pcm, 0, options.sample_rate))
            await stream.end_utterance()
            return tuple([hypothesis async for hypothesis in stream if hypothesis.is_final])

    async def self_test(self) -> str:
        pcm = bytes(range(256)) * (HUB_RATE * 2 * BLOCK_MS // 1000 // 256)
        said = self.word(pcm, 0) if not self.settings.faults.self_test else "something else"
        (final,) = await self.transcribe(pcm, RecognitionOptions())
        if final.text != said:
            raise ProviderUnavailable(f"{self.name}: the self-test heard {final.text!r} where {said!r} was said")
        return final.text

    def word(self, block: bytes, at: int) -> str:
        """The word that stands for `block`, which begins `at` milliseconds into the session."""
        if transcript := self.settings.transcript:
            return transcript[at // self.settings.block_ms % len(transcript)]
        return VOCABULARY[crc32(block) % len(VOCABULARY)]

    def admit(self, stream: ScriptedStream) -> None:
        if not self._is_open:
            raise self._closed()
        self._streams.add(stream)

    def count(self) -> int:
        """Utterances that have ended, with this one."""
        self._ended += 1
        return self._ended

    def dismiss(self, stream: ScriptedStream) -> None:
        self._streams.discard(stream)

    def _closed(self) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self.name}: not started, or closed")


class ScriptedStream:
    """A RecognitionStream without an engine behind it. `memory` counts the session's utterances."""

    def __init__(self, provider: Scripted, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> None:
        self._provider = provider
        self._faults = provider.settings.faults
        self._options = options
        self._memory = memory
        self._block = options.sample_rate * provider.settings.block_ms // 1000 * 2
        self._box = Mailbox()
        self._broken = asyncio.Event()
        self._pending = bytearray()
        self._start: int | None = None
        self._heard_ms = 0
        self._words: list[Word] = []
        self._text = ""
        self._stable = 0
        self._revision = 0
        self._is_entered = False
        self._is_ended = False
        self._late: asyncio.TimerHandle | None = None

    @property
    def warnings(self) -> Sequence[str]:
        return not_done(self._provider.name, self._provider.capabilities, self._options)

    @property
    def suppressed(self) -> None:
        """Nothing: what it hears, it says."""

    async def __aenter__(self) -> ScriptedStream:
        await self._provider.slots.__aenter__()
        try:
            self._provider.admit(self)
        except ProviderUnavailable:
            await self._provider.slots.__aexit__()
            raise
        self._is_entered = True
        self._maybe_fail()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._is_entered:
            self._is_entered = False
            self._broken.set()
            if self._late is not None:
                self._late.cancel()
            self._provider.dismiss(self)
            await self._provider.slots.__aexit__(*exc)

    def fail(self, failure: ProviderError) -> None:
        self._box.fail(failure)
        self._broken.set()

    async def push(self, frame: AudioFrame) -> None:
        self._check()
        if self._start is None:
            self._start = frame.start * 1000 // frame.rate
        if self._faults.cost:
            await asyncio.sleep(self._faults.cost * frame.samples / frame.rate)
        self._pending += frame.pcm
        while len(self._pending) >= self._block:
            await self._hear(bytes(self._pending[: self._block]))
            del self._pending[: self._block]

    async def end_utterance(self) -> None:
        self._check()
        if self._is_ended:
            return
        self._is_ended = True
        if self._pending:
            await self._hear(bytes(self._pending))
        if self._faults.no_final:
            return
        self._memory["scripted"] = self._memory.get("scripted", 0) + 1
        if self._faults.late_s and self._provider.count() % self._faults.late_every == 0:
            self._late = asyncio.get_running_loop().call_later(self._faults.late_s, self._tell_final)
        else:
            self._tell_final()

    def __aiter__(self) -> AsyncIterator[Hypothesis]:
        return self._box.__aiter__()

    def _tell_final(self) -> None:
        self._tell(is_final=True)

    def _check(self) -> None:
        if not self._is_entered:
            raise ProviderError(f"{self._provider.name}: a stream must be entered with `async with` before it is used")
        if self._box.failure is not None:
            raise self._box.failure

    async def _hear(self, block: bytes) -> None:
        start = self._heard_ms
        self._heard_ms += len(block) // 2 * 1000 // self._options.sample_rate
        hang = self._faults.hang_after_ms
        if hang is not None and self._heard_ms > hang:
            await self._broken.wait()
        self._maybe_fail()
        self._check()
        if self._faults.empty or not any(block):
            return
        word = self._word(block, start)
        if self._options.wake_words:
            if word in self._options.wake_words:
                self._text, self._stable = word, len(word)
                self._tell(is_final=False)
                self._text, self._stable = "", 0
            return
        at = self._start or 0
        self._words.append(Word(word, at + start, at + self._heard_ms))
        self._stable = len(self._text)
        self._text = f"{self._text} {word}" if self._text else word
        if self._options.partials and self._provider.capabilities.partials:
            self._tell(is_final=False)

    def _word(self, block: bytes, start: int) -> str:
        garbage_from = 0 if self._faults.garbage else self._faults.garbage_after_ms
        if garbage_from is not None and self._heard_ms > garbage_from:
            return "\u202e\U0001f4a9" * (1 + crc32(block) % 7)
        return self._provider.word(block, (self._start or 0) + start)

    def _maybe_fail(self) -> None:
        limit = self._faults.fail_after_ms
        if limit is not None and self._heard_ms >= limit:
            self._box.fail(ProviderError(f"{self._provider.name}: failed after {self._heard_ms} ms, as it was told to"))

    def _tell(self, *, is_final: bool) -> None:
        at = self._start or 0
        self._revision += 1
        self._box.put(
            Hypothesis(
                text=self._text,
                start=at,
                end=at + self._heard_ms,
                is_final=is_final,
                stable=len(self._text) if is_final else self._stable,
                revision=self._revision,
                # The words of each partial anew would cost the square of the utterance's length.
                words=tuple(self._words) if is_final else (),
                language=self._provider.settings.speaks or self._options.language,
                provider=self._provider.name,
            )
        )
