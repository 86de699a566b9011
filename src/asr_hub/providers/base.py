"""What the hub asks of a speech recogniser. One file or folder per engine lives next to this one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from asr_hub.model import HUB_RATE, AudioFrame, Hypothesis, ProviderName


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """Told, not guessed: the hub plans by these and never probes."""

    streaming: bool
    """Takes audio while it is spoken."""
    partials: bool = False
    words: bool = False
    """Word times."""
    confidence: bool = False
    endpointing: bool = False
    """Ends utterances by itself."""
    hotwords: bool = False
    hotword_weights: bool = False
    """Prefers some hotwords more than others."""
    wake_words: bool = False
    """Can spot phrases for an armed session: `stream` with `options.wake_words`."""
    languages: tuple[str, ...] = ()
    """BCP 47. Empty: any."""
    sample_rates: tuple[int, ...] = (HUB_RATE,)
    """Hertz, the preferred one first."""
    max_streams: int = 1
    """Streams that may run at the same time. One more waits for a slot."""
    batch: bool = False
    """Gains from decoding several utterances at once."""
    gpu: bool = False
    literal: bool = False
    """Its text follows from the audio whether that is speech or not, so nothing of it is taken for made up."""
    emulates: tuple[str, ...] = ()
    """Fields above that the engine has no means for: the hub makes up for it, at a cost."""
    description: str = ""
    """What it is good for, in one sentence, for people."""


class RecognitionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one utterance is to be heard."""

    language: str | None = None
    hotwords: tuple[str, ...] = ()
    hotword_weights: dict[str, float] = {}
    """Those other than 1, by hotword, from 0.1 to 10."""
    hotwords_matched: bool = False
    """For an engine that knows no hotwords, they are put into its final afterwards, where words sound like them."""
    sample_rate: int = HUB_RATE
    """Hertz of the frames that will be pushed; one of the provider's `sample_rates`."""
    partials: bool = True
    patient: bool = True
    """Wait for an engine that comes back after a pause; otherwise ProviderUnavailable is raised at once."""
    wake_words: tuple[str, ...] = ()
    """Not empty: listen for these phrases only. The stream then yields one hypothesis per phrase heard."""


class Suppressed(NamedTuple):
    """Text that an engine heard and takes for no speech."""

    text: str
    reason: str


class RecognitionStream(Protocol):
    """
    One utterance on its way through one engine.

    `push` waits while the engine is behind: that wait is the back-pressure. Iterate for hypotheses: partials, then
    exactly one final, then the iteration ends. `async with` takes the slot (waiting for one, or raising `Overloaded`)
    and frees it on success, error and cancel alike.
    """

    @property
    def warnings(self) -> Sequence[str]:
        """What was asked for and cannot be done, for people; complete at the latest with the final."""
        ...

    @property
    def suppressed(self) -> Suppressed | None:
        """What the final keeps back, if anything; known with the final."""
        ...

    async def push(self, frame: AudioFrame) -> None:
        """Take the next piece of the utterance. Raises ProviderError when the engine failed."""
        ...

    async def end_utterance(self) -> None:
        """The utterance is over. The final hypothesis must come, even an empty one."""
        ...

    def __aiter__(self) -> AsyncIterator[Hypothesis]: ...

    async def __aenter__(self) -> RecognitionStream: ...

    async def __aexit__(self, *exc: object) -> None: ...


class State(StrEnum):
    """How a provider is, between its start and its end."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    """It tries again by itself."""
    UNLOADED = "unloaded"
    """Its model is not in memory; the next utterance loads it."""


class Condition(NamedTuple):
    """A change of how a provider is, or, with `READY` and a message, something people should know of it."""

    state: State
    code: str = ""
    """With `FAILED`: one of the codes of `errors.py`."""
    message: str = ""
    retry_in: float | None = None
    """With `FAILED`: seconds until it tries again."""


class Provider(Protocol):
    """An engine, loaded and ready."""

    name: ProviderName
    capabilities: Capabilities
    """Those of the loaded model, once it is started."""

    async def start(self) -> None:
        """Load the model and warm it. Raises ProviderUnavailable with what to install."""
        ...

    async def aclose(self) -> None:
        """End every stream and free the engine. May be called twice."""
        ...

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> RecognitionStream:
        """
        One utterance of one session.

        `memory` belongs to the session: what the provider must remember between its utterances (a channel mean, the
        text so far) it keeps there, under keys of its own.
        """
        ...

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> Sequence[Hypothesis]:
        """One utterance, whole: `pcm` as in `AudioFrame`. Times count from its first sample. Takes a slot."""
        ...

    async def self_test(self) -> str:
        """
        Decode a clip with a known answer and return the text heard.

        Raises ProviderUnavailable where the answer is wrong: weights that load but do not hear are found here.
        """
        ...


@runtime_checkable
class Changing(Protocol):
    """A provider whose condition changes by itself between its start and its end."""

    def watch(self, tell: Callable[[Condition], None]) -> None:
        """Tell every change. One listener, named before `start`; it does not raise."""
        ...
