"""
Hears the utterances of many streams with an engine that hears whole ones.

Greedy batches: whatever came while the engine was busy is taken next, finals before partials. A partial is another
decoding of all audio so far; only the newest state of a stream is ever decoded. What is too long for the engine is cut
at a quiet place, and each piece is decoded for good as soon as it is cut, with the text before it as context.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

from msgspec.structs import replace

from asr_hub.errors import OutOfMemory
from asr_hub.providers.host.agreement import Agreement, joined
from asr_hub.providers.host.attempt import attempt
from asr_hub.providers.host.cutting import quiet_place
from asr_hub.providers.host.engine import Broken, Clip, WholeEngine
from asr_hub.providers.host.hearing import Say, failed
from asr_hub.providers.host.messages import Noted, StreamHeard, StreamTook
from asr_hub.providers.host.room import Room
from asr_hub.providers.worker_messages import Begin, Heard, HeardWord

SHORTEST_S = 0.025
"""Seconds: less audio than one analysis frame holds nothing, and crashes some engines."""

MOST_PIECES = 2
"""Pieces of one stream that may wait to be decoded; then no more of its audio is asked for."""


class WholeHearing:
    """A Hearing. `say` is called in order, from within the methods."""

    def __init__(self, engine: WholeEngine, say: Say, *, room: Room, partial_s: float) -> None:
        self._engine = engine
        self._say = say
        self._room = room
        self._partial_s = partial_s
        self._streams: dict[int, _Utterance] = {}
        self._pieces: deque[int] = deque()
        """Streams with a piece to decode for good, in the order in which they were cut; once for each piece."""

    def open(self, stream: int, begin: Begin) -> None:
        self._streams[stream] = _Utterance(begin)

    def audio(self, stream: int, pcm: bytes) -> None:
        utterance = self._streams.get(stream)
        if utterance is None:
            return
        utterance.pcm += pcm
        utterance.untold += len(pcm)
        longest = self._engine.max_clip_s
        while longest is not None and utterance.seconds > longest:
            self._cut(stream, utterance, quiet_place(bytes(utterance.pcm), utterance.begin.sample_rate, longest))
        self._tell_taken(stream, utterance)

    def end(self, stream: int) -> None:
        utterance = self._streams.get(stream)
        if utterance is not None and not utterance.is_ended:
            utterance.is_ended = True
            self._cut(stream, utterance, len(utterance.pcm))

    def drop(self, stream: int) -> None:
        self._streams.pop(stream, None)

    @property
    def has_work(self) -> bool:
        while self._pieces and self._pieces[0] not in self._streams:
            self._pieces.popleft()
        return bool(self._pieces) or any(map(self._wants_partial, self._streams.values()))

    def work(self) -> None:
        batch = self._pieces_batch() or self._partials_batch()
        clips = [self._streams[stream].clip(is_final=is_final) for stream, is_final in batch]
        # Nothing can be heard in less than one frame of analysis, and the engine need not be asked.
        asked = [i for i, clip in enumerate(clips) if clip.seconds >= SHORTEST_S]
        heard: dict[int, Heard | Exception] = dict(
            zip(asked, self._recognise([clips[i] for i in asked]) if asked else (), strict=True)
        )
        for i, (stream, is_final) in enumerate(batch):
            self._take(stream, heard.get(i, Heard(text="")), is_final=is_final)

    def _cut(self, stream: int, utterance: _Utterance, place: int) -> None:
        utterance.pieces.append(bytes(utterance.pcm[:place]))
        del utterance.pcm[:place]
        utterance.tried = 0
        self._pieces.append(stream)

    def _tell_taken(self, stream: int, utterance: _Utterance) -> None:
        if utterance.untold and len(utterance.pieces) <= MOST_PIECES:
            self._say(StreamTook(stream, utterance.untold))
            utterance.untold = 0

    def _wants_partial(self, utterance: _Utterance) -> bool:
        new = len(utterance.pcm) - utterance.tried
        due = self._partial_s * 2 * utterance.begin.sample_rate
        return utterance.begin.partials and not utterance.is_ended and not utterance.pieces and new >= due

    def _pieces_batch(self) -> list[tuple[int, bool]]:
        """The oldest pieces that fit together; one of a stream, for the next needs the text of this one."""
        batch: list[int] = []
        kept: deque[int] = deque()
        bucket: Hashable = None
        while self._pieces:
            stream = self._pieces.popleft()
            utterance = self._streams.get(stream)
            if utterance is None:
                continue
            here = self._bucket(stream, utterance, is_final=True)
            if here is None:
                continue
            if not batch:
                bucket = here
            if len(batch) < self._room.limit and here == bucket and stream not in batch:
                batch.append(stream)
            else:
                kept.append(stream)
        self._pieces = kept
        return [(stream, True) for stream in batch]

    def _partials_batch(self) -> list[tuple[int, bool]]:
        wanting = [stream for stream, utterance in self._streams.items() if self._wants_partial(utterance)]
        # Whose last partial is the oldest comes first.
        wanting.sort(key=lambda stream: self._streams[stream].tried - len(self._streams[stream].pcm))
        buckets = {stream: self._bucket(stream, self._streams[stream], is_final=False) for stream in wanting}
        wanting = [stream for stream in wanting if buckets[stream] is not None]
        batch = [stream for stream in wanting if buckets[stream] == buckets[wanting[0]]][: self._room.limit]
        for stream in batch:
            self._streams[stream].tried = len(self._streams[stream].pcm)
        return [(stream, False) for stream in batch]

    def _bucket(self, stream: int, utterance: _Utterance, *, is_final: bool) -> tuple[Hashable] | None:
        """The engine's word for the clip; none where it fails over it, and the stream has been told."""
        try:
            return (self._engine.bucket(utterance.clip(is_final=is_final)),)
        except Broken:
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of an engine: its failure is told to the stream
            del self._streams[stream]
            self._say(failed(stream, exc))
            return None

    def _recognise(self, clips: Sequence[Clip]) -> list[Heard | Exception]:
        """What was heard in each clip, or why nothing could be. Raises Broken."""
        heard = attempt(lambda: self._engine.recognise(clips), len(clips), "clips")
        if not isinstance(heard, Exception):
            self._room.went_well(len(clips))
            return [*heard]
        if len(clips) == 1:
            return [heard]
        if isinstance(heard, OutOfMemory):
            self._say(Noted("out-of-memory", self._room.ran_out(len(clips)), self._room.limit))
            half = len(clips) // 2
            return [*self._recognise(clips[:half]), *self._recognise(clips[half:])]
        # One bad clip must not fail the others.
        return [one for clip in clips for one in self._recognise([clip])]

    def _take(self, stream: int, heard: Heard | Exception, *, is_final: bool) -> None:
        utterance = self._streams[stream]
        if isinstance(heard, Exception):
            del self._streams[stream]
            self._say(failed(stream, heard))
            return
        if not is_final:
            partial = utterance.partial(heard)
            if partial is not None:
                self._say(StreamHeard(stream, partial))
            return
        final = utterance.take(heard)
        self._tell_taken(stream, utterance)
        if final is not None:
            del self._streams[stream]
            self._say(StreamHeard(stream, final))
        elif utterance.begin.partials and heard.text:
            self._say(StreamHeard(stream, utterance.so_far))


