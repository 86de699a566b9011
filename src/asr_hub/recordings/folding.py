"""The facts of a journal, each with the state after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asr_hub.store.journal import CorruptJournal, Entry
from asr_hub.store.root import ROOT
from asr_hub.store.slice import IllegalMove, State


def folded(state: State, entries: Iterable[Entry]) -> Iterator[tuple[Entry, State]]:
    """Each fact, and the state after it. Raises CorruptJournal where one cannot follow."""
    for line, entry in enumerate(entries, start=2):
        try:
            state = ROOT.reduce(state, entry.event)
        except IllegalMove as exc:
            raise CorruptJournal(line, f"fact {entry.seq} cannot follow ({exc})", "the facts before it stand") from exc
        yield entry, state
