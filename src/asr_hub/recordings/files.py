"""The files of one recording while it is made. Every call may wait for the disk: for a thread beside the loop."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec.structs import replace

from asr_hub.recordings.format import AUDIO, INDEX, JOURNAL, META, SAMPLE_BYTES, Meta, Piece, Summary, Why
from asr_hub.recordings.redaction import Redaction
from asr_hub.store.event import Event
from asr_hub.store.journal import Entry, encode, header
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.recordings")

PRIVATE = 0o700
"""Of folders: what was said is for the user of the hub alone."""


class RecordingFiles:
    """
    Writes a recording, and knows what of it is on the disk.

    No method raises OSError: what the disk does not take is lost to the recording, and `meta` says so. Facts after a
    lost one would say nothing, so the first that is lost is the end of them.
    """

    def __init__(self, path: Path, meta: Meta, state: State, *, redaction: Redaction | None) -> None:
        """`state`: what its facts go on from."""
        self.path = path
        self._meta = meta
        self._redaction = redaction
        self._state = state
        self._summary = Summary(ROOT.initial)
        self._journal: BinaryIO | None = None
        self._index: BinaryIO | None = None
        self._known: set[str] = set()
        self.is_broken = False
        """The disk took no more facts."""
        self.is_there = False
        """It was begun: there is something on the disk."""

    @property
    def meta(self) -> Meta:
        """As far as it is written."""
        unread = self._redaction.failures if self._redaction is not None else 0
        return self._summary.on(replace(self._meta, unread_texts=unread))

    @property
    def size(self) -> int:
        """Bytes on the disk by now"""
        return self._meta.bytes

    def begin(self) -> None:
        """Make the folder, and write what the facts go on from."""
        # A hook is called here, on the thread of the writer, and once for each text.
        state = self._state if self._redaction is None else self._redaction.state(self._state)
        self._summary = Summary(state)
        try:
            self.path.mkdir(mode=PRIVATE)
        except OSError as exc:
            self._break(exc)
            return
        try:
            self._journal = _created(self.path / JOURNAL)
            # Another hub that reads this folder at its start sees that the recording is not over.
            fcntl.flock(self._journal, fcntl.LOCK_EX)
            self._write(self._journal, header(state=state))
            write_meta(self.path, self.meta)
            self.is_there = True
        except OSError as exc:
            # Nobody lists what has no beginning, so nobody would ever delete it.
            shutil.rmtree(self.path, ignore_errors=True)
            self._break(exc)

    def facts(self, events: Sequence[Event]) -> None:
        if self._journal is None or self.is_broken:
            return
        told = [event if self._redaction is None else self._redaction.event(event) for event in events]
        entries = [Entry(seq, event) for seq, event in enumerate(told, start=self._meta.facts + 1)]
        data = encode(entries)
        sound, taken = self._journal.tell(), 0
        try:
            taken = self._journal.write(data)
            if taken < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as exc:
            # Of those that wait together, what the disk took whole is told; a part of a line would be damage.
            taken = data.rfind(b"\n", 0, taken) + 1
            entries = entries[: data.count(b"\n", 0, taken)]
            with contextlib.suppress(OSError):
                self._journal.truncate(sound + taken)
            self._break(exc)
        for entry in entries:
            self._summary.tell(entry)
        self._meta = replace(self._meta, facts=self._meta.facts + len(entries), bytes=self._meta.bytes + taken)

    def audio(self, start: int, frames: Sequence[bytes]) -> None:
        """A piece that begins at sample `start`."""
        if not self.is_there:
            return
        data = b"".join(frames)
        piece = Piece(start, len(data) // SAMPLE_BYTES, hashlib.sha256(data).hexdigest())
        try:
            self._keep(piece, data)
        except OSError as exc:
            _log.warning("recorder.audio", recording=self._meta.name, detail=exc.strerror)
            self.lose(piece.samples)
            return
        self._meta = replace(self._meta, samples=piece.start + piece.samples)

    def lose(self, samples: int) -> None:
        """So much audio was not kept."""
        if samples:
            self._meta = replace(self._meta, lost_samples=self._meta.lost_samples + samples)

    def end(self, why: Why, at: float) -> None:
        """Close the files, and say what is in them."""
        self._meta = replace(self._meta, ended_at=at, why_ended="disk" if self.is_broken else why)
        for file in (self._index, self._journal):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        if not self.is_there:
            return
        try:
            write_meta(self.path, self.meta)
        except OSError as exc:
            _log.warning("recorder.end", recording=self._meta.name, detail=exc.strerror)

    def _keep(self, piece: Piece, data: bytes) -> None:
        if piece.sha256 not in self._known:
            folder = self.path / AUDIO
            folder.mkdir(mode=PRIVATE, exist_ok=True)
            path = folder / piece.sha256
            try:
                path.write_bytes(data)
            except OSError:
                path.unlink(missing_ok=True)
                raise
            self._known.add(piece.sha256)
            self._meta = replace(self._meta, bytes=self._meta.bytes + len(data))
        if self._index is None:
            self._index = _created(self.path / INDEX)
        sound = self._index.tell()
        try:
            self._write(self._index, msgspec.json.encode(piece) + b"\n")
        except OSError:
            # The next line must not go on from a part of this one.
            self._index.truncate(sound)
            self._index.seek(sound)
            raise

    def _write(self, file: BinaryIO, data: bytes) -> None:
        written = file.write(data)
        if written != len(data):
            raise OSError(0, "the disk took a part only")
        self._meta = replace(self._meta, bytes=self._meta.bytes + len(data))

    def _break(self, exc: OSError) -> None:
        self.is_broken = True
        _log.warning("recorder.disk", recording=self._meta.name, detail=exc.strerror)


def write_meta(folder: Path, meta: Meta) -> None:
    """In the place of what it said before, whole or not at all. Raises OSError."""
    beside = folder / f"{META}.new"
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(meta), indent=2) + b"\n")
    beside.replace(folder / META)


def _created(path: Path) -> BinaryIO:
    # Without a buffer: what is written is with the kernel, and outlives this process.
    return open(path, "xb", buffering=0, opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
