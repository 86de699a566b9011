"""
The journal: every fact that was taken, numbered, so that any state of the near past can be made again.

Written down, a journal is JSON lines: a header with the version and, where it does not begin with the first fact, the
state it goes on from; then one line per event. It holds what users said: treat it as their words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple, Union

import msgspec
from immutables import Map

from asr_hub.errors import ConfigError, NotFound
from asr_hub.model import SessionId
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.root import EVENTS, ROOT, Root
from asr_hub.store.slice import IllegalMove, State

VERSION = 1
"""Of the written form. A reader refuses another."""


class CorruptJournal(ConfigError):
    """A written journal cannot be read on. `line` counts from 1."""

    def __init__(self, line: int, reason: str, remedy: str) -> None:
        super().__init__(f"journal line {line}: {reason}; {remedy}")
        self.line = line


class Entry(NamedTuple):
    """One fact and its place: the first fact of a process is number 1."""

    seq: int
    event: Event


Sink = Callable[[Sequence[Entry]], None]
"""Takes entries in order and without gap. Called on the loop: hand them to a thread that calls `encode` and writes."""


class Journal:
    """
    The last `size` facts, and a state every `snapshot_every` of them. The states share their unchanged parts.

    Only what was reduced without error is in it. Full batches go to `sink` as they fill; `flush` hands over the rest.
    """

    def __init__(
        self,
        root: Root = ROOT,
        *,
        size: int = 10_000,
        snapshot_every: int = 1_000,
        sink: Sink | None = None,
        batch_size: int = 256,
    ) -> None:
        if size < 1 or snapshot_every < 1 or batch_size < 1:
            raise ConfigError("journal: size, snapshot_every and batch_size must be at least 1")
        self.seq = 0
        """The number of the last fact; 0 before the first."""
        self._root = root
        self._entries: deque[Entry] = deque(maxlen=size)
        self._snapshot_every = snapshot_every
        self._snapshots: deque[tuple[int, State]] = deque([(0, root.initial)])
        self._latest = root.initial
        self._sink = sink
        self._batch: list[Entry] = []
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, event: Event, state: State) -> None:
        """Note a fact and the state after it. Raises what the sink raises; the journal is whole nevertheless."""
        self.seq += 1
        entry = Entry(self.seq, event)
        self._entries.append(entry)
        self._latest = state
        if self.seq % self._snapshot_every == 0:
            self._snapshots.append((self.seq, state))
            while len(self._snapshots) > 1 and self._snapshots[0][0] + 1 < self._entries[0].seq:
                self._snapshots.popleft()
        if self._sink is not None:
            self._batch.append(entry)
            if len(self._batch) >= self._batch_size:
                self.flush()

    def flush(self) -> None:
        """Hand what waits to the sink. If the sink raises, this batch is lost to it and a reader will see the gap."""
        if self._batch and self._sink is not None:
            batch, self._batch = self._batch, []
            self._sink(batch)

    def entries(self, *, after: int = 0) -> Iterator[Entry]:
        """The facts still kept with a number above `after`, oldest first. Walks those, and no others."""
        return reversed(tuple(takewhile(lambda entry: entry.seq > after, reversed(self._entries))))

    def of(self, session: SessionId, *, after: int = 0) -> list[Entry]:
        """The facts still kept about one session, oldest first. Walks the whole journal."""
        return [
            entry
            for entry in self._entries
            if entry.seq > after and isinstance(entry.event, SessionEvent) and entry.event.session == session
        ]

    @property
    def oldest(self) -> int:
        """The number of the oldest fact still kept; that of the next one where there is none."""
        return self._entries[0].seq if self._entries else self.seq + 1

    @property
    def oldest_state(self) -> int:
        """The smallest number `state_at` takes."""
        return self._oldest_snapshot()[0]

    def state_at(self, seq: int) -> State:
        """
        The state after fact number `seq`; 0 is the state before the first.

        Reduces at most `snapshot_every` facts. Raises NotFound for what lies ahead or is no longer kept.
        """
        if seq == self.seq:
            return self._latest
        if not self.oldest_state <= seq < self.seq:
            raise NotFound(f"no state after fact {seq}: choose one from {self.oldest_state} to {self.seq}")
        start, state = next(snapshot for snapshot in reversed(self._snapshots) if snapshot[0] <= seq)
        skip = start + 1 - self._entries[0].seq
        for index in range(skip, skip + seq - start):
            state = self._root.reduce(state, self._entries[index].event)
        return state

    def dump(self) -> Iterator[bytes]:
        """Everything still kept, written so that `replay` of it gives the present state."""
        start, state = self._oldest_snapshot()
        yield header(after=start, state=state, root=self._root)
        yield encode(self.entries(after=start))

    def _oldest_snapshot(self) -> tuple[int, State]:
        first = self.oldest
        return next(((seq, state) for seq, state in self._snapshots if seq + 1 >= first), (self.seq, self._latest))


def header(*, after: int = 0, state: State | None = None, root: Root = ROOT) -> bytes:
    """The first line. A journal that begins after fact number `after` needs the state at that point to be replayed."""
    parts = {} if state is None else {part.name: part.part(state) for part in root.slices}
    return written(_Header(after=after, state=parts)) + b"\n"


def written(value: object) -> bytes:
    """What a part of the state is part of, as JSON."""
    return msgspec.json.encode(value, enc_hook=_map_to_dict)


def encode(entries: Iterable[Entry]) -> bytes:
    """One line per entry, each ended by a newline."""
    return b"".join(_ENCODER.encode(_Line(seq, event)) + b"\n" for seq, event in entries)


class Recording(NamedTuple):
    """A written journal, opened: the state it goes on from, and its facts, read as they are asked for."""

    after: int
    state: State
    entries: Iterator[Entry]


def read(lines: Iterable[bytes | str], *, root: Root = ROOT) -> Recording:
    """
    Open a written journal; `lines` may be an open file.

    Raises CorruptJournal for the header at once, and for any later line when the entries reach it.
    """
    numbered = enumerate(lines, start=1)
    after, state = _read_header(next(numbered, (1, b""))[1], root)
    return Recording(after, state, _read_entries(numbered, after))


def read_on(lines: Iterable[bytes | str], *, after: int) -> Iterator[Entry]:
    """The facts of a written journal behind number `after`: `lines` begin with the next. Raises CorruptJournal."""
    return _read_entries(enumerate(lines, start=after + 2), after)


def replay(lines: Iterable[bytes | str], *, root: Root = ROOT) -> State:
    """The state after the last fact of a written journal. No effect runs. Raises CorruptJournal."""
    recording = read(lines, root=root)
    state = recording.state
    for line, entry in enumerate(recording.entries, start=2):
        try:
            state = root.reduce(state, entry.event)
        except IllegalMove as error:
            raise CorruptJournal(line, f"fact {entry.seq} cannot follow ({error})", _CUT) from error
    return state


class _Header(msgspec.Struct, frozen=True, kw_only=True, tag="asr-hub-journal", tag_field="type"):
    version: int = VERSION
    after: int = 0
    state: dict[str, Any] = {}  # Any: the parts, each of its own type


class _HeaderRead(msgspec.Struct, frozen=True, kw_only=True, tag="asr-hub-journal", tag_field="type"):
    version: int
    after: int
    state: dict[str, msgspec.Raw]


class _Line(msgspec.Struct, frozen=True):
    seq: int
    event: Event


# The union is made at run time from the slices, so mypy cannot know it.
_LINE_READ: Any = msgspec.defstruct("_LineRead", [("seq", int), ("event", Union[EVENTS])])  # noqa: UP007
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_LINE_READ)

_CUT = "keep the lines before it, or restore the file from a copy"
_CONVERT = "read it with the release that wrote it"


def _read_header(line: bytes | str, root: Root) -> tuple[int, State]:
    try:
        found = msgspec.json.decode(line, type=_HeaderRead)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptJournal(1, f"no journal header ({error})", "give a journal written by this hub") from error
    if found.version != VERSION:
        raise CorruptJournal(1, f"version {found.version}, this release reads {VERSION}", _CONVERT)
    if not found.state:
        if found.after:
            raise CorruptJournal(1, f"begins after fact {found.after} without a state", "give the part before it too")
        return 0, root.initial
    names = {part.name for part in root.slices}
    if set(found.state) != names:
        raise CorruptJournal(1, f"its state has the parts {sorted(found.state)}, not {sorted(names)}", _CONVERT)
    try:
        parts = {
            part.name: msgspec.json.decode(found.state[part.name], type=part.part_type, dec_hook=_dict_to_map)
            for part in root.slices
        }
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptJournal(1, f"its state cannot be read ({error})", _CONVERT) from error
    return found.after, Map(parts)


def _read_entries(numbered: Iterator[tuple[int, bytes | str]], after: int) -> Iterator[Entry]:
    expected = after + 1
    for line, text in numbered:
        try:
            found = _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise CorruptJournal(line, f"no event ({error})", _CUT) from error
        if found.seq != expected:
            raise CorruptJournal(line, f"fact {found.seq} where {expected} should be", _CUT)
        yield Entry(expected, found.event)
        expected += 1


def _map_to_dict(value: object) -> object:
    if isinstance(value, Map):
        return dict(sorted(value.items()))  # one state, one text: a Map has no order of its own
    raise NotImplementedError(f"{type(value).__name__} cannot be written into a journal")


def _dict_to_map(wanted: Any, value: object) -> object:  # Any: a type, which may be an alias such as Map[int, str]
    return Map(msgspec.convert(value, dict.__class_getitem__(wanted.__args__), str_keys=True, dec_hook=_dict_to_map))
