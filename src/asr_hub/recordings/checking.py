"""A recording that came from elsewhere is read to its end, and believed in nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sized

from asr_hub.model import SessionId
from asr_hub.recordings.counting import heard, told
from asr_hub.recordings.folding import folded
from asr_hub.recordings.format import (
    LARGEST_PIECE,
    SAMPLE_BYTES,
    BadRecording,
    Folder,
    Meta,
    Piece,
    Summary,
    open_journal,
)
from asr_hub.recordings.selection import NOBODY, is_told_to_all
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.journal import Entry
from asr_hub.store.slice import State
from asr_hub.store.slices.breakers import AttemptFailed, breakers
from asr_hub.store.slices.hotwords import hotwords
from asr_hub.store.slices.jobs import select_jobs
from asr_hub.store.slices.providers import providers
from asr_hub.store.slices.scores import scores
from asr_hub.store.slices.sessions import select_sessions
from asr_hub.store.slices.transcripts import transcripts

MOST_FACTS = 500_000
"""A day in which somebody always speaks has fewer."""

MOST_RECORDS = 1000
"""Of a kind, in one state: real hubs have a few; utterances they have so many."""

MOST_SAMPLES = 48 * 3600 * 16_000

LOWEST_RATE = 1_000
HIGHEST_RATE = 16_000
"""Hertz, that pipelines have"""

_EVERY = 64
"""Facts from one look at the size of the state to the next."""


def checked(folder: Folder, meta: Meta) -> Meta:
    """
    What a recording from elsewhere has, once everything in it is what it says, and of one session alone.

    Reads in bounded memory. Raises BadRecording, CorruptJournal, NotFound.
    """
    if not LOWEST_RATE <= meta.rate <= HIGHEST_RATE:
        raise BadRecording(f"its audio has {meta.rate} Hz; that of pipelines has {LOWEST_RATE} to {HIGHEST_RATE}")
    with folder.journal() as file:
        opened = open_journal(file)
        if opened.after:
            raise BadRecording(f"its journal begins after fact {opened.after}; a recording begins with the first")
        session = SessionId(meta.session)
        _check_begin(opened.state, session)
        summary = Summary(opened.state)
        states = folded(opened.state, _checked(opened.entries, session))
        found = told(meta, _bounded(states), summary)
    pieces = folder.pieces()
    _check_audio(folder, pieces)
    return heard(found, pieces)


def _checked(entries: Iterator[Entry], session: SessionId) -> Iterator[Entry]:
    for entry in entries:
        if entry.seq > MOST_FACTS:
            raise BadRecording(f"it has more than {MOST_FACTS} facts; no session has so many")
        if not _belongs(entry.event, session):
            raise BadRecording(f"fact {entry.seq}, {entry.event.type}, is about another session than {session!r}")
        yield entry


def _belongs(event: Event, session: SessionId) -> bool:
    if isinstance(event, SessionEvent):
        return event.session == session or (event.session == NOBODY and type(event) is AttemptFailed)
    return is_told_to_all(event)


def _bounded(states: Iterator[tuple[Entry, State]]) -> Iterator[tuple[Entry, State]]:
    for entry, state in states:
        if entry.seq % _EVERY == 0:
            _check_size(state)
        yield entry, state


def _check_begin(state: State, session: SessionId) -> None:
    if any(record.id != session for record in select_sessions(state)) or select_jobs(state):
        raise BadRecording("the state that it goes on from is not that of one session")
    if set(transcripts.part(state)) - {session}:
        raise BadRecording("the state that it goes on from has the words of other sessions")
    _check_size(state)


def _check_size(state: State) -> None:
    kinds: list[Sized] = [
        providers.part(state),
        breakers.part(state),
        hotwords.part(state).tenants,
        scores.part(state).providers,
        scores.part(state).pairs,
        *(record.pending for record in select_sessions(state)),
        *(transcript.utterances for transcript in transcripts.part(state).values()),
    ]
    if any(len(kind) > MOST_RECORDS for kind in kinds):
        raise BadRecording(f"a state of it has more than {MOST_RECORDS} records of a kind; no hub has so many")


def _check_audio(folder: Folder, pieces: list[Piece]) -> None:
    """Every piece is there, as long as it says, and what its hash says. Raises BadRecording."""
    if pieces and pieces[-1].start + pieces[-1].samples > MOST_SAMPLES:
        raise BadRecording("its audio is longer than two days")
    lengths: dict[str, int] = {}
    for piece in pieces:
        if piece.sha256 not in lengths:
            lengths[piece.sha256] = _length(folder, piece.sha256)
        if lengths[piece.sha256] != piece.samples * SAMPLE_BYTES:
            raise BadRecording(f"the piece of audio at {piece.start} is not as long as it says")


def _length(folder: Folder, sha256: str) -> int:
    try:
        with folder.piece(sha256).open("rb") as file:
            data = file.read(LARGEST_PIECE + 1)
    except OSError:
        raise BadRecording(f"a piece of its audio is missing: {sha256}") from None
    if len(data) > LARGEST_PIECE or hashlib.sha256(data).hexdigest() != sha256:
        raise BadRecording(f"a piece of its audio is not what its hash says: {sha256}")
    return len(data)
