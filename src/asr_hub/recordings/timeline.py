"""The past of a session, to be looked at: its facts by their numbers, and the state at each of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from threading import Lock

from asr_hub.errors import NotFound
from asr_hub.store.journal import Entry
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State

SNAPSHOT_EVERY = 256
"""Facts. The states share what is unchanged between them."""

Fetch = Callable[[int, int], Iterator[Entry]]
"""The facts at these places, the second not included: places are counted from 0, numbers are the facts' own."""


class Timeline:
    """
    Facts in the order of their numbers, which may have gaps, and snapshots of the state among them.

    It holds the numbers and the snapshots; the facts are fetched where they lie. States are made when they are asked
    for, which takes as long as there are facts before them that nobody asked for yet: `state_at` may be called on a
    thread, while facts are noted on the loop.
    """

    def __init__(self, first: int, state: State, fetch: Fetch) -> None:
        """`state`: that after fact number `first`, which the facts go on from."""
        self.first = first
        self._numbers = array("Q")
        self._snapshots = [state]
        self._reached = (0, state)
        """How many facts are reduced, and the state after them"""
        self._turn = Lock()
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
        return self.state_at(self.last)

    def note(self, seq: int, state: State | None = None) -> None:
        """A fact, and the state after it where that is known already."""
        self._numbers.append(seq)
        if state is not None:
            self._reach(len(self._numbers), state)

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

        Reduces each fact once, then fewer than `SNAPSHOT_EVERY`. Raises NotFound for what is not kept, or lies ahead.
        """
        if not self.first <= seq <= self.last:
            raise NotFound(f"no state after action {seq}: choose one from {self.first} to {self.last}")
        place = bisect_right(self._numbers, seq)
        with self._turn:
            start, state = self._reached
            if place < start:
                index = place // SNAPSHOT_EVERY
                start, state = index * SNAPSHOT_EVERY, self._snapshots[index]
            for at, entry in enumerate(self._fetch(start, place), start=start + 1):
                state = ROOT.reduce(state, entry.event)
                self._reach(at, state)
            return state

    def _reach(self, place: int, state: State) -> None:
        if place > self._reached[0]:
            self._reached = (place, state)
            if place % SNAPSHOT_EVERY == 0:
                self._snapshots.append(state)
