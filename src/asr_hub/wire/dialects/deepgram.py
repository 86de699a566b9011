"""
Deepgram's live `/v1/listen`: audio in binary frames, commands and results as JSON in text frames.

    audio                       Results, interim and final; SpeechStarted and UtteranceEnd where they are asked for
    {"type": "KeepAlive"}       no answer
    {"type": "Finalize"}        Results with `from_finalize`, also where nothing was said
    {"type": "Configure"}       ConfigureSuccess or ConfigureFailure
    {"type": "CloseStream"}     the last Results, also where nothing was said, Metadata, and close code 1000
    an empty binary frame       the same

One connection is one session, and its id is the request's.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from asr_hub.errors import HubError, ProtocolError, UnsupportedAudio
from asr_hub.model import EndpointReason, Hypothesis
from asr_hub.wire.conversation import check_hotwords
from asr_hub.wire.dialects import deepgram_messages as said
from asr_hub.wire.dialects import json_text
from asr_hub.wire.dialects.codec import Audio, Encoded, HangUp, Reply, Step, Text
from asr_hub.wire.dialects.deepgram_query import Listen, hotwords
from asr_hub.wire.dialects.samples import Samples
from asr_hub.wire.messages import (
    AnyServerMessage,
    Close,
    Closed,
    Configure,
    Error,
    Final,
    Finalize,
    Levels,
    Partial,
    Ready,
    SpeechStarted,
    Start,
)
from asr_hub.wire.refusal import ending

MAX_ERRORS = 32
"""Refused frames after which the connection ends: who does not read errors must not pile them up."""

INTERNAL, SILENT, NO_AUDIO = "NET-0000", "NET-0001", "DATA-0000"
"""What Deepgram calls a failure of its own, a client that says nothing, and audio that cannot be read."""

LIMIT_EXCEEDED = "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"


class Command(msgspec.Struct, frozen=True):
    """A text frame of the client."""

    type: str
    keyterms: tuple[str, ...] | None = None
    """Of `Configure`: in place of all there were."""


class Unread(ProtocolError):
    """A text frame that says nothing the hub knows, which is told back."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, code="bad-value")
        self.text = text[:_MAX_TOLD]


