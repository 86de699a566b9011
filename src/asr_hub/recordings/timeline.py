"""The past of a session, to be looked at: its facts by their numbers, and the state at each of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO

from asr_hub.errors import NotFound
from asr_hub.recordings.format import BadRecording, Folder, lines_of
from asr_hub.recordings.inspecting import folded
from asr_hub.recordings.selection import Selection
from asr_hub.recordings.session_facts import SessionFacts
from asr_hub.store.journal import CorruptJournal, Entry, read, read_on
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State

SNAPSHOT_EVERY = 256
"""Facts. The states share what is unchanged between them."""

MOST_KEPT = 10_000
"""Facts of a live session beyond those it began with; then it begins anew, from what the journal of the hub has."""

Fetch = Callable[[int, int], Iterator[Entry]]
"""The facts at these places, the second not included: places are counted from 0, numbers are the facts' own."""


class Timeline:
    """
    Facts in the order of their numbers, which may have gaps, and snapshots of the state among them.

    It holds the numbers and the snapshots; the facts are fetched where they lie.
    """

    def __init__(self, first: int, state: State, fetch: Fetch) -> None:
        """`state`: that after fact number `first`, which the facts go on from."""
        self.first = first
        self._numbers = array("Q")
        self._snapshots = [state]
        self._latest = state
        self._fetch = fetch

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def last(self) -> int:
        """The number of the newest fact; `first` where there is none."""
        return self._numbers[-1] if self._numbers else self.first

    @property
    def latest(self) -> State:
        """The state after the newest fact."""
        return self._latest

    def note(self, seq: int, state: State) -> None:
        """A fact, and the state after it."""
        self._numbers.append(seq)
        self._latest = state
        if len(self._numbers) % SNAPSHOT_EVERY == 0:
            self._snapshots.append(state)

    def entries(self, *, after: int, limit: int) -> list[Entry]:
        """At most `limit`, with numbers above `after`."""
        start = bisect_right(self._numbers, after)
        return list(self._fetch(start, min(start + limit, len(self._numbers))))

    def entry(self, seq: int) -> Entry:
        """Raises NotFound where no fact has this number."""
        place = bisect_right(self._numbers, seq)
        if not place or self._numbers[place - 1] != seq:
            raise NotFound(f"there is no action {seq} here; `actions` lists those there are", code="unknown-action")
        return next(self._fetch(place - 1, place))

    def before(self, seq: int) -> Iterator[Entry]:
        """The facts before one, oldest first."""
        place = bisect_right(self._numbers, seq)
        return self._fetch(0, place - 1 if place and self._numbers[place - 1] == seq else place)

    def state_at(self, seq: int) -> State:
        """
        The state after fact number `seq`, or after the last before it.

        Reduces fewer than `SNAPSHOT_EVERY` facts. Raises NotFound for what is not kept, or lies ahead.
        """
        if not self.first <= seq <= self.last:
            raise NotFound(f"no state after action {seq}: choose one from {self.first} to {self.last}")
        place = bisect_right(self._numbers, seq)
        if place == len(self._numbers):
            return self._latest
        index = place // SNAPSHOT_EVERY
        state = self._snapshots[index]
        for entry in self._fetch(index * SNAPSHOT_EVERY, place):
            state = ROOT.reduce(state, entry.event)
        return state


class WrittenPast:
    """
    That of a recording, which may still be made. Every call may wait for the disk, one at a time.

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


class LivePast:
    """
    That of a session that lives, as far back as the journal of the hub goes. On the loop; nothing waits.

    What it has seen it keeps, so that the next look goes through what is new of this session, and nothing else.
    """

    def __init__(self, facts: SessionFacts, selection: Selection) -> None:
        self.selection = selection
        self._facts = facts
        self._entries: list[Entry] = []
        self._begun_with = 0
        """Facts"""
        self._seen = 0
        self._timeline: Timeline | None = None

    def timeline(self) -> Timeline:
        """As it is now."""
        timeline, missing = self._timeline, self._facts.gone(self.selection.session)
        if timeline is None or self._seen < missing or len(timeline) > self._begun_with + MOST_KEPT:
            return self._anew()
        return self._read_on(timeline)

    def _anew(self) -> Timeline:
        journal = self._facts.journal
        self._entries = []
        self._seen = first = journal.oldest_state
        self._timeline = timeline = Timeline(first, self.selection.state(journal.state_at(first)), self._fetch)
        self._begun_with = len(self._read_on(timeline))
        return timeline

    def _read_on(self, timeline: Timeline) -> Timeline:
        for seq, event in self._facts.of(self.selection.session, after=self._seen):
            if (told := self.selection.of(event)) is not None:
                self._entries.append(Entry(seq, told))
                timeline.note(seq, ROOT.reduce(timeline.latest, told))
        self._seen = self._facts.journal.seq
        return timeline

    def _fetch(self, start: int, end: int) -> Iterator[Entry]:
        return iter(self._entries[start:end])
