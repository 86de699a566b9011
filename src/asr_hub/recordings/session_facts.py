"""The facts of the hub's journal, put apart by session, once for all who look at them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import merge
from itertools import takewhile

from asr_hub.model import SessionId
from asr_hub.recordings.selection import NOBODY, is_told_to_all
from asr_hub.store.event import SessionEvent
from asr_hub.store.journal import Entry, Journal

MOST_FORGOTTEN = 10_000
"""Sessions of which it is known until when their facts are gone."""


class SessionFacts:
    """
    What the journal keeps of each session, and what it keeps for all of them. On the loop; nothing waits.

    Whoever looks, each fact of the hub is put in its place once, at the next look. No fact is here that was not in the
    journal then.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._seen = 0
        self._of: dict[SessionId, deque[Entry]] = {}
        """Those for all stand under `NOBODY`."""
        self._places: deque[tuple[int, SessionId]] = deque()
        """Of each fact that is here, in order"""
        self._forgotten: dict[SessionId, int] = {}
        """The number of the last fact that is gone, the lowest first"""
        self._gone = 0
        """Of sessions that are not among those facts up to here may be gone."""

    def of(self, session: SessionId, *, after: int) -> Iterator[Entry]:
        """Its facts, and those for all, with numbers above `after`, in order. Walks those, and no others."""
        self._catch_up()
        return merge(*(_behind(self._of.get(key), after) for key in (session, NOBODY)), key=lambda entry: entry.seq)

    def gone(self, session: SessionId) -> int:
        """With numbers above this none of its facts is missing here."""
        self._catch_up()
        return max(self._gone, self._forgotten.get(session, 0), self._forgotten.get(NOBODY, 0))

    def _catch_up(self) -> None:
        oldest = self.journal.oldest
        while self._places and self._places[0][0] < oldest:
            self._forget(*self._places.popleft())
        if self._seen < oldest - 1:
            self._gone = oldest - 1
        for entry in self.journal.entries(after=self._seen):
            event = entry.event
            if is_told_to_all(event):
                key = NOBODY
            elif isinstance(event, SessionEvent):
                key = event.session
            else:
                continue
            self._of.setdefault(key, deque()).append(entry)
            self._places.append((entry.seq, key))
        self._seen = self.journal.seq

    def _forget(self, seq: int, session: SessionId) -> None:
        facts = self._of[session]
        facts.popleft()
        if not facts:
            del self._of[session]
        self._forgotten.pop(session, None)
        self._forgotten[session] = seq
        if len(self._forgotten) > MOST_FORGOTTEN:
            self._gone = max(self._gone, self._forgotten.pop(next(iter(self._forgotten))))


def _behind(facts: deque[Entry] | None, after: int) -> Iterator[Entry]:
    return reversed(tuple(takewhile(lambda entry: entry.seq > after, reversed(facts or ()))))
