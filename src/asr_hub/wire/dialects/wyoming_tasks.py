"""What is done with a stream of audio in Wyoming, and what its client is told of it: a transcript, or wake words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from asr_hub.model import EndpointReason, Hypothesis
from asr_hub.wire.dialects.growing import Growing, Policy
from asr_hub.wire.dialects.spacing import joined, spaced
from asr_hub.wire.dialects.wyoming_events import Event
from asr_hub.wire.messages import AnyServerMessage, Endpoint, Final, Partial, SpeechStarted, Start, WakeWord

QUIET_MS = {"aggressive": 250, "default": 700, "relaxed": 1250}
"""
Milliseconds of silence after which a command is over, by `vad_sensitivity`: those of Home Assistant's own detector. The
hub's `audio.endpointing.min_silence_s` passes in any case.
"""

NOTHING_MS = 15_000
"""Milliseconds of audio without speech after which there is none to come: as long as Home Assistant waits."""


class Task(Protocol):
    """Made for each stream. `base` is what the client calls the beginning of the session, in milliseconds."""

    start: Start
    """How its session is opened, in the usual format."""
    goes_on: bool
    """What the client says after the answer is for a next answer; otherwise it is not heard."""

    def tell(self, message: AnyServerMessage, base: int) -> list[Event]:
        """What the session says."""
        ...

    def is_over(self, at: int) -> bool:
        """Whether the hub ends it, with so many milliseconds of audio in the session."""
        ...

    def answer(self) -> list[Event]:
        """What ends it: once for each stream, whatever was heard."""
        ...


class Transcribing:
    """
    `transcript-start`, what is sure of the words so far, and the whole in `transcript`, even where nothing was said.

    A stream may have several utterances: their texts are joined.
    """

    goes_on = False

    def __init__(self, start: Start, policy: Policy, *, quiet_ms: int = QUIET_MS["default"]) -> None:
        self.start = start
        self._policy = policy
        self._quiet_ms = quiet_ms
        self._growing = Growing(policy)
        self._utterance = 0
        self._texts: list[str] = []
        self._language = start.language
        self._last = ""
        """The end of what was told."""
        self._has_begun = False
        self._is_speaking = False
        self._pending = 0
        """Utterances that are over and have no final yet."""
        self._quiet_from = 0
        self._needed = NOTHING_MS
        """Of silence from there, for the command to be over."""

    def tell(self, message: AnyServerMessage, base: int) -> list[Event]:
        match message:
            case SpeechStarted():
                self._is_speaking = True
                return [Event("voice-started", {"timestamp": base + message.at})]
            case Partial():
                return self._chunk(self._of(message.utterance).partial(message.hypothesis))
            case Endpoint():
                self._is_speaking = False
                self._pending += message.reason is not EndpointReason.CLEAR
                self._quiet_from = message.at
                # Who was cut speaks on.
                self._needed = NOTHING_MS if message.reason is EndpointReason.MAX_LENGTH else self._quiet_ms
                return [Event("voice-stopped", {"timestamp": base + message.at})]
            case Final():
                self._pending -= 1
                return self._final(message.utterance, message.hypothesis)
            case _:
                return []

    def is_over(self, at: int) -> bool:
        if self._is_speaking or self._pending > 0:
            return False
        return at - self._quiet_from >= (self._needed if self._texts else NOTHING_MS)

    def answer(self) -> list[Event]:
        data = {"text": joined(self._texts), **self._spoken()}
        return [*self._begin(), Event("transcript", data), Event("transcript-stop")]

    def _of(self, utterance: int) -> Growing:
        if utterance != self._utterance:
            self._utterance = utterance
            self._growing = Growing(self._policy)
        return self._growing

    def _final(self, utterance: int, hypothesis: Hypothesis) -> list[Event]:
        self._language = hypothesis.language or self._language
        if text := hypothesis.text.strip():
            self._texts.append(text)
        return self._chunk(self._of(utterance).final(hypothesis))

    def _chunk(self, text: str) -> list[Event]:
        if not text:
            return []
        if self._growing.told == text:
            # The first of its utterance.
            text = f"{_gap(self._last, text)}{text}"
        self._last = text[-1]
        return [*self._begin(), Event("transcript-chunk", {"text": text})]

    def _begin(self) -> list[Event]:
        if self._has_begun:
            return []
        self._has_begun = True
        return [Event("transcript-start", self._spoken())]

    def _spoken(self) -> dict[str, Any]:
        return {} if self._language is None else {"language": self._language}


class Detecting:
    """`detection` for each wake word, and `not-detected` at the end of a stream that had none."""

    goes_on = True

    def __init__(self, names: Collection[str] | None = None) -> None:
        self.start = Start(partials=False)
        self._names = None if names is None else frozenset(names)
        self._was_detected = False
        self._is_awake = False
        """Since then the session hears what is said to it, and no wake words."""

    def tell(self, message: AnyServerMessage, base: int) -> list[Event]:
        if not isinstance(message, WakeWord):
            return []
        self._is_awake = True
        if self._names is not None and message.phrase not in self._names:
            return []
        self._was_detected = True
        return [Event("detection", {"name": message.phrase, "timestamp": base + message.at})]

    def is_over(self, at: int) -> bool:
        is_awake, self._is_awake = self._is_awake, False
        return is_awake

    def answer(self) -> list[Event]:
        return [] if self._was_detected else [Event("not-detected")]


def _gap(before: str, after: str) -> str:
    """The space between two texts, where their writing has spaces."""
    return "" if not after or after[0].isspace() else spaced(before)[len(before) :]
