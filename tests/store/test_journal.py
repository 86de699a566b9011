from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import ConfigError, NotFound
from asr_hub.model import SessionId
from asr_hub.store.event import Event
from asr_hub.store.journal import CorruptJournal, Entry, Journal, encode, header, read, replay
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import select_live_count

from .facts import A, B, Errors, any_history, closed, ended, final, opened, revised, started, store, warned

pytestmark = pytest.mark.unit

STORY: list[Event] = [
    opened(A),
    opened(B),
    started(1),
    revised(1, "turn"),
    warned(session=B),
    ended(1),
    final(1, "turn on"),
    closed(B),
]


def lines_of(history: list[Event], *, size: int = 10_000, snapshot_every: int = 1_000) -> tuple[bytes, State]:
    """What a store that lived through `history` writes, and its last state."""
    hub = store(on_error=Errors(), journal_size=size, snapshot_every=snapshot_every)
    for event in history:
        hub.dispatch(event)
    return b"".join(hub.journal.dump()), hub.state


@given(any_history)
@settings(max_examples=60, deadline=None)
def test_a_replayed_journal_gives_the_same_state(history: list[Event]) -> None:
    written, state = lines_of(history)
    assert replay(written.splitlines(keepends=True)) == state


@given(any_history, st.integers(1, 20), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_a_journal_that_forgot_its_beginning_replays_from_the_state_it_kept(
    history: list[Event], size: int, snapshot_every: int
) -> None:
    written, state = lines_of(history, size=size, snapshot_every=snapshot_every)
    assert replay(written.splitlines(keepends=True)) == state
    again, _ = lines_of(history, size=size, snapshot_every=snapshot_every)
    assert again == written


@given(any_history, st.integers(1, 40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_state_at_any_number_is_that_of_the_facts_until_then(
    history: list[Event], size: int, snapshot_every: int
) -> None:
    hub = store(on_error=Errors(), journal_size=size, snapshot_every=snapshot_every)
    states = [ROOT.initial]
    for event in history:
        before = hub.journal.seq
        hub.dispatch(event)
        if hub.journal.seq > before:
            states.append(hub.state)
    journal = hub.journal
    if size >= snapshot_every:
        assert journal.seq - journal.oldest_state >= min(journal.seq, size - snapshot_every)
    for seq in range(journal.oldest_state, journal.seq + 1):
        assert journal.state_at(seq) == states[seq]
    for unknown in (journal.oldest_state - 1, journal.seq + 1):
        with pytest.raises(NotFound, match="choose one from"):
            journal.state_at(unknown)


def test_facts_are_numbered_bounded_and_found_by_session() -> None:
    hub = store(journal_size=6)
    for event in STORY:
        hub.dispatch(event)
    journal = hub.journal
    assert (journal.seq, len(journal)) == (8, 6)
    assert [entry.seq for entry in journal.entries(after=5)] == [6, 7, 8]
    assert journal.of(B) == [Entry(5, warned(session=B)), Entry(8, closed(B))]
    assert journal.of(B, after=5) == [Entry(8, closed(B))]


def test_the_sink_is_given_every_fact_once_in_full_batches_and_the_rest_at_the_end() -> None:
    batches: list[list[Entry]] = []
    journal = Journal(sink=lambda batch: batches.append(list(batch)), batch_size=3)
    for event in STORY:
        journal.append(event, ROOT.initial)
    assert [len(batch) for batch in batches] == [3, 3]
    journal.flush()
    journal.flush()
    assert [entry for batch in batches for entry in batch] == list(journal.entries())


def test_what_a_sink_was_given_replays_to_the_state_of_the_store() -> None:
    chunks = [header()]
    hub = store(journal_sink=lambda batch: chunks.append(encode(batch)))
    for event in STORY:
        hub.dispatch(event)
    hub.close()
    state = replay(b"".join(chunks).splitlines())
    assert select_live_count(state) == 1
    assert state == hub.journal.state_at(8)


def test_a_sink_that_fails_is_reported_and_stops_nothing() -> None:
    def full(_: object) -> None:
        raise OSError("no space left on device")

    errors = Errors()
    hub = store(journal_sink=full, on_error=errors)
    hub.dispatch(opened())
    for _ in range(300):
        hub.dispatch(warned())
    assert errors.kinds == [OSError]
    assert hub.journal.seq == 301


@pytest.mark.parametrize("text", ["as text", "as bytes"])
def test_a_journal_is_read_as_text_or_bytes(text: str) -> None:
    written, state = lines_of(STORY)
    lines: list[str | bytes] = list(written.decode().splitlines() if text == "as text" else written.splitlines())
    assert replay(lines) == state
    recording = read(lines)
    assert (recording.after, recording.state) == (0, ROOT.initial)
    assert [event for _, event in recording.entries] == STORY


def test_one_state_is_always_written_as_one_text() -> None:
    ids = [SessionId(f"s{number}") for number in range(40)]
    hub = store()
    for session in ids:
        hub.dispatch(opened(session))
    written = msgspec.json.decode(header(after=40, state=hub.state))
    assert list(written["state"]["sessions"]) == sorted(ids)


def test_text_in_any_script_survives() -> None:
    written, _ = lines_of([opened(), started(1), revised(1, "打开灯 \u2028 \U0001f4a1\n")])
    assert [event for _, event in read(written.split(b"\n")[:-1]).entries][-1] == revised(
        1, "打开灯 \u2028 \U0001f4a1\n"
    )


def broken(line: int, content: bytes) -> list[bytes]:
    lines = lines_of(STORY)[0].splitlines()
    lines[line - 1] = content
    return lines


_LINES = lines_of(STORY)[0].splitlines()


@pytest.mark.parametrize(
    ("lines", "line", "remedy"),
    [
        ([], 1, "give a journal written by this hub"),
        (broken(1, b"no json"), 1, "give a journal written by this hub"),
        (broken(1, b'{"type":"something-else"}'), 1, "give a journal written by this hub"),
        (broken(1, _LINES[0].replace(b'"version":1', b'"version":2')), 1, "release that wrote it"),
        (broken(1, _LINES[0].replace(b'"providers":{},', b"")), 1, "release that wrote it"),
        (broken(1, _LINES[0].replace(b'"opened":0', b'"opened":"none"')), 1, "release that wrote it"),
        ([b'{"type":"asr-hub-journal","version":1,"after":7,"state":{}}'], 1, "the part before it too"),
        (broken(4, _LINES[3][:-9]), 4, "keep the lines before it"),
        (broken(4, b"\xff\xfe"), 4, "keep the lines before it"),
        (broken(4, b""), 4, "keep the lines before it"),
        (broken(4, _LINES[3].replace(b"[Speech] Started", b"[Speech] Sang")), 4, "keep the lines before it"),
        (broken(4, _LINES[4]), 4, "keep the lines before it"),
        ([*_LINES[:3], *_LINES[4:]], 4, "keep the lines before it"),
        (broken(4, _LINES[3].replace(b'"session":"a"', b'"session":"nobody"')), 4, "keep the lines before it"),
    ],
)
def test_a_corrupt_journal_is_refused_with_its_line_and_a_remedy(lines: list[bytes], line: int, remedy: str) -> None:
    with pytest.raises(CorruptJournal, match=remedy) as caught:
        replay(lines)
    assert caught.value.line == line
    assert f"journal line {line}:" in str(caught.value)


@given(st.binary(max_size=60), st.integers(1, len(_LINES)))
@settings(max_examples=80, deadline=None)
def test_no_bytes_in_any_line_are_taken_for_anything_but_a_journal_or_a_corrupt_one(junk: bytes, line: int) -> None:
    lines = list(_LINES)
    lines[line - 1] = junk
    with pytest.raises(CorruptJournal) as caught:
        replay(lines)
    assert caught.value.line == line


def test_every_line_is_plain_json() -> None:
    first, *rest = [msgspec.json.decode(line) for line in _LINES]
    assert (first["type"], first["version"], first["after"]) == ("asr-hub-journal", 1, 0)
    assert [line["seq"] for line in rest] == list(range(1, 9))
    assert rest[0]["event"]["type"] == "[Session] Opened"


@pytest.mark.parametrize("options", [{"size": 0}, {"snapshot_every": 0}, {"batch_size": 0}])
def test_a_journal_of_no_size_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Journal(**options)
