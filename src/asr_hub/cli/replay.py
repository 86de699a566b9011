"""`asr-hub replay`: what a written journal, or a recording, says of any moment of the hub that wrote it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from asr_hub.cli.refusal import refused
from asr_hub.errors import NotFound
from asr_hub.model import EndpointReason, Hypothesis, ProviderName, SessionId
from asr_hub.recordings.archive import journal_in, meta_in
from asr_hub.recordings.causes import Cause
from asr_hub.recordings.causes import why as list_causes
from asr_hub.recordings.folding import folded
from asr_hub.recordings.format import JOURNAL, BadRecording, open_journal
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.journal import CorruptJournal, Entry, Recording, read
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import (
    SessionClosed,
    SessionConfigured,
    SessionOpened,
    SpeechEnded,
    select_sessions,
)
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    UtteranceCorrected,
    UtteranceFinalized,
    select_utterances,
)


def replay(
    journal: Annotated[
        Path, typer.Argument(help="A file that `journal.path` named, a recording's folder, or its zip.")
    ],
    at: Annotated[int | None, typer.Option(min=0, help="Stop after this fact; by default after the last.")] = None,
    session: Annotated[str | None, typer.Option(help="Show this session only.")] = None,
    why: Annotated[int | None, typer.Option(min=1, help="Print what led to this fact, and nothing else.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the state of the hub and what had been said, at any point of a journal or a recording."""
    if why is not None:
        if at is not None or session is not None:
            raise typer.BadParameter("--why tells of one fact alone; leave out --at and --session")
        with refused():
            _show_causes(_causes(journal, why), Console(), as_json=as_json)
        return
    with refused():
        moment = _moment(journal, at)
        if session is not None:
            moment = moment.only(SessionId(session))
        if as_json:
            encoded = msgspec.json.encode(moment, enc_hook=_map_to_dict)
            typer.echo(msgspec.json.format(encoded, indent=2).decode())
        else:
            _show(moment, Console())
    if moment.damage is not None:
        Console(stderr=True).print(f"[bold yellow]damaged[/]: {_shown(moment.damage)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


class Story(msgspec.Struct, kw_only=True):
    """One session as the journal tells it, whether it still lived at that moment or not."""

    provider: ProviderName
    opened_at: float | None = None
    """Seconds since the epoch, or nothing where the journal begins later."""
    closed: str | None = None
    """Why the session was closed, or nothing where it still lived."""
    utterances: dict[int, Hypothesis] = {}
    """The last hypothesis of each utterance, partial or final."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known after one fact."""

    seq: int
    time: float
    """Seconds since the epoch, of that fact."""
    fact: str
    """Its type"""
    state: dict[str, Any]  # the parts, each of its own type
    sessions: dict[SessionId, Story]
    damage: str | None = None
    """Why the journal could not be read to its end."""

    def only(self, session: SessionId) -> Moment:
        """Raises NotFound."""
        if session not in self.sessions:
            there = ", ".join(_printable(id) for id in itertools.islice(self.sessions, 10)) or "none"
            raise NotFound(f"the journal knows no session {session!r} up to fact {self.seq}; it knows: {there}")
        state = {
            name: {session: part[session]} if session in part else {}
            for name, part in self.state.items()
            if isinstance(part, Mapping) and name in ("sessions", "transcripts")
        }
        return msgspec.structs.replace(self, state=state, sessions={session: self.sessions[session]})


def _moment(path: Path, at: int | None) -> Moment:
    with _opened(path) as (recording, damage):
        return _reach(recording, at, damage)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Recording, str | None]]:
    """
    A written journal, or that of a recording, and why the recording does not say what it is.

    Raises NotFound, CorruptJournal, BadRecording.
    """
    try:
        if path.is_dir() or _is_zip(path):
            damage = _damage_of(path)
            with journal_in(path) as file:
                yield open_journal(file), damage
        else:
            with path.open("rb") as file:
                yield _read(path, file), None
    except OSError as exc:
        raise NotFound(f"{path}: cannot be read: {os.strerror(exc.errno or 0)}") from None


