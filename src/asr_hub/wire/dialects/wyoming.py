"""
Wyoming, the protocol of Home Assistant's voice: `describe`, `transcribe`, `detect`, and one stream of audio after the
other, each with an answer.

    transcribe, audio-start, audio-chunk …, audio-stop   →  voice-started, transcript-start, transcript-chunk …,
                                                            voice-stopped, transcript, transcript-stop
    detect, audio-start, audio-chunk …, audio-stop       →  detection …, or not-detected

A session is opened with the first audio of a stream. Names of `transcript_names` are hotwords with the weight 2 and
come before the `transcript_terms`, which have 1: the protocol says that they take priority. Checked with the package
`wyoming` 1.10.2 and the calls of Home Assistant's integration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from asr_hub.errors import HubError, NotFound, ProtocolError
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Audio, Binary, HangUp, Reply, Step
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.languages import spoken
from asr_hub.wire.dialects.wyoming_audio import Described, Samples
from asr_hub.wire.dialects.wyoming_events import Event, read, write
from asr_hub.wire.dialects.wyoming_info import Offer, info
from asr_hub.wire.dialects.wyoming_stream import Stream
from asr_hub.wire.dialects.wyoming_tasks import QUIET_MS, Detecting, Task, Transcribing
from asr_hub.wire.messages import AnyServerMessage, Close, Closed, Error, Ready, Start

AHEAD_MS = 2000
"""
Who has sent so much more audio than time has passed sends a recording, which ends where the client says so and not
where somebody pauses. A client that speaks may have kept a little from before it connected.
"""

NAME_WEIGHT = 2.0
"""Of a hotword from `transcript_names`"""


class State(Enum):
    """Of the session."""

    NONE = "none"
    OPENING = "opening"
    """It was asked for, and has said nothing yet."""
    OPEN = "open"
    CLOSING = "closing"


class Wyoming:
    """
    One connection. `provider` says who hears for a model, and raises NotFound; `clock` gives seconds.

    While `is_closing` no event of the client may be given to it: the answer to those before comes first.
    """

    def __init__(
        self,
        offer: Offer,
        *,
        provider: Callable[[str | None], str | None],
        clock: Callable[[], float],
        policy: Policy = "stable",
        limits: Limits = Limits(),
    ) -> None:
        self._offer = offer
        self._provider = provider
        self._clock = clock
        self._policy: Policy = policy
        self._limits = limits
        self._errors = 0
        self._wanted: Callable[[], Task] = self._plain
        """Makes the task of the next stream."""
        self._state = State.NONE
        self._stream: Stream | None = None
        self._is_told = False
        """The client knows that something failed."""

    @property
    def is_closing(self) -> bool:
        """A session ends, and the next one cannot begin."""
        return self._state is State.CLOSING

    @property
    def waits_for_wake_word(self) -> bool:
        """Whether the session is one that waits for a wake word; otherwise it listens from its first sample."""
        return self._stream is not None and isinstance(self._stream.task, Detecting)

    def greet(self) -> Sequence[Step]:
        """Nothing: clients speak first."""
        return ()

    def receive_text(self, text: str) -> Sequence[Step]:
        """There is no text here. Raises ProtocolError."""
        raise ProtocolError("events come as bytes")

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        """One event with all its bytes. Those that are not known are ignored. Raises ProtocolError, TooLarge …"""
        event = read(data)
        act = _ACTS.get(event.type)
        if act is None:
            return ()
        if self.is_closing and event.type in _OF_STREAMS:
            raise ProtocolError("the stream before this one has no answer yet", code="already-started")
        return act(self, event)

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        match message:
            case Ready():
                if self._state in (State.NONE, State.OPENING):
                    self._state = State.OPEN
                return ()
            case Closed():
                return self._closed(message)
            case Error():
                self._is_told = True
                return _replies([_error(message.code, message.message)])
            case _:
                stream = self._stream
                return () if stream is None or stream.is_answered else _replies(stream.task.tell(message, stream.base))

    def refuse(self, error: HubError) -> Sequence[Reply]:
        self._errors += 1
        replies = _replies([_error(error.code, str(error))])
        if self._state is State.OPENING:
            # No session for this stream. Who does not know `error` waits for the answer.
            self._state = State.NONE
            if self._stream is not None:
                replies += self._answer(self._stream)
        if self._errors > self._limits.max_errors:
            replies.append(HangUp(1008, "too many errors"))
        return replies

    def late(self) -> Sequence[Reply]:
        """Nothing while the client waits for its answer."""
        if self.is_closing:
            return ()
        return [*_replies([_error("idle", "nothing was said for too long; connect again")]), HangUp(1000, "idle")]

    # What the client says.

    def _describe(self, event: Event) -> list[Step]:
        return [*_replies([Event("info", info(self._offer))])]

    def _ping(self, event: Event) -> list[Step]:
        text = event.data.get("text")
        return [*_replies([Event("pong", {"text": text if isinstance(text, str) else None})])]

    def _transcribe(self, event: Event) -> list[Step]:
        asked = _read(event, _Transcribe)
        names = self._hotwords(asked.transcript_names)
        hotwords = tuple(dict.fromkeys((*names, *self._hotwords(asked.transcript_terms))))[: self._limits.max_hotwords]
        start = Start(
            provider=self._provider(asked.name or None),
            language=spoken([asked.language or ""]),
            hotwords=hotwords,
            hotword_weights={name: NAME_WEIGHT for name in names if name in hotwords},
            partials=self._policy != "final_only",
        )
        quiet = QUIET_MS.get(asked.vad_sensitivity or "", QUIET_MS["default"])
        self._wanted = lambda: Transcribing(start, self._policy, quiet_ms=quiet)
        return []

    def _detect(self, event: Event) -> list[Step]:
        names = _read(event, _Detect).names
        phrases = self._offer.phrases
        if not phrases:
            raise NotFound(
                "this hub has no wake word; name one in `wake_word` of its configuration", code="no-wake-word"
            )
        if names and not set(names) & set(phrases):
            raise NotFound(f"the wake words here are: {', '.join(phrases)}", code="no-wake-word")
        self._wanted = lambda: Detecting(names or None)
        return []

    def _audio_start(self, event: Event) -> list[Step]:
        samples = Samples(_read(event, Described))
        if self._stream is not None and not self._stream.is_answered:
            raise ProtocolError(
                "`audio-start` came before the `audio-stop` of the stream before", code="already-started"
            )
        self._stream = Stream(self._task(), samples)
        return self._close()

    def _audio_chunk(self, event: Event) -> list[Step]:
        described = _read(event, Described)
        stream = self._stream
        if stream is None:
            samples = Samples(described)
            stream = self._stream = Stream(self._task(), samples)
        elif not stream.samples.fits(described):
            raise ProtocolError(
                "the format of the audio changed; send `audio-stop`, and `audio-start` with the new one",
                code="format-changed",
            )
        if stream.is_answered:
            return []
        audio = stream.samples.take(event.payload)
        steps = self._open(stream, described.timestamp) if audio and self._state is State.NONE else []
        steps += [Audio(piece) for piece in stream.hear(audio)]
        if self._is_over(stream):
            if not stream.task.goes_on:
                steps += self._answer(stream)
            steps += self._close()
        return steps

    def _audio_stop(self, event: Event) -> list[Step]:
        stream, self._stream = self._stream, None
        if stream is None:
            return [*_replies(self._task().answer()), *self._close()]
        if stream.is_answered or self._state is State.NONE:
            return [*([] if stream.is_answered else self._answer(stream)), *self._close()]
        self._stream = stream
        stream.is_ending = True
        return self._close()

    # What comes of it.

    def _plain(self) -> Task:
        start = Start(provider=self._provider(None), partials=self._policy != "final_only")
        return Transcribing(start, self._policy)

    def _task(self) -> Task:
        """Of a new stream. `transcribe` holds for one, `detect` until a `transcribe`."""
        task = self._wanted()
        if not task.goes_on:
            self._wanted = self._plain
        return task

    def _hotwords(self, given: Sequence[str] | None) -> list[str]:
        """Those that the hub takes: too many are no reason to hear nothing."""
        words = (" ".join(word.split()) for word in given or ())
        return [word for word in words if 0 < len(word) <= self._limits.max_hotword_chars and word.isprintable()]

    def _open(self, stream: Stream, timestamp: int | None) -> list[Step]:
        self._state = State.OPENING
        self._is_told = False
        stream.begin(timestamp, self._clock())
        return [replace(stream.task.start, format=stream.samples.format)]

    def _close(self) -> list[Step]:
        """End the session, if there is one."""
        if self._state not in (State.OPENING, State.OPEN):
            return []
        self._state = State.CLOSING
        return [Close()]

    def _is_over(self, stream: Stream) -> bool:
        """Whether the hub ends the stream, or the session of it."""
        if self._state is not State.OPEN or not stream.task.is_over(stream.at):
            return False
        if stream.task.goes_on:
            return True
        is_live = stream.at - (self._clock() - stream.began) * 1000 < AHEAD_MS
        return self._offer.ends_utterances and is_live

    def _closed(self, message: Closed) -> Sequence[Reply]:
        was_asked, self._state = self._state is State.CLOSING, State.NONE
        stream = self._stream
        if stream is not None and stream.is_ending:
            self._stream = None
            return self._answer(stream)
        if stream is None or stream.is_answered or was_asked:
            return ()
        failed = _error(message.reason, f"the hub closed the session: {message.reason}")
        return [*([] if self._is_told else _replies([failed])), *self._answer(stream)]

    def _answer(self, stream: Stream) -> list[Reply]:
        """What there is. The rest of the stream is not heard."""
        stream.is_answered = True
        return _replies(stream.task.answer())


class _Transcribe(msgspec.Struct, frozen=True):
    name: str | None = None
    language: str | None = None
    vad_sensitivity: str | None = None
    transcript_names: tuple[str, ...] | None = None
    transcript_terms: tuple[str, ...] | None = None


class _Detect(msgspec.Struct, frozen=True):
    names: tuple[str, ...] | None = None


_T = TypeVar("_T")


def _read(event: Event, kind: type[_T]) -> _T:
    """Raises ProtocolError."""
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as exc:
        raise ProtocolError(f"`{event.type}`: {str(exc)[:_SHOWN]}", code="bad-value") from None


def _error(code: str, message: str) -> Event:
    return Event("error", {"text": message, "code": code})


def _replies(events: Sequence[Event]) -> list[Reply]:
    return [Binary(write(event)) for event in events]


_ACTS: Mapping[str, Callable[[Wyoming, Event], Sequence[Step]]] = {
    "describe": Wyoming._describe,
    "ping": Wyoming._ping,
    "transcribe": Wyoming._transcribe,
    "detect": Wyoming._detect,
    "audio-start": Wyoming._audio_start,
    "audio-chunk": Wyoming._audio_chunk,
    "audio-stop": Wyoming._audio_stop,
}

_OF_STREAMS = frozenset({"audio-start", "audio-chunk", "audio-stop"})

_SHOWN = 200
"""Characters of what is wrong with an event."""
