"""
What Riva and Google Speech have in common: one call of gRPC is one recognition, told of in messages of protobuf.

A call says first what it wants, then sends audio, and half-closes. It is answered with results, and ends with a status.
The words of each service are a `Vocabulary`: nothing here knows protobuf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from asr_hub.errors import HubError, Overloaded, ProtocolError, error_of
from asr_hub.model import AudioFormat, Encoding, Hypothesis, Pass, Word
from asr_hub.wire.dialects.codec import Audio, Binary, Encoded, HangUp, Reply, Step
from asr_hub.wire.dialects.samples import Samples
from asr_hub.wire.messages import (
    AnyServerMessage,
    Close,
    Closed,
    Endpoint,
    Error,
    Final,
    Partial,
    SpeechStarted,
    Start,
)

HALF_CLOSED = ""
"""What `receive_text` is given when the client has nothing more to say."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How a client wants to be heard."""

    encoding: Encoding | None = Encoding.PCM_S16LE
    """None: a file of any kind, whose header says the rest."""
    sample_rate: int = 0
    """Hertz; 0 where the client does not say."""
    channels: int = 1
    language: str | None = None
    """BCP 47, or nothing where it is to be found out."""
    model: str = ""
    hotwords: dict[str, float] = {}
    """Words and their weights, from 0.1 to 10."""
    interim: bool = False
    alternatives: int = 1
    """How many readings of an utterance are told, at most."""
    word_times: bool = False
    word_confidence: bool = False
    speakers: bool = False
    events: bool = False
    """When speech begins and ends."""
    single: bool = False
    """One utterance, and the call ends."""

    @property
    def format(self) -> AudioFormat | None:
        """Of raw audio; nothing where the client left it to the header of its file."""
        if self.encoding is None or self.sample_rate <= 0:
            return None
        return AudioFormat(sample_rate=self.sample_rate, channels=max(self.channels, 1), encoding=self.encoding)


class Whole(msgspec.Struct, frozen=True):
    """A request that has all its audio."""

    asked: Asked
    audio: bytes


class Reading(msgspec.Struct, frozen=True):
    """One way to read an utterance."""

    text: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of an utterance."""

    readings: tuple[Reading, ...]
    """The best one first."""
    is_final: bool
    stability: float
    """The share of the text that will not change, from 0 to 1."""
    end: int
    """Milliseconds of audio since the call began."""
    language: str | None
    speaker: int | None
    """Counts those who were told apart, from 1."""
    asked: Asked


class Happening(Enum):
    SPEECH_BEGAN = "speech-began"
    SPEECH_ENDED = "speech-ended"
    UTTERANCE_OVER = "utterance-over"
    """The one that a call with `single` is about: no more audio is heard."""


class Vocabulary(Protocol):
    """One service's messages."""

    def request(self, data: bytes) -> Asked | bytes:
        """A message of a streaming call: what is asked for, or audio. Raises ProtocolError."""
        ...

    def whole(self, data: bytes) -> Whole:
        """The message of a call with one. Raises ProtocolError."""
        ...

    def result(self, result: Result) -> bytes:
        """A message of a streaming call."""
        ...

    def happening(self, what: Happening, at: int) -> bytes | None:
        """The same, at so many milliseconds of audio; None where the service says nothing of it."""
        ...

    def answer(self, results: Sequence[Result]) -> bytes:
        """The answer to a whole request."""
        ...

    def text(self, text: str, *, is_first: bool, is_final: bool) -> str:
        """A text with the space that clients expect at its begin or end, so that they can put finals together."""
        ...


class _State(Enum):
    WAITING = "waiting"
    OPEN = "open"
    CLOSING = "closing"
    OVER = "over"


