"""The past of a session: whatever happened in the hub, its state at an action is what folding the actions gives."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace
from tests.recordings.made import PUBLIC, SELECTION, lived, recorded
from tests.store.facts import A, any_history, ended, final, opened, revised, started

from asr_hub.errors import NotFound
from asr_hub.model import SessionId
from asr_hub.recordings.live_past import LivePast
from asr_hub.recordings.session_facts import SessionFacts
from asr_hub.recordings.timeline import SNAPSHOT_EVERY, Timeline
from asr_hub.recordings.written_past import WrittenPast
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.journal import Entry, replay
from asr_hub.store.root import ROOT, Root
from asr_hub.store.slice import State
from asr_hub.store.slices.breakers import AttemptFailed

pytestmark = pytest.mark.unit


def check(timeline: Timeline) -> list[Entry]:
    """Every state of a timeline is the fold of its facts; returns those."""
    entries = timeline.entries(after=0, limit=10_000)
    state = timeline.state_at(timeline.first)
    for entry in entries:
        state = ROOT.reduce(state, entry.event)
        assert timeline.state_at(entry.seq) == state
        assert timeline.entry(entry.seq) == entry
        assert list(timeline.before(entry.seq)) == entries[: entries.index(entry)]
    assert timeline.latest == state
    return entries


def alike(state: State) -> State:
    """Without what depends on where a timeline begins: whose failure was the last, and what is counted of all."""
    held = state["breakers"]
    known = Map({name: replace(one, last_message="") for name, one in held.items()})
    return Map(
        {name: state[name] for name in ("sessions", "transcripts", "providers", "hotwords")} | {"breakers": known}
    )


@given(any_history)
@settings(max_examples=60, deadline=None)
def test_a_live_session_has_the_states_that_folding_its_actions_gives(history: list[Event]) -> None:
    hub = lived(history)
    past = LivePast(SessionFacts(hub.journal), SELECTION)
    entries = check(past.timeline())
    whole = dict(hub.journal.entries())
    for seq, event in entries:
        if isinstance(event, SessionEvent):
            assert event.session == PUBLIC or (event.session == "" and type(event) is AttemptFailed)
        assert alike(past.timeline().state_at(seq)) == alike(SELECTION.state(hub.journal.state_at(seq)))
        assert event.at == whole[seq].at
    hub.close()


@given(any_history, st.integers(1, 40), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_a_journal_that_forgot_its_beginning_has_them_too(history: list[Event], size: int, every: int) -> None:
    hub = lived(history[: len(history) // 2], journal_size=size, snapshot_every=every)
    past = LivePast(SessionFacts(hub.journal), SELECTION)
    check(past.timeline())
    for event in history[len(history) // 2 :]:
        hub.dispatch(event)
    timeline = past.timeline()
    check(timeline)
    assert alike(timeline.latest) == alike(SELECTION.state(hub.state))
    hub.close()


@given(any_history)
@settings(max_examples=40, deadline=None)
def test_a_recording_has_them_and_ends_as_the_session_ended(history: list[Event]) -> None:
    with TemporaryDirectory() as folder:
        made = recorded(Path(folder), history)
        timeline = WrittenPast(made).timeline()
        entries = check(timeline)
        hub = lived(history)
        assert alike(timeline.latest) == alike(SELECTION.state(hub.state))
        assert made.meta().facts == len(entries) and timeline.first == 0
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        with made.journal() as file:
            assert replay(file) == timeline.latest
        hub.close()


def test_pages_and_states_go_on_while_a_session_speaks() -> None:
    hub = lived([opened(A)])
    past = LivePast(SessionFacts(hub.journal), SELECTION)
    assert len(past.timeline()) == 1
    for number in range(1, 400):
        for event in (started(number), revised(number, "on"), ended(number), final(number, f"the {number}.")):
            hub.dispatch(event)
    timeline = past.timeline()
    assert len(timeline) == 1 + 4 * 399
    page = timeline.entries(after=1000, limit=5)
    assert [entry.seq for entry in page] == [1001, 1002, 1003, 1004, 1005]
    at = timeline.state_at(1001)["transcripts"][SessionId(PUBLIC)]
    assert max(at.utterances) == 250
    hub.close()


def test_what_is_not_there_is_told() -> None:
    hub = lived([opened(A)])
    timeline = LivePast(SessionFacts(hub.journal), SELECTION).timeline()
    for seq in (2, 100):
        with pytest.raises(NotFound, match="choose one from 0 to 1"):
            timeline.state_at(seq)
    with pytest.raises(NotFound, match="no action 7"):
        timeline.entry(7)
    hub.close()


def test_a_recording_that_is_still_made_is_read_on(tmp_path: Path) -> None:
    made = recorded(tmp_path, [opened(A), started(1)])
    path = made.path / "journal.jsonl"
    whole = path.read_bytes()
    cut = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(whole[: cut + 9])
    past = WrittenPast(made)
    assert past.timeline().last == 1
    path.write_bytes(whole)
    assert past.timeline().last == 2
    check(past.timeline())
    path.write_bytes(whole + b'{"seq":9}\n')
    assert past.timeline().last == 2


def test_a_look_at_a_live_session_reduces_nothing_before_a_state_is_asked_for_and_each_fact_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = lived([opened(A)])
    for number in range(1, 300):
        for event in (started(number), ended(number), final(number)):
            hub.dispatch(event)
    reduced = 0
    reduce = Root.reduce

    def counted(root: Root, state: State, event: Event) -> State:
        nonlocal reduced
        reduced += 1
        return reduce(root, state, event)

    past = LivePast(SessionFacts(hub.journal), SELECTION)
    monkeypatch.setattr(Root, "reduce", counted)
    timeline = past.timeline()
    assert len(timeline.entries(after=0, limit=1000)) == len(timeline) == 898 and reduced == 0
    assert timeline.latest is timeline.latest and reduced == 898
    timeline.state_at(500)
    assert reduced < 898 + SNAPSHOT_EVERY
    before = reduced
    monkeypatch.setattr(Root, "reduce", reduce)
    hub.dispatch(started(300))
    monkeypatch.setattr(Root, "reduce", counted)
    assert past.timeline().latest is not None and reduced == before + 1
    hub.close()