def _is_zip(path: Path) -> bool:
    """Whether it is one, or was one before it was cut."""
    return _start_of(path).startswith(b"PK")


def _damage_of(path: Path) -> str | None:
    """Raises NotFound for a folder that is no recording."""
    if path.is_dir() and not (path / JOURNAL).exists():
        inner = next((it for it in sorted(path.iterdir()) if (it / JOURNAL).exists()), None)
        what = "no recording" if inner is None else f"the folder of recordings, such as {inner}"
        raise NotFound(f"{path}: is {what}; name the folder of one, the zip of one, or a journal")
    try:
        meta_in(path)
    except (BadRecording, NotFound) as exc:
        return str(exc)
    return None


def _read(path: Path, file: BinaryIO) -> Recording:
    """Raises CorruptJournal, and NotFound for what is no journal."""
    try:
        return read(file)
    except CorruptJournal as exc:
        if b"asr-hub-journal" in _start_of(path) or not path.is_file():
            raise
        hint = f", such as {path.parent}" if (path.parent / JOURNAL).exists() else ""
        raise NotFound(f"{path}: is no journal; name a file that `journal.path` named, or a recording{hint}") from exc


def _start_of(path: Path) -> bytes:
    if not path.is_file():
        # What is read of a pipe is gone.
        return b""
    with path.open("rb") as file:
        return file.read(100)


def _causes(path: Path, seq: int) -> list[Cause]:
    """Reads twice: first what it is about, then what came before. Raises what `_opened` raises."""
    with _opened(path) as (recording, _):
        target = _found(recording, seq)
    with _opened(path) as (recording, _):
        return list_causes(target, itertools.takewhile(lambda entry: entry.seq < seq, recording.entries))


def _found(recording: Recording, seq: int) -> Entry:
    """Raises NotFound."""
    if seq <= recording.after:
        raise _begins_later(recording)
    last = recording.after
    damage = ""
    try:
        for entry in recording.entries:
            last = entry.seq
            if last == seq:
                return entry
    except (CorruptJournal, BadRecording) as exc:
        damage = f": {exc}"
    raise NotFound(f"this journal can be read up to fact {last}, not {seq}{damage}")


def _begins_later(recording: Recording) -> NotFound:
    return NotFound(f"this journal begins after fact {recording.after}; the part before it is in another file")


def _show_causes(causes: list[Cause], console: Console, *, as_json: bool) -> None:
    if as_json:
        told = [{"seq": seq, "link": link, "action": event} for seq, link, event in causes]
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    for seq, link, event in causes:
        plain = msgspec.to_builtins(event, enc_hook=_map_to_dict, str_keys=True)
        fields = _fields({name: value for name, value in plain.items() if name not in ("type", "at", "session")})
        console.print(
            f"{seq:>6} {_when(event.at)} [bold]{link:<14}[/] {_shown(event.type)} {_shown(fields)}",
            highlight=False,
            soft_wrap=True,
        )


def _reach(recording: Recording, at: int | None, damage: str | None) -> Moment:
    seq, state, last = recording.after, recording.state, Event()
    if at is not None and at < seq:
        raise _begins_later(recording)
    stories = _stories_of(state)
    try:
        for seq, event, state in _states(recording, at):  # noqa: B007 - the last ones are what is wanted
            _tell(stories, event)
            last = event
    except (CorruptJournal, BadRecording) as exc:
        damage = str(exc)
    if at is not None and seq < at:
        rest = f": {damage}" if damage else ""
        raise NotFound(f"this journal can be read up to fact {seq}, not {at}{rest}")
    return Moment(
        seq=seq,
        time=last.at,
        fact="" if type(last) is Event else last.type,
        state={part.name: part.part(state) for part in ROOT.slices},
        sessions=stories,
        damage=damage,
    )


