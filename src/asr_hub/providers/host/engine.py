"""
What the process that hosts an engine needs from it. Used in that process only.

An engine is one of two shapes. A `WholeEngine` hears an utterance at once and several utterances in one batch; the host
gathers audio, makes partials by decoding what is there so far, and cuts what is too long. A `StreamingEngine` hears
audio as it comes, for several streams in one step.

Both are called by one thread, never at the same time. Loading may take as long as it needs. Whatever an engine raises
fails the streams it was called for, not the process, with three meanings of their own:

* `OutOfMemory`: the batch was too large for the device. It is given again in halves; a batch of one fails its stream.
* `Broken`: the engine or its device cannot go on. The process ends and is started anew.
* any other HubError keeps its code; anything else becomes `provider`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

import msgspec

from asr_hub.providers.worker_messages import Begin, Heard

S = TypeVar("S")


class Broken(Exception):
    """The engine cannot be used any more: a device that failed, a library that lost its state."""


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One utterance, or a piece of one, on its way into a batch."""

    pcm: bytes
    """Signed 16 bit, little endian, one channel."""
    begin: Begin
    """How it is to be heard: rate, language, hotwords. `begin.partials` is what the client wants, not what this is."""
    context: str = ""
    """What was said right before it, in the same utterance."""
    is_final: bool = True
    """Whether this is decoded for good, or for a partial that the next one replaces."""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.begin.sample_rate


class WholeEngine(Protocol):
    """
    A loaded engine that hears whole utterances.

    What `recognise` gives for each clip is a `Heard` with text, words (milliseconds since the clip's first sample) and
    what else it knows; `end`, `is_final` and `memory` are the host's. An empty text is an answer.
    """

    version: str
    """Of engine and model, for people."""
    device: str
    """`cpu`, `cuda:0` …"""
    languages: tuple[str, ...]
    """BCP 47, as the loaded model has them. Empty: any."""
    max_clip_s: float | None
    """Seconds: longer utterances are cut at a quiet place, and come as several clips."""

    def bucket(self, clip: Clip) -> Hashable:
        """Clips of the same bucket can share a batch: equal options, similar length."""
        ...

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        """One result for each clip, in order. All clips are of one bucket."""
        ...


class StreamingEngine(Protocol[S]):
    """
    A loaded engine that hears audio as it comes. `S` is what it keeps for one utterance.

    A `Heard` holds the whole utterance's text so far, with times in milliseconds since its first sample; `is_final` and
    `memory` are the host's.
    """

    version: str
    device: str
    languages: tuple[str, ...]
    step_s: float
    """Seconds of audio of one step. The host gathers so much before it calls; what remains comes with `end`."""

    def begin(self, begin: Begin) -> S:
        """A new utterance."""
        ...

    def step(self, streams: Sequence[S], pcm: Sequence[bytes]) -> Sequence[Heard | None]:
        """
        Hear one step of audio for each stream, at least `step_s` long; none where nothing new was understood.

        A stream comes at most once in a call.
        """
        ...

    def end(self, streams: Sequence[S], pcm: Sequence[bytes]) -> Sequence[Heard]:
        """Hear what remains, shorter than a step and often nothing, and give what each utterance says in the end."""
        ...

    def drop(self, stream: S) -> None:
        """Forget an utterance: called once for each that was begun, also after `end`."""
        ...