class Live:
    """`Codec` of one connection, whose session begins at once, with `start`. `created` is when: ISO 8601."""

    def __init__(self, listen: Listen, start: Start, *, created: str) -> None:
        self._listen = listen
        self._start = start
        self._created = created
        self._samples = Samples(start.format) if listen.format is not None else None
        """Nothing where a file comes."""
        self._hash = sha256()
        self._session = ""
        self._provider = ""
        self._format = start.format
        self._speakers = said.Speakers()
        self._ends = _UtteranceEnds(listen.utterance_end_ms)
        self._owed_configures: list[said.ConfigureSuccess | said.ConfigureFailure] = []
        """Answers that name the session, until it has a name."""
        self._owed = 0
        """Answers to `Finalize`."""
        self._is_closing = False
        """The client has said that nothing follows."""
        self._has_last = False
        """The Results after that were told."""
        self._end = 0
        """Milliseconds: where the newest Results ended."""
        self._errors = 0

    def greet(self) -> Sequence[Step]:
        return (self._start,)

    def receive_text(self, text: str) -> Sequence[Step]:
        if self._is_closing:
            return ()
        try:
            command = json_text.read(text, Command)
        except HubError as error:
            raise Unread(str(error), text) from None
        match command.type:
            case "KeepAlive":
                return ()
            case "Finalize":
                self._owed += 1
                return (Finalize(),)
            case "CloseStream":
                return self._close()
            case "Configure":
                return self._configure(command.keyterms)
        raise Unread("`type` is one of KeepAlive, Finalize, CloseStream and Configure", text)

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        if self._is_closing:
            return ()
        if not data:
            return self._close()
        step: Step = Encoded(data) if self._samples is None else Audio(self._samples.whole(data))
        self._hash.update(data)
        return (step,)

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        match message:
            case Ready():
                return self._ready(message)
            case SpeechStarted(at=at):
                ended = self._ends.started(at)
                began = said.SpeechBegan(timestamp=said.seconds(at))
                return (*_texts(ended), *(_texts(began) if self._listen.speech_events else ()))
            case Partial(hypothesis=hypothesis):
                return _texts(self._results(hypothesis)) if self._listen.interim else ()
            case Final():
                return self._final(message)
            case Levels(at=at):
                return _texts(self._ends.heard(at))
            case Error(scope="session"):
                return _texts(said.Failed(variant=message.code, description=message.message))
            case Closed():
                return self._closed(message)
            case _:
                return ()

    def refuse(self, error: HubError) -> Sequence[Reply]:
        if isinstance(error, Unread):
            self._errors += 1
            told = said.Failed(variant="SchemaError", description=str(error), message=error.text)
            return (*_texts(told), *((HangUp(1008, "too many errors"),) if self._errors > MAX_ERRORS else ()))
        if isinstance(error, UnsupportedAudio) or error.code == "bad-format":
            return (*_texts(said.Failed(variant=NO_AUDIO, description=str(error))), HangUp(1008, NO_AUDIO))
        code, is_fatal = ending(error)
        told = said.Failed(variant=error.code, description=str(error))
        # A file that could not be decoded up to here cannot be decoded from here on.
        if is_fatal or self._samples is None:
            return (*_texts(told), HangUp(code, error.code))
        return _texts(told)

    def late(self) -> Sequence[Reply]:
        if self._is_closing:
            return ()
        told = said.Failed(variant=SILENT, description="neither audio nor KeepAlive came for as long as is waited for")
        return (*_texts(told), HangUp(1011, SILENT))

    def _close(self) -> Sequence[Step]:
        self._is_closing = True
        rest = self._samples.rest() if self._samples is not None else b""
        return (*((Audio(rest),) if rest else ()), Close())

    def _ready(self, ready: Ready) -> Sequence[Reply]:
        self._session, self._provider, self._format = ready.session, ready.provider, ready.format
        owed, self._owed_configures = self._owed_configures, []
        return _texts(*(msgspec.structs.replace(told, request_id=self._session) for told in owed))

    def _configure(self, keyterms: tuple[str, ...] | None) -> Sequence[Step]:
        told: said.ConfigureSuccess | said.ConfigureFailure
        told = said.ConfigureSuccess(request_id=self._session, keyterms=keyterms)
        change: tuple[Step, ...] = ()
        if keyterms is not None:
            words = tuple(hotwords(keyterms))
            try:
                check_hotwords(words)
                change = (Configure(hotwords=words, hotword_weights={}),)
            except ProtocolError as error:
                told = said.ConfigureFailure(request_id=self._session, code=LIMIT_EXCEEDED, description=str(error))
        if self._session:
            return (*change, *_texts(told))
        self._owed_configures.append(told)
        return change

    def _final(self, final: Final) -> Sequence[Reply]:
        is_answer = final.reason is EndpointReason.FINALIZE
        if is_answer and self._owed:
            self._owed -= 1
        self._has_last = self._is_closing and final.reason is EndpointReason.CLOSE
        told = self._results(
            final.hypothesis,
            is_final=True,
            is_over=final.reason in (EndpointReason.SILENCE, EndpointReason.ENGINE),
            is_answer=is_answer,
        )
        return (*_texts(told), *_texts(self._ends.final(final.hypothesis)))

    def _closed(self, closed: Closed) -> Sequence[Reply]:
        nothing = Hypothesis(text="", start=self._end, end=self._end)
        last: list[said.Told] = [self._results(nothing, is_final=True, is_answer=True) for _ in range(self._owed)]
        self._owed = 0
        if self._is_closing and not self._has_last:
            last.append(self._results(nothing, is_final=True))
        last.append(self._metadata(closed.audio_offset))
        if self._is_closing:
            return (*_texts(*last), HangUp(1000))
        return (*_texts(*last), HangUp(1011, f"{INTERNAL}: the hub closed the session: {closed.reason}"))

    def _results(
        self, hypothesis: Hypothesis, *, is_final: bool = False, is_over: bool = False, is_answer: bool = False
    ) -> said.Results:
        it = self._listen
        speaker = self._speakers.number(hypothesis.speaker) if it.speakers else None
        reading = said.reading(
            hypothesis, punctuated=it.punctuated, speaker=speaker, languages=it.language is None and is_final
        )
        self._end = max(self._end, hypothesis.end)
        return said.Results(
            start=said.seconds(hypothesis.start),
            duration=said.seconds(max(hypothesis.end - hypothesis.start, 0)),
            is_final=is_final,
            speech_final=is_over,
            from_finalize=is_answer,
            channel=said.Channel((reading,)),
            metadata=said.ResultsMetadata(
                request_id=self._session,
                model_info=said.ModelInfo(self._provider),
                model_uuid=said.model_uuid(self._provider),
            ),
        )

    def _metadata(self, samples: int) -> said.Metadata:
        uuid = said.model_uuid(self._provider)
        return said.Metadata(
            request_id=self._session,
            sha256=self._hash.hexdigest(),
            created=self._created,
            duration=round(samples / self._format.sample_rate, 3),
            channels=self._format.channels,
            models=(uuid,),
            model_info={uuid: said.ModelInfo(self._provider)},
        )


class _UtteranceEnds:
    """
    When nobody has spoken for so many milliseconds of audio, after words were heard.

    The clock is the audio that was heard, and what was said in it is known only with its final: one may come late.
    """

    def __init__(self, gap_ms: int | None) -> None:
        self._gap = gap_ms
        self._word_end: int | None = None
        """Of the newest word after which none was told; milliseconds, as all here."""
        self._now = 0
        self._began = 0
        """Where the newest speech began."""

    def heard(self, at: int) -> said.UtteranceEnd | None:
        """Audio was heard up to there."""
        self._now = max(self._now, at)
        return self._due()

    def started(self, at: int) -> said.UtteranceEnd | None:
        """Somebody speaks from there on."""
        self._now = max(self._now, at)
        told = self._due()
        self._word_end, self._began = None, at
        return told

    def final(self, hypothesis: Hypothesis) -> said.UtteranceEnd | None:
        """What was said."""
        if not hypothesis.text:
            return None
        end = hypothesis.words[-1].end if hypothesis.words else hypothesis.end
        if self._gap is not None and end < self._began < end + self._gap:
            return None
        self._word_end = end
        return self._due()

    def _due(self) -> said.UtteranceEnd | None:
        end = self._word_end
        if self._gap is None or end is None or self._now < end + self._gap:
            return None
        self._word_end = None
        return said.UtteranceEnd(last_word_end=said.seconds(end))


def _texts(*messages: said.Told | None) -> tuple[Text, ...]:
    return tuple(Text(_encoder.encode(message).decode()) for message in messages if message is not None)


_encoder: Any = msgspec.json.Encoder()

_MAX_TOLD = 500
"""Characters of a frame that are told back."""
