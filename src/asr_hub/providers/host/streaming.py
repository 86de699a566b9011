"""
Hears the utterances of many streams with an engine that hears audio as it comes, several streams in one step.

A step is as long as the engine says, counted from the utterance's first sample: what is heard does not depend on how
the audio was cut on its way. Steps of utterances that are over come first, for their finals are due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from asr_hub.errors import OutOfMemory
from asr_hub.providers.host.attempt import attempt
from asr_hub.providers.host.engine import Broken, StreamingEngine
from asr_hub.providers.host.hearing import Say, failed
from asr_hub.providers.host.messages import Noted, StreamHeard, StreamTook
from asr_hub.providers.host.room import Room
from asr_hub.providers.worker_messages import Begin, Heard

Call = Callable[[Sequence[Any], Sequence[bytes]], Sequence[Heard | None]]


class StreamingHearing:
    """A Hearing. `say` is called in order, from within the methods."""

    def __init__(self, engine: StreamingEngine[Any], say: Say, *, room: Room) -> None:
        self._engine = engine
        self._say = say
        self._room = room
        self._streams: dict[int, _Utterance] = {}

    def open(self, stream: int, begin: Begin) -> None:
        step = 2 * round(self._engine.step_s * begin.sample_rate)
        try:
            self._streams[stream] = _Utterance(begin, self._engine.begin(begin), step)
        except Broken:
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of an engine: its failure is told to the stream
            self._say(failed(stream, exc))

    def audio(self, stream: int, pcm: bytes) -> None:
        if (utterance := self._streams.get(stream)) is not None:
            utterance.pcm += pcm
            utterance.untold += len(pcm)
            self._tell_taken(stream, utterance)

    def end(self, stream: int) -> None:
        if (utterance := self._streams.get(stream)) is not None:
            utterance.is_ended = True

    def drop(self, stream: int) -> None:
        if (utterance := self._streams.pop(stream, None)) is None:
            return
        try:
            self._engine.drop(utterance.state)
        except Exception as exc:  # noqa: BLE001 - the edge of an engine: the stream is forgotten all the same
            self._say(Noted("drop", f"the engine failed to forget an utterance: {type(exc).__name__}: {exc}"))

    @property
    def has_work(self) -> bool:
        return any(utterance.is_ended or utterance.has_step for utterance in self._streams.values())

    def work(self) -> None:
        ending = [stream for stream, it in self._streams.items() if it.is_ended and not it.has_step]
        if ending:
            self._call(self._engine.end, ending[: self._room.limit], is_final=True)
            return
        stepping = [stream for stream, it in self._streams.items() if it.has_step]
        stepping.sort(key=lambda stream: (not self._streams[stream].is_ended, self._streams[stream].turns))
        self._call(self._engine.step, stepping[: self._room.limit], is_final=False)

    def _call(self, function: Call, streams: list[int], *, is_final: bool) -> None:
        utterances = [self._streams[stream] for stream in streams]
        pieces = [utterance.next_piece for utterance in utterances]
        states = [utterance.state for utterance in utterances]
        heard = attempt(lambda: function(states, pieces), len(streams), "streams")
        if isinstance(heard, Exception):
            self._failed(function, streams, heard, is_final=is_final)
            return
        self._room.went_well(len(streams))
        for stream, utterance, piece, one in zip(streams, utterances, pieces, heard, strict=True):
            utterance.taken(len(piece))
            self._tell_taken(stream, utterance)
            self._tell(stream, utterance, one, is_final=is_final)

    def _failed(self, function: Call, streams: list[int], failure: Exception, *, is_final: bool) -> None:
        if isinstance(failure, OutOfMemory) and len(streams) > 1:
            self._say(Noted("out-of-memory", self._room.ran_out(len(streams)), self._room.limit))
            half = len(streams) // 2
            for part in (streams[:half], streams[half:]):
                self._call(function, part, is_final=is_final)
            return
        # How far each of them came is not known: they are heard again from their first sample, elsewhere.
        for stream in streams:
            self._fail(stream, failure)

    def _tell_taken(self, stream: int, utterance: _Utterance) -> None:
        """More audio may come while the engine lacks some for a step; what is beyond one step waits untold."""
        if (taken := utterance.untold - utterance.beyond_a_step) > 0:
            utterance.untold -= taken
            self._say(StreamTook(stream, taken))

    def _tell(self, stream: int, utterance: _Utterance, heard: Heard | None, *, is_final: bool) -> None:
        if is_final:
            self.drop(stream)
            final = heard if heard is not None else Heard(text="")
            self._say(StreamHeard(stream, replace(final, end=utterance.ms, is_final=True, stable=len(final.text))))
        elif heard is not None and utterance.begin.partials and utterance.is_news(heard):
            self._say(StreamHeard(stream, replace(heard, end=utterance.ms)))

    def _fail(self, stream: int, exc: Exception) -> None:
        self.drop(stream)
        self._say(failed(stream, exc))


class _Utterance:
    """The audio of one stream that the engine has not heard, and what the engine keeps of it."""

    def __init__(self, begin: Begin, state: Any, step: int) -> None:
        self.begin = begin
        self.state = state
        """The engine's."""
        self.pcm = bytearray()
        self.untold = 0
        """Bytes that were taken in and not told so."""
        self.is_ended = False
        self.turns = 0
        """Steps that were heard: who had the fewest is next."""
        self._step = step
        self._heard = 0
        self._told = ("", 0)

    @property
    def has_step(self) -> bool:
        return len(self.pcm) >= max(2, self._step)

    @property
    def beyond_a_step(self) -> int:
        """Bytes that wait for the engine rather than for more audio."""
        return max(0, len(self.pcm) - self._step)

    @property
    def next_piece(self) -> bytes:
        """One step, or all there is where the engine takes any length, or the rest at the end."""
        return bytes(self.pcm[: self._step] if self._step and self.has_step else self.pcm)

    @property
    def ms(self) -> int:
        """Of audio that was heard."""
        return self._heard * 500 // self.begin.sample_rate

    def taken(self, size: int) -> None:
        del self.pcm[:size]
        self._heard += size
        self.turns += 1

    def is_news(self, heard: Heard) -> bool:
        news = (heard.text, heard.stable)
        if not heard.text or news == self._told:
            return False
        self._told = news
        return True
