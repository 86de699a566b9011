"""What a recording has, where nobody wrote it down: it is read to its end, and counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from asr_hub.errors import NotFound
from asr_hub.recordings.folding import folded
from asr_hub.recordings.format import BadRecording, Folder, Meta, Piece, Summary, open_journal
from asr_hub.store.journal import CorruptJournal, Entry
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State


def counted(folder: Folder, meta: Meta) -> Meta:
    """What a recording of this hub has, where it was not written down: as far as it is sound, and why no farther."""
    pieces, damage = folder.sound_pieces()
    summary = Summary(ROOT.initial)
    states: Iterable[tuple[Entry, State]] = ()
    with contextlib.ExitStack() as stack:
        try:
            opened = open_journal(stack.enter_context(folder.journal()))
            summary = Summary(opened.state)
            states = folded(opened.state, opened.entries)
        except (CorruptJournal, BadRecording, NotFound) as exc:
            damage = str(exc)
        problems: list[str] = []
        found = told(meta, _sound(states, problems), summary)
    return heard(replace(found, damage=meta.damage or next(iter(problems), damage)), pieces)


def told(meta: Meta, states: Iterator[tuple[Entry, State]], summary: Summary) -> Meta:
    """What is known of a recording, with what its facts say."""
    facts, at = 0, meta.started_at
    for entry, _ in states:
        facts, at = entry.seq, entry.event.at
        summary.tell(entry)
    ended_at = at if meta.ended_at is None else meta.ended_at
    return summary.on(replace(meta, facts=facts, ended_at=ended_at, why_ended=meta.why_ended or "broken-off"))


def heard(meta: Meta, pieces: list[Piece]) -> Meta:
    """What is known of a recording, with what its audio says."""
    if not pieces:
        return replace(meta, samples=0)
    return replace(meta, samples=pieces[-1].start + pieces[-1].samples)


def _sound(states: Iterable[tuple[Entry, State]], problems: list[str]) -> Iterator[tuple[Entry, State]]:
    """Those before the first that cannot be read."""
    try:
        yield from states
    except (CorruptJournal, BadRecording) as exc:
        problems.append(str(exc))