class _Utterance:
    """The audio of one stream that is not decoded for good yet, and what was heard before it."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin
        self.pcm = bytearray()
        """The growing piece."""
        self.pieces: deque[bytes] = deque()
        """Cut, and waiting."""
        self.tried = 0
        """Bytes of the growing piece that the last partial has heard."""
        self.untold = 0
        """Bytes that were taken and not told so."""
        self.is_ended = False
        self.so_far = Heard(text="")
        self._agreement = Agreement()
        self._shown = ("", 0)

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.begin.sample_rate

    def clip(self, *, is_final: bool) -> Clip:
        """The oldest piece, or the growing one."""
        pcm = self.pieces[0] if is_final else bytes(self.pcm)
        return Clip(pcm=pcm, begin=self.begin, context=self.so_far.text, is_final=is_final)

    def partial(self, heard: Heard) -> Heard | None:
        """What to tell of a decoding of the growing piece; nothing where that is known."""
        shown, stable = self._agreement.read(heard.text)
        text = joined(self.so_far.text, shown)
        fixed = len(text) - len(shown) + stable
        if not text or (text, fixed) == self._shown:
            return None
        self._shown = (text, fixed)
        end = self.so_far.end + self._ms(len(self.pcm))
        return replace(_after(self.so_far, replace(heard, text=shown), end=end), text=text, stable=fixed)

    def take(self, heard: Heard) -> Heard | None:
        """Add a decoded piece; the final, if it was the last one."""
        piece = self.pieces.popleft()
        end = self.so_far.end + self._ms(len(piece))
        self.so_far = _after(self.so_far, heard, end=end)
        self._agreement.clear()
        if self.is_ended and not self.pieces:
            return replace(self.so_far, is_final=True)
        return None

    def _ms(self, size: int) -> int:
        return size * 500 // self.begin.sample_rate


def _after(before: Heard, heard: Heard, *, end: int) -> Heard:
    """What was heard in one piece, behind what was heard before it; `end` is where the piece ends."""
    at = before.end
    words = tuple(
        HeardWord(word.text, min(end, at + word.start), min(end, at + word.end), word.confidence)
        for word in heard.words
    )
    if not before.text and not before.suppressed and not before.end:
        return replace(heard, end=end, words=words, stable=len(heard.text))
    return replace(
        heard,
        text=joined(before.text, heard.text),
        words=(*before.words, *words),
        end=end,
        stable=len(before.text),
        confidence=_mean(before, heard),
        language=heard.language or before.language,
        tags={**before.tags, **heard.tags},
        # Of pieces, they cannot be put together.
        alternatives=(),
        suppressed=joined(before.suppressed, heard.suppressed),
        suppressed_because=heard.suppressed_because or before.suppressed_because,
        warnings=tuple(dict.fromkeys((*before.warnings, *heard.warnings))),
    )


def _mean(before: Heard, heard: Heard) -> float | None:
    """The confidence of both, by their lengths."""
    if before.confidence is None or heard.confidence is None:
        return before.confidence if heard.confidence is None else heard.confidence
    sizes = (len(before.text) or 1, len(heard.text) or 1)
    return (before.confidence * sizes[0] + heard.confidence * sizes[1]) / sum(sizes)