class Recognizing:
    """
    A `Codec` of one call. After its `HangUp`, `failure` is the error that the call ends with, or nothing.

    `provider` says who hears for a model; it raises NotFound.
    """

    def __init__(
        self, vocabulary: Vocabulary, provider: Callable[[str | None], str | None], *, is_whole: bool = False
    ) -> None:
        self._vocabulary = vocabulary
        self._provider = provider
        self._is_whole = is_whole
        self._state = _State.WAITING
        self._asked = Asked()
        self._samples: Samples | None = None
        self._results: list[Result] = []
        self._finals = 0
        self._speakers: dict[str, int] = {}
        self._is_deaf = False
        self.failure: HubError | None = None

    def greet(self) -> Sequence[Step]:
        return ()

    def receive_text(self, text: str) -> Sequence[Step]:
        """The half-close. Raises ProtocolError where nothing came before it."""
        if self._state is _State.WAITING:
            raise ProtocolError(
                "the call ended before it said what it wants; send the config first", code="not-started"
            )
        if self._state is not _State.OPEN:
            return ()
        self._state = _State.CLOSING
        return (*_rest(self._samples), Close())

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        if self._is_whole:
            return self._take_whole(data)
        said = self._vocabulary.request(data)
        if isinstance(said, Asked):
            if self._state is not _State.WAITING:
                raise ProtocolError("the config came twice; it is the first message alone", code="already-started")
            return (self._open(said),)
        if self._state is _State.WAITING:
            raise ProtocolError("audio came before the config; send the config first", code="not-started")
        if self._state is not _State.OPEN or self._is_deaf:
            return ()
        return _audio(self._samples, said)

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        match message:
            case _ if self._state is _State.OVER:
                return ()
            case Partial(hypothesis=hypothesis) if self._asked.interim and not self._is_whole and not self._is_deaf:
                return self._told(hypothesis, is_final=False)
            case Final(hypothesis=hypothesis):
                return self._final(hypothesis)
            case SpeechStarted(at=at):
                return self._happened(Happening.SPEECH_BEGAN, at)
            case Endpoint(at=at):
                return self._endpoint(at)
            case Error(scope="session", code=code, message=text):
                # An answer that lacks words nobody knows of is no answer.
                return self.refuse(error_of(code, text))
            case Closed(reason=reason):
                return self._closed(reason)
            case _:
                return ()

    def refuse(self, error: HubError) -> Sequence[Reply]:
        if self._state is _State.OVER:
            return ()
        self._state = _State.OVER
        self.failure = error
        return (HangUp(),)

    def late(self) -> Sequence[Reply]:
        if self._state is not _State.WAITING:
            return ()
        return self.refuse(
            ProtocolError("no config came for too long; make the call when it is needed", code="start-timeout")
        )

    def _take_whole(self, data: bytes) -> Sequence[Step]:
        if self._state is not _State.WAITING:
            raise ProtocolError("a call of this kind has one message", code="already-started")
        said = self._vocabulary.whole(data)
        if not said.audio:
            raise ProtocolError("there is no audio; send its bytes", code="empty-audio")
        samples = _reader(said.asked)
        steps = (*_audio(samples, said.audio), *_rest(samples))
        start = self._open(said.asked)
        self._state = _State.CLOSING
        return (start, *steps, Close())

    def _open(self, asked: Asked) -> Start:
        start = Start(
            format=asked.format or AudioFormat(),
            provider=self._provider(asked.model or None),
            language=asked.language,
            hotwords=tuple(asked.hotwords),
            hotword_weights={word: weight for word, weight in asked.hotwords.items() if weight != 1.0},
            partials=asked.interim and not self._is_whole,
            # Who waits for the whole answer wants the best one.
            wait_for=Pass.CORRECTED if self._is_whole else Pass.FAST,
        )
        self._asked = asked
        self._samples = _reader(asked)
        self._state = _State.OPEN
        return start

    def _final(self, hypothesis: Hypothesis) -> Sequence[Reply]:
        replies = self._told(hypothesis, is_final=True)
        if self._asked.single and not self._is_whole:
            self._state = _State.OVER
            return (*replies, HangUp())
        return replies

    def _endpoint(self, at: int) -> Sequence[Reply]:
        replies = self._happened(Happening.SPEECH_ENDED, at)
        if self._asked.single and not self._is_whole and not self._is_deaf:
            self._is_deaf = True
            told = self._vocabulary.happening(Happening.UTTERANCE_OVER, at)
            return (*replies, Binary(told)) if told is not None else replies
        return replies

    def _happened(self, what: Happening, at: int) -> Sequence[Reply]:
        if not self._asked.events or self._is_whole:
            return ()
        told = self._vocabulary.happening(what, at)
        return (Binary(told),) if told is not None else ()

    def _told(self, hypothesis: Hypothesis, *, is_final: bool) -> Sequence[Reply]:
        if not hypothesis.text.strip():
            return ()
        result = self._result(hypothesis, is_final=is_final)
        self._finals += is_final
        if self._is_whole:
            self._results.append(result)
            return ()
        return (Binary(self._vocabulary.result(result)),)

    def _result(self, hypothesis: Hypothesis, *, is_final: bool) -> Result:
        asked, text = self._asked, hypothesis.text

        def told(text: str) -> str:
            return self._vocabulary.text(text, is_first=self._finals == 0, is_final=is_final)

        others = (Reading(told(one.text), one.confidence) for one in hypothesis.alternatives)
        words = hypothesis.words if asked.word_times or asked.word_confidence or asked.speakers else ()
        readings = (Reading(told(text), hypothesis.confidence, words), *others)
        return Result(
            readings=readings[: max(asked.alternatives, 1)],
            is_final=is_final,
            stability=1.0 if is_final else min(hypothesis.stable / len(text), 1.0),
            end=hypothesis.end,
            language=hypothesis.language or asked.language,
            speaker=self._speaker(hypothesis.speaker),
            asked=asked,
        )

    def _speaker(self, name: str | None) -> int | None:
        if name is None or not self._asked.speakers:
            return None
        return self._speakers.setdefault(name, len(self._speakers) + 1)

    def _closed(self, reason: str) -> Sequence[Reply]:
        if reason == "shutdown":
            return self.refuse(Overloaded("the hub shuts down; ask another, or come back later", code="draining"))
        if reason != "close":
            return self.refuse(
                HubError(f"the session was closed before all was heard ({reason}); try again", retryable=True)
            )
        self._state = _State.OVER
        if self._is_whole:
            return (Binary(self._vocabulary.answer(self._results)), HangUp())
        return (HangUp(),)


def _reader(asked: Asked) -> Samples | None:
    return Samples(raw) if (raw := asked.format) is not None else None


def _audio(samples: Samples | None, data: bytes) -> Sequence[Step]:
    if samples is None:
        return (Encoded(data),) if data else ()
    return (Audio(whole),) if (whole := samples.whole(data)) else ()


def _rest(samples: Samples | None) -> Sequence[Step]:
    return (Audio(rest),) if samples is not None and (rest := samples.rest()) else ()
