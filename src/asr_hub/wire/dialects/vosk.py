"""
What clients of vosk-server say and are told over its WebSocket.

    {"config": {...}}   no answer; before the audio
    audio               exactly one answer: {"partial": "..."} or {"result": [...], "text": "..."}
    {"reset": 1}        one answer: what was said so far, and the connection goes on
    {"eof": 1}          one answer: the rest, and the connection is closed

Clients send a frame and wait for its answer, so that nothing is told unasked. A frame is answered at once: with the
oldest final that the client was not told yet, or else with the current partial; what the frame itself says comes with
the next ones. What is left at `reset` or `eof` comes as one final.

Beside the server's own: `model` is what the hub's configuration calls one. `phrase_list` are hotwords of weight 1, not
all that can be heard; of a list that is too long the first ones are taken, and a phrase that is too long counts as its
words. `words` is on unless it is turned off, as in the server. A confidence that the engine does not tell is 1.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec

from asr_hub.errors import HubError, ProtocolError
from asr_hub.model import Alternative, AudioFormat, EndpointReason, Hypothesis
from asr_hub.model import Word as HeardWord
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects import json_text
from asr_hub.wire.dialects.codec import Audio, HangUp, Reply, Step, Text
from asr_hub.wire.dialects.samples import Samples
from asr_hub.wire.dialects.spacing import joined
from asr_hub.wire.messages import AnyServerMessage, Close, Closed, Final, Finalize, Partial, Start
from asr_hub.wire.refusal import ending

USUAL_RATE = 8000
"""Hertz: of a client that does not say."""


class Config(msgspec.Struct, frozen=True):
    """How a client wants to be heard and told. What it leaves out stays as it was."""

    sample_rate: float | None = None
    phrase_list: tuple[str, ...] | None = None
    words: bool | None = None
    max_alternatives: int | None = None
    model: str | None = None


class Said(msgspec.Struct, frozen=True):
    """A text frame of a client."""

    config: Config | None = None
    eof: Any = None
    reset: Any = None


class TimedWord(msgspec.Struct, frozen=True):
    """Times are in seconds since the session began."""

    end: float
    start: float
    word: str
    conf: float | msgspec.UnsetType = msgspec.UNSET


class PartialTold(msgspec.Struct, frozen=True):
    """What is said now."""

    partial: str


class FinalTold(msgspec.Struct, frozen=True):
    """What was said."""

    text: str
    result: tuple[TimedWord, ...] | msgspec.UnsetType = msgspec.UNSET


class AlternativeTold(msgspec.Struct, frozen=True):
    """One reading of what was said."""

    confidence: float
    text: str
    result: tuple[TimedWord, ...] | msgspec.UnsetType = msgspec.UNSET


class AlternativesTold(msgspec.Struct, frozen=True):
    """What was said, to a client that wants more than one reading."""

    alternatives: tuple[AlternativeTold, ...]


class _Owed(Enum):
    """An answer that the client waits for."""

    FRAME = "frame"
    RESET = "reset"
    EOF = "eof"


class Vosk:
    """A `Codec`. `provider` says who hears for a model; it raises NotFound."""

    def __init__(self, provider: Callable[[str | None], str | None], limits: Limits = Limits()) -> None:
        self._provider = provider
        self._limits = limits
        self._config = Config(sample_rate=USUAL_RATE, phrase_list=(), words=True, max_alternatives=0)
        self._samples: Samples | None = None
        """Of the session; none before it begins."""
        self._owed: deque[_Owed] = deque()
        self._finals: deque[Hypothesis] = deque()
        """Those the client was not told yet."""
        self._partial = ""
        self._is_over = False

    def greet(self) -> Sequence[Step]:
        return ()

    def receive_text(self, text: str) -> Sequence[Step]:
        said = json_text.read(text, Said)
        if _Owed.EOF in self._owed or self._is_over:
            return ()
        if said.config is not None:
            self._configure(said.config)
        if said.eof:
            return self._end()
        return self._reset() if said.reset else ()

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        if _Owed.EOF in self._owed or self._is_over:
            return ()
        steps: list[Step] = []
        samples = self._samples
        if samples is None:
            start = self._start()
            samples = Samples(start.format)
            steps.append(start)
        if audio := samples.whole(data):
            steps.append(Audio(audio))
        self._samples = samples
        self._owed.append(_Owed.FRAME)
        return (*steps, *self._answer_frames())

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        match message:
            case Partial(hypothesis=hypothesis):
                self._partial = hypothesis.text
            case Final(hypothesis=hypothesis, reason=reason):
                self._partial = ""
                if hypothesis.text:
                    self._finals.append(hypothesis)
                if reason is EndpointReason.FINALIZE:
                    return self._answer_reset()
            case Closed(reason=reason):
                return self._closed(reason)
            case _:
                pass
        return ()

    def refuse(self, error: HubError) -> Sequence[Reply]:
        self._is_over = True
        # The server has no message for it: it closes the connection, and clients show the reason.
        return (HangUp(ending(error).close_code, f"{error.code}: {error}"),)

    def late(self) -> Sequence[Reply]:
        return ()

    # What the client says.

    def _configure(self, config: Config) -> None:
        given = {name: value for name in config.__struct_fields__ if (value := getattr(config, name)) is not None}
        merged = msgspec.structs.replace(self._config, **given)
        if not (merged.sample_rate and math.isfinite(merged.sample_rate) and 0 < merged.sample_rate < _MAX_RATE):
            raise ProtocolError("`sample_rate` is that of the audio, in hertz", code="bad-value")
        self._provider(merged.model)
        self._config = merged

    def _start(self) -> Start:
        config = self._config
        return Start(
            format=AudioFormat(sample_rate=round(config.sample_rate or USUAL_RATE)),
            provider=self._provider(config.model),
            hotwords=_hotwords(config.phrase_list or (), self._limits),
        )

    def _reset(self) -> Sequence[Step]:
        if self._samples is None:
            return (self._final(()),)
        self._owed.append(_Owed.RESET)
        return (Finalize(),)

    def _end(self) -> Sequence[Step]:
        if self._samples is None:
            self._is_over = True
            return (self._final(()), HangUp())
        self._owed.append(_Owed.EOF)
        rest = self._samples.rest()
        return (Audio(rest), Close()) if rest else (Close(),)

    # What the client is told.

    def _answer_frames(self) -> Sequence[Reply]:
        replies = []
        while self._owed and self._owed[0] is _Owed.FRAME:
            self._owed.popleft()
            if self._finals:
                replies.append(self._final((self._finals.popleft(),)))
            else:
                replies.append(_text(PartialTold(self._partial)))
        return replies

    def _answer_reset(self) -> Sequence[Reply]:
        if not self._owed or self._owed[0] is not _Owed.RESET:
            return ()
        self._owed.popleft()
        return (self._rest(), *self._answer_frames())

    def _closed(self, reason: str) -> Sequence[Reply]:
        if self._is_over:
            return ()
        self._is_over = True
        replies: list[Reply] = []
        while self._owed:
            self._owed.popleft()
            replies.append(self._rest())
        end = HangUp() if reason == "close" else HangUp(_TRY_AGAIN, f"the session was closed: {reason}")
        return (*replies, end)

    def _rest(self) -> Text:
        rest = tuple(self._finals)
        self._finals.clear()
        return self._final(rest)

    def _final(self, heard: Sequence[Hypothesis]) -> Text:
        """Finals as one."""
        config = self._config
        text = joined(it.text for it in heard)
        words = tuple(word for it in heard for word in it.words) if config.words else ()
        if not config.max_alternatives:
            return _text(FinalTold(text, _timed(words, has_confidence=True)))
        first = AlternativeTold(_sure(_confidence(heard)), text, _timed(words))
        others: tuple[Alternative, ...] = heard[0].alternatives if len(heard) == 1 else ()
        told = (first, *(AlternativeTold(_sure(it.confidence), it.text) for it in others))
        return _text(AlternativesTold(told[: max(config.max_alternatives, 1)]))


_MAX_RATE = 1e9
"""Hertz: what audio can be heard is for the hub to say."""

_TRY_AGAIN = 1013
"""The close code (registry of RFC 6455, 11.7)."""

_ANYTHING_ELSE = "[unk]"
"""In a list of phrases: all other speech. It is no word."""


def _hotwords(phrases: Iterable[str], limits: Limits) -> tuple[str, ...]:
    words: dict[str, None] = {}
    for phrase in phrases:
        whole = " ".join(phrase.split())
        for each in (whole,) if len(whole) <= limits.max_hotword_chars else whole.split():
            if each != _ANYTHING_ELSE and 0 < len(each) <= limits.max_hotword_chars and each.isprintable():
                words[each] = None
    return tuple(words)[: limits.max_hotwords]


def _timed(words: Sequence[HeardWord], *, has_confidence: bool = False) -> tuple[TimedWord, ...] | msgspec.UnsetType:
    if not words:
        return msgspec.UNSET
    return tuple(
        TimedWord(it.end / 1000, it.start / 1000, it.text, _sure(it.confidence) if has_confidence else msgspec.UNSET)
        for it in words
    )


def _confidence(heard: Sequence[Hypothesis]) -> float | None:
    known = [it.confidence for it in heard if it.confidence is not None]
    return min(known) if known else None


def _sure(confidence: float | None) -> float:
    return 1.0 if confidence is None else confidence


def _text(told: PartialTold | FinalTold | AlternativesTold) -> Text:
    return Text(msgspec.json.encode(told).decode())