def _states(recording: Recording, at: int | None) -> Iterator[tuple[int, Event, State]]:
    """Each fact up to number `at`, with the state after it. Raises CorruptJournal."""
    if at == recording.after:
        return
    for (seq, event), state in folded(recording.state, recording.entries):
        yield seq, event, state
        if seq == at:
            return


def _stories_of(state: State) -> dict[SessionId, Story]:
    """Where a journal goes on from a state: the sessions that live in it, and what they had said."""
    stories = {}
    for session in select_sessions(state):
        readings = {each.number: each.latest for each in select_utterances(state, session.id)}
        stories[session.id] = Story(
            provider=session.provider,
            opened_at=session.opened_at,
            utterances={number: reading for number, reading in readings.items() if reading is not None},
        )
    return stories


def _tell(stories: dict[SessionId, Story], event: Event) -> None:
    if not isinstance(event, SessionEvent):
        return
    if isinstance(event, SessionOpened):
        stories[event.session] = Story(provider=event.provider, opened_at=event.at)
        return
    story = stories.get(event.session)
    if story is None:
        return
    match event:
        case SessionConfigured() if event.provider is not None:
            story.provider = event.provider
        case SessionClosed():
            story.closed = event.reason
        case SpeechEnded() if event.reason is EndpointReason.CLEAR:
            story.utterances.pop(event.utterance, None)
        case HypothesisRevised():
            if not (event.utterance in story.utterances and story.utterances[event.utterance].is_final):
                story.utterances[event.utterance] = event.hypothesis
        case UtteranceFinalized() | UtteranceCorrected():
            story.utterances[event.utterance] = event.hypothesis
        case _:
            pass


def _show(moment: Moment, console: Console) -> None:
    when = _when(moment.time) if moment.fact else ""
    console.print(f"[bold]after fact {moment.seq}[/] {_shown(moment.fact)} {when}", highlight=False)
    for name, part in moment.state.items():
        if name != "transcripts":
            _show_part(name, part, console)
    for id, story in moment.sessions.items():
        end = f"closed ({story.closed})" if story.closed is not None else "live"
        console.print(f"\n[bold]{_shown(id)}[/] {_shown(story.provider)}, {_shown(end)}", highlight=False)
        for number, hypothesis in sorted(story.utterances.items()):
            mark = " " if hypothesis.is_final else "…"
            console.print(
                f"{number:>4} {hypothesis.start / 1000:9.3f} s {mark} {_shown(hypothesis.text)}",
                highlight=False,
                soft_wrap=True,
            )


def _show_part(name: str, part: object, console: Console) -> None:
    """A part of the state: a line for each of its records that says something, without the fields that hold nothing."""
    plain = msgspec.to_builtins(part, enc_hook=_map_to_dict, str_keys=True)
    are_records = bool(plain) and all(isinstance(record, dict) for record in plain.values())
    records = plain if are_records else {"": plain}
    for key, record in records.items():
        if fields := _fields(record):
            told = f"{key} {fields}".strip()
            console.print(f"[bold]{name}[/] {_shown(told)}", highlight=False, soft_wrap=True)


def _fields(record: Mapping[str, object]) -> str:
    return " ".join(f"{field}={_cell(field, value)}" for field, value in record.items() if value not in _NOTHING)


_NOTHING: tuple[object, ...] = (None, "", (), [], {})


def _cell(field: str, value: object) -> str:
    match value:
        case dict():
            return f"({' '.join(f'{key}={_cell(key, inner)}' for key, inner in value.items())})"
        case list() | tuple():
            return ",".join(_cell(field, each) for each in value)
        case float() if field.endswith("_at"):
            return _when(value)
        case str() if " " in value:
            return repr(value)
        case _:
            return str(value)


def _when(time: float) -> str:
    try:
        moment = datetime.fromtimestamp(time, tz=UTC)
    except (OverflowError, ValueError, OSError):
        # A file may say anything.
        return str(time)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(text: str) -> str:
    """As rich takes it, and with nothing in it that a terminal would obey."""
    return escape(_printable(text))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _map_to_dict(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be written as JSON")
