"""
What a recording client says and is told, without a socket: `start_recording` … `final_result`.

    idle ──start_recording──> recording ──stop_recording──> stopping ──closed──> idle
                                  └───────────────closed─────────────────────────^

The events and the names of their fields are those of recording clients as they are; what is ours is noted in
docs/reference/socket-io.md.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Literal

import msgspec

from asr_hub.errors import ProtocolError
from asr_hub.model import HUB_RATE, AudioFormat, Hypothesis, Pass
from asr_hub.protocols.socket_io.seat import Event
from asr_hub.wire.messages import (
    AnyServerMessage,
    Closed,
    Endpoint,
    Error,
    Final,
    Partial,
    Ready,
    Revision,
    SpeechStarted,
    Start,
    WakeWord,
    Warning,
)
from asr_hub.wire.recorder import StartRecording


class State(Enum):
    IDLE = "idle"
    """Nothing is recorded: not yet, or not any more."""
    RECORDING = "recording"
    STOPPING = "stopping"
    """`stop_recording` came; `final_result` has not been told."""


class Recording:
    """
    The recordings of one connection, one after the other.

    The caller opens a session with what `start` returns and says `refused` where it was not given one; tells the client
    the events that `stop` and `hear` return, in order; and gives to `hear` every message of the session up to `Closed`.

    Finals are kept for `final_result`, at most `max_chars` of them; older ones fall away, and it says how many.
    """

    def __init__(self, *, max_chars: int = 200_000) -> None:
        self.state = State.IDLE
        self._max_chars = max_chars
        self._reset()

    def _reset(self) -> None:
        self._session = ""
        self._rate = HUB_RATE
        self._ignored: list[str] = []
        self._segments: dict[int, _Segment] = {}
        self._chars = 0
        self._dropped = 0
        self._text = ""
        """Of all segments kept."""
        self._partial = ""
        self._is_speaking = False
        self._now = 0
        """Milliseconds of audio since the recording began, as far as is known."""
        self._was_ended = False
        """The hub ended the last recording: what the client says until the next one crossed the news."""

    # What the client says.

    def start(self, options: object = None) -> Start:
        """Raises ProtocolError."""
        if self.state is not State.IDLE:
            raise ProtocolError(
                "`start_recording` came while a recording runs; wait for its `final_result`", code="already-started"
            )
        start, ignored = _start(options)
        self._reset()
        self._ignored = ignored
        self._rate = start.format.sample_rate
        self.state = State.RECORDING
        return start

    def refused(self) -> None:
        """The session that `start` asked for was not given."""
        self.state = State.IDLE

    def audio(self, data: object) -> bytes | None:
        """
        The audio of one `audio_data`; nothing where it comes too late to matter.

        A recorder that is told to stop sends what is still in its buffers: that is no mistake. Raises ProtocolError.
        """
        if self.state is State.IDLE and not self._was_ended:
            raise ProtocolError(
                "`audio_data` came before `start_recording`; emit that first, once for each recording",
                code="not-started",
            )
        audio = _audio(data)
        return audio if self.state is State.RECORDING else None

    def stop(self, reason: str = "close") -> list[Event]:
        """The recording ends; nothing to say where it is ending already. Raises ProtocolError where none runs."""
        if self.state is State.IDLE and not self._was_ended:
            raise ProtocolError("`stop_recording` came while nothing is recorded", code="not-started")
        if self.state is not State.RECORDING:
            return []
        self.state = State.STOPPING
        return [
            Event("recording_stopped", {"message": "recording stopped; the final result follows", "reason": reason})
        ]

    # What the session says.

    def hear(self, message: AnyServerMessage) -> list[Event]:
        """What the client is told of a message of its session."""
        match message:
            case Ready():
                return self._ready(message)
            case SpeechStarted():
                self._is_speaking = True
                self._reach(message.at)
                return [self._live({"type": "start", "time": message.at})]
            case Partial():
                self._partial = message.hypothesis.text
                self._reach(message.hypothesis.end)
                return [self._live()]
            case Endpoint():
                self._is_speaking = False
                self._reach(message.at)
                return [self._live({"type": "end", "time": message.at})]
            case Final():
                return [self._final(message)]
            case Revision():
                return self._revision(message)
            case WakeWord():
                return [Event("wake_word", {"phrase": message.phrase, "time": message.at})]
            case Warning() | Error():
                # Recording clients hang up at an `error`, and the session goes on.
                return [Event("warning", {"code": message.code, "message": message.message})]
            case Closed():
                return self._closed(message)
            case _:
                return []

    # Private.

    def _ready(self, ready: Ready) -> list[Event]:
        self._session = ready.session
        payload: dict[str, Any] = {"status": "ok", "session_id": ready.session, "provider": ready.provider}
        if self._ignored:
            payload["ignored"] = self._ignored
        return [Event("recording_started", payload)]

    def _reach(self, at: int) -> None:
        # The end of a partial is a guess, and may lie behind the endpoint.
        self._now = max(self._now, at)

    def _live(self, vad_event: dict[str, Any] | None = None) -> Event:
        return self._transcription(self._partial, vad_event=vad_event)

    def _final(self, final: Final) -> Event:
        self._partial = ""
        self._reach(final.hypothesis.end)
        segment = _Segment(final.hypothesis)
        self._segments[final.utterance] = segment
        self._chars += segment.size
        while self._chars > self._max_chars and len(self._segments) > 1:
            self._chars -= self._segments.pop(next(iter(self._segments))).size
            self._dropped += 1
        self._text = _joined(segment.best.text for segment in self._segments.values())
        return self._transcription(final.hypothesis.text, segment=segment)

    def _revision(self, revision: Revision) -> list[Event]:
        if (segment := self._segments.get(revision.utterance)) is None:
            return []
        self._chars -= segment.size
        segment.revise(revision.hypothesis)
        self._chars += segment.size
        self._text = _joined(segment.best.text for segment in self._segments.values())
        return [self._transcription(segment.best.text, segment=segment)]

    def _transcription(
        self, text: str, *, vad_event: dict[str, Any] | None = None, segment: _Segment | None = None
    ) -> Event:
        found = None if segment is None or not segment.best.text else _timed(segment.best)
        return Event(
            "transcription",
            {
                "text": text,
                "punc_text": found["text"] if found is not None else "",
                "full_text": _joined((self._text, self._partial)),
                "is_final": segment is not None,
                "is_speaking": self._is_speaking,
                "is_speech_active": self._is_speaking,
                "vad_event": vad_event,
                "segment": found,
                "current_time_ms": self._now,
            },
        )

    def _closed(self, closed: Closed) -> list[Event]:
        # Who did not ask for the end is told of it as if they had: nothing else ends the display of a recording.
        was_ended = self.state is State.RECORDING
        events = self.stop(closed.reason) if was_ended else []
        self.state = State.IDLE
        events.append(Event("final_result", self._result(closed)))
        self._reset()
        self._was_ended = was_ended
        return events

    def _result(self, closed: Closed) -> dict[str, Any]:
        segments = list(self._segments.values())
        texts = {
            "paraformer": [segment.fast for segment in segments],
            "sensevoice": [segment.careful for segment in segments],
            "llm_merged": [segment.best for segment in segments],
        }
        result: dict[str, Any] = {}
        for name, hypotheses in texts.items():
            text = _joined(hypothesis.text for hypothesis in hypotheses)
            result[name] = text
            result[f"{name}_length"] = len(text)
        return {
            **result,
            "passes": {
                name: sorted({it.pass_.value for it in hypotheses if it.text}) for name, hypotheses in texts.items()
            },
            "timestamps": [word for segment in segments for word in segment.words],
            "realtime_segments": [_timed(segment.fast) for segment in segments if segment.fast.text],
            "dropped_segments": self._dropped,
            "session_id": self._session,
            "reason": closed.reason,
            "duration_ms": closed.audio_offset * 1000 // self._rate,
        }


class _Segment:
    """One utterance, as each pass read it."""

    __slots__ = ("_accurate", "_corrected", "fast")

    def __init__(self, final: Hypothesis) -> None:
        self.fast = final
        """The final: of the fast pass where there is one."""
        self._accurate: Hypothesis | None = final if final.pass_ is Pass.ACCURATE else None
        self._corrected: Hypothesis | None = final if final.pass_ is Pass.CORRECTED else None

    def revise(self, hypothesis: Hypothesis) -> None:
        if hypothesis.pass_ is Pass.CORRECTED:
            self._corrected = hypothesis
        else:
            self._accurate = hypothesis

    @property
    def careful(self) -> Hypothesis:
        """Of the accurate pass, or else the final."""
        return self._accurate if self._accurate is not None else self.fast

    @property
    def best(self) -> Hypothesis:
        """The corrected one, or else the best there is."""
        return self._corrected if self._corrected is not None else self.careful

    @property
    def words(self) -> list[dict[str, Any]]:
        """With their times, from the best reading that has any; the whole segment as one where none has."""
        for hypothesis in (self.best, self.careful, self.fast):
            if hypothesis.words:
                return [{"text": it.text, "start_ms": it.start, "end_ms": it.end} for it in hypothesis.words]
        return [_timed(self.best)] if self.best.text else []

    @property
    def size(self) -> int:
        """Characters, about."""
        return sum(_OVERHEAD + len(it.text) + _OVERHEAD * len(it.words) for it in (self.fast, self.careful, self.best))


def _start(options: object) -> tuple[Start, list[str]]:
    """What is asked of the hub, and the names of the options it does not know."""
    given = {} if options is None else options
    if not isinstance(given, dict):
        raise ProtocolError("the options of `start_recording` are an object, or nothing", code="wrong-type")
    try:
        it = msgspec.convert(given, StartRecording)
    except msgspec.ValidationError as exc:
        code: Literal["wrong-type", "bad-value"] = "wrong-type" if str(exc).startswith("Expected") else "bad-value"
        raise ProtocolError(f"`start_recording`: {str(exc)[:_MAX_REASON]}", code=code) from None
    hotwords = it.hotwords.replace(",", " ").split() if isinstance(it.hotwords, str) else it.hotwords
    start = Start(
        format=AudioFormat(sample_rate=it.sample_rate, channels=it.channels, encoding=it.encoding),
        provider=it.provider or None,
        language=None if it.language in (None, "", "auto") else it.language,
        hotwords=tuple(hotwords),
        partials=it.partials,
    )
    unknown = [str(name)[:_MAX_NAME] for name in given if name not in StartRecording.__struct_fields__]
    return start, unknown[:_MAX_IGNORED]


def _audio(data: object) -> bytes:
    if isinstance(data, dict):
        if "audio" not in data:
            raise ProtocolError("`audio_data` has no field `audio`", code="missing-field")
        data = data["audio"]
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise ProtocolError("`audio_data` carries bytes, base64, or either as `audio`", code="wrong-type")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("`audio_data` carries text that is not base64 (RFC 4648, 4)", code="bad-value") from None


def _timed(hypothesis: Hypothesis) -> dict[str, Any]:
    return {"text": hypothesis.text, "start_ms": hypothesis.start, "end_ms": hypothesis.end}


def _joined(texts: Iterable[str]) -> str:
    """Texts in one, with a space between where their writing has spaces."""
    parts: list[str] = []
    for text in texts:
        if not text:
            continue
        if parts and not (_is_wide(parts[-1][-1]) or _is_wide(text[0])):
            parts.append(" ")
        parts.append(text)
    return "".join(parts)


def _is_wide(char: str) -> bool:
    """Chinese and Japanese writing, and its punctuation: no spaces."""
    return unicodedata.east_asian_width(char) in _WIDE and not "\uac00" <= char <= "\ud7a3"


_WIDE: Sequence[str] = ("W", "F")

_OVERHEAD = 16
"""Characters that a word or a segment costs besides its text."""

_MAX_REASON = 200
_MAX_NAME = 32
_MAX_IGNORED = 16
"""Options that are named as not known."""

decode: Callable[[bytes], AnyServerMessage] = msgspec.json.Decoder(AnyServerMessage).decode
"""A message of a session, as the hub encoded it."""
