"""Which sessions are recorded: where a recording begins, what is taken into it, and where it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from asr_hub.errors import Conflict, Overloaded
from asr_hub.model import AudioFrame, SessionId
from asr_hub.recordings.disk_threads import DiskThreads
from asr_hub.recordings.files import RecordingFiles
from asr_hub.recordings.format import Meta, Why
from asr_hub.recordings.library import Library
from asr_hub.recordings.redaction import Hook, Redaction
from asr_hub.recordings.selection import Selection, is_told_to_all
from asr_hub.recordings.tape import Source, Tape
from asr_hub.recordings.writing import Writer
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import SessionClosed
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.recordings")

READERS = 4
"""Threads that read and take in recordings"""

PATIENCE_S = 10.0
"""Seconds that whoever asks for a beginning or an end waits for the disk"""

Mode = Literal["off", "ask", "on"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded, and how much of it."""

    mode: Mode = "off"
    audio: bool = True
    max_s: float = 4 * 3600.0
    """Seconds of one recording"""
    max_bytes: int = 1 << 30
    """Of one recording"""


class Recorder:
    """
    All recordings that are being made. Nothing here waits for the disk but who asks for a beginning or an end.

    `take` is told of every fact of the hub, in order.
    """

    def __init__(
        self,
        library: Library,
        writer: Writer,
        settings: Settings,
        *,
        state: Callable[[], State],
        seq: Callable[[], int],
        public_name: Callable[[SessionId], str],
        hook: Hook | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`seq` is the number of the last fact; `public_name` is told in the place of a session's id."""
        self.settings = settings
        self.library = library
        self.reading = DiskThreads(READERS)
        """For whole files, in and out."""
        self.looking = DiskThreads()
        """For looks into journals, one at a time: so they leave the processor to those who speak."""
        self._writer = writer
        self._state = state
        self._seq = seq
        self._public_name = public_name
        self._hook = hook
        self._now = now
        self._tapes: dict[SessionId, Tape] = {}
        self._ending: set[Tape] = set()
        """Those whose end is not written yet."""

    def opened(self, session: SessionId, principal: str, source: Source) -> None:
        """A session is about to open: where every session is recorded, this one is from its first fact on."""
        if self.settings.mode != "on":
            return
        if self._writer.is_behind:
            _log.warning("recorder.behind", session=self._public_name(session))
            return
        self._begin(session, principal, source)

    async def begin(self, session: SessionId, principal: str, source: Source) -> Meta:
        """
        Record a session from now on; what is there already, where it is recorded. Waits until it is on the disk.

        Raises Conflict (`recorder-off`), Overloaded (`disk-full`, or the disk is behind).
        """
        if self.settings.mode == "off":
            raise Conflict("this hub records nothing: set `recorder.mode` to `ask` or `on`", code="recorder-off")
        tape = self._tapes.get(session)
        if tape is None:
            if self._writer.is_behind:
                raise Overloaded("the disk is behind with the recordings that are made; try again in a few seconds")
            tape = self._begin(session, principal, source)
        await _soon(tape.begun)
        if not tape.files.is_there:
            raise Overloaded(
                "the hub cannot write the recording down; the log says why", code="disk-full", retry_after=60
            )
        return tape.files.meta

    async def end(self, session: SessionId) -> Meta | None:
        """
        End the recording of a session, and wait until it is written; none where it is not recorded.

        Raises Overloaded where the disk does not answer; it ends all the same.
        """
        tape = self._tapes.get(session)
        if tape is None:
            return None
        self._end(tape, "asked")
        await _soon(tape.ended)
        return tape.files.meta

    def live(self) -> dict[str, Meta]:
        """Those that are made, or not written to their end yet, by name."""
        tapes = (*self._tapes.values(), *self._ending)
        return {tape.files.path.name: tape.files.meta for tape in tapes if tape.files.is_there}

    def take(self, event: Event) -> None:
        """A fact of the hub."""
        if is_told_to_all(event):
            for each in tuple(self._tapes.values()):
                self._tell(each, event)
        elif isinstance(event, SessionEvent) and (tape := self._tapes.get(event.session)) is not None:
            self._tell(tape, event)
            if type(event) is SessionClosed:
                self._end(tape, "closed")

    def stop(self) -> None:
        """End all: the hub stops. Nobody looks at recordings any more."""
        self.reading.close()
        self.looking.close()
        for tape in tuple(self._tapes.values()):
            self._end(tape, "stopped")

    @property
    def unwritten(self) -> list[str]:
        """The names of those whose end is not written yet."""
        return sorted(tape.files.path.name for tape in self._ending)

    def _begin(self, session: SessionId, principal: str, source: Source) -> Tape:
        at = self._now()
        public = self._public_name(session)
        selection = Selection(session, name=public, principal=principal)
        name = self.library.new_name(public, at)
        meta = Meta(name=name, session=public, started_at=at, rate=source.rate, principal=principal)
        redaction = Redaction(self._hook) if self._hook is not None else None
        files = RecordingFiles(self.library.path(name), meta, selection.state(self._state()), redaction=redaction)
        tape = Tape(selection, files, self._writer, source, at=at, after=self._seq())
        self._tapes[session] = tape
        if self.settings.audio:
            source.tap = lambda frame: self._hear(tape, frame)
        self._writer.begin(files, lambda: self._begun(tape))
        _log.info("recorder.begin", recording=name)
        return tape

    def _begun(self, tape: Tape) -> None:
        tape.begun.set()
        if not tape.files.is_there:
            self._end(tape, "disk")

    def _tell(self, tape: Tape, event: Event) -> None:
        # Told to the effects of a fact, a session may begin to be recorded: that fact is in the state it begins with.
        if self._seq() <= tape.after or (told := tape.selection.of(event)) is None:
            return
        if not self._writer.fact(tape.files, told) or tape.files.is_broken:
            self._end(tape, "disk")
        elif event.at - tape.at > self.settings.max_s or tape.files.size > self.settings.max_bytes:
            self._end(tape, "too-long")

    def _hear(self, tape: Tape, frame: AudioFrame) -> None:
        tape.hear(frame)
        if tape.heard_s > self.settings.max_s or tape.files.size > self.settings.max_bytes:
            self._end(tape, "too-long")

    def _end(self, tape: Tape, why: Why) -> None:
        if self._tapes.pop(tape.selection.session, None) is None:
            return
        tape.source.tap = None
        tape.flush()
        self._ending.add(tape)
        self._writer.end(tape.files, why, self._now(), lambda: self._ended(tape), lost=tape.lost)

    def _ended(self, tape: Tape) -> None:
        self._ending.discard(tape)
        if tape.files.is_there:
            self.library.put(tape.files.meta)
        else:
            self.library.release(tape.files.path.name)
        tape.ended.set()
        _log.info("recorder.end", recording=tape.files.path.name, why=tape.files.meta.why_ended)


async def _soon(event: asyncio.Event) -> None:
    """Raises Overloaded where the disk does not answer."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await event.wait()
    except TimeoutError:
        raise Overloaded("the disk does not answer; look again in a while") from None
