"""The past of a session that lives."""

from __future__ import annotations

from asr_hub.recordings.selection import Selection
from asr_hub.recordings.session_facts import SessionFacts
from asr_hub.recordings.timeline import Timeline
from asr_hub.store.journal import Entry

MOST_KEPT = 10_000
"""Facts of a live session beyond those it began with; then it begins anew, from what the journal of the hub has."""


class LivePast:
    """
    As far back as the journal of the hub goes. On the loop; nothing waits.

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
        entries: list[Entry] = []
        self._entries = entries
        self._seen = first = journal.oldest_state
        state = self.selection.state(journal.state_at(first))
        # On a thread somebody may still look at the timeline before this one: it goes on having its own facts.
        self._timeline = timeline = Timeline(first, state, lambda start, end: iter(entries[start:end]))
        self._begun_with = len(self._read_on(timeline))
        return timeline

    def _read_on(self, timeline: Timeline) -> Timeline:
        for seq, event in self._facts.of(self.selection.session, after=self._seen):
            if (told := self.selection.of(event)) is not None:
                self._entries.append(Entry(seq, told))
                timeline.note(seq)
        self._seen = self._facts.journal.seq
        return timeline
