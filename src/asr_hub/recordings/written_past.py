"""The past of a session that is recorded."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from asr_hub.recordings.folding import folded
from asr_hub.recordings.format import BadRecording, Folder, lines_of
from asr_hub.recordings.timeline import Timeline
from asr_hub.store.journal import CorruptJournal, Entry, read, read_on


class WrittenPast:
    """
    As far as it is written: it may still be made. Every call may wait for the disk, one at a time.

    What cannot be read on is left out, as `damage` says: the facts before it are the past.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._places = array("Q")
        """Bytes of the journal before each fact"""
        self._read_to = 0
        self.damage = ""
        """Why the facts end where they do; empty where they are all there."""
        self._timeline: Timeline | None = None

    def timeline(self) -> Timeline:
        """As far as it is written by now. Raises NotFound, and BadRecording where its very beginning is damaged."""
        with self._folder.journal() as file:
            if self._timeline is None:
                header = next(lines_of(file), b"")
                try:
                    self._timeline = Timeline(0, read([header]).state, self._fetch)
                except CorruptJournal as exc:
                    self.damage = str(exc)
                    raise BadRecording(f"the recording is damaged: {exc}") from exc
                self._read_to = len(header)
            if not self.damage:
                self._read_on(file, self._timeline)
            return self._timeline

    def _read_on(self, file: BinaryIO, timeline: Timeline) -> None:
        file.seek(self._read_to)

        def placed() -> Iterator[bytes]:
            for line in lines_of(file):
                self._places.append(self._read_to)
                self._read_to += len(line)
                yield line

        try:
            for entry, state in folded(timeline.latest, read_on(placed(), after=timeline.last)):
                timeline.note(entry.seq, state)
        except (CorruptJournal, BadRecording) as exc:
            self.damage = str(exc)

    def _fetch(self, start: int, end: int) -> Iterator[Entry]:
        if start >= end:
            return
        with self._folder.journal() as file:
            file.seek(self._places[start])
            yield from read_on(islice(lines_of(file), end - start), after=start)
