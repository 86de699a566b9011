"""Whoever looks at one session walks no other's facts, and nothing is kept that the journal has forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recordings.made import lived
from tests.store.facts import A, any_history, opened, warned

from asr_hub.model import ProviderName, SessionId
from asr_hub.recordings import session_facts
from asr_hub.recordings.live_past import LivePast
from asr_hub.recordings.selection import Selection, is_told_to_all
from asr_hub.recordings.session_facts import SessionFacts
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.journal import Entry, Journal
from asr_hub.store.slices.breakers import AttemptFailed

pytestmark = pytest.mark.unit


class Counted(Selection):
    """One that counts the facts that it is asked about."""

    visits = 0

    def of(self, event: Event) -> Event | None:
        self.visits += 1
        return super().of(event)


def test_a_thousand_followers_walk_each_fact_of_the_hub_once(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = 0
    entries = Journal.entries

    def counted(journal: Journal, *, after: int = 0) -> Iterator[Entry]:
        nonlocal walked
        for entry in entries(journal, after=after):
            walked += 1
            yield entry

    monkeypatch.setattr(Journal, "entries", counted)
    names = [SessionId(f"s{number}") for number in range(1000)]
    hub = lived([opened(name) for name in names])
    facts = SessionFacts(hub.journal)
    selections = [Counted(name, name=f"{number:012x}") for number, name in enumerate(names)]
    pasts = [LivePast(facts, selection) for selection in selections]
    for past in pasts:
        past.timeline()
    for turn in range(3):
        for name, past in zip(names, pasts, strict=True):
            hub.dispatch(warned(str(turn), name))
            past.timeline()
    hub.dispatch(AttemptFailed(session=A, provider=ProviderName("x"), utterance=1, code="x", message=""))
    for past in pasts:
        assert len(past.timeline()) == 5
    assert walked == hub.journal.seq == 4001
    assert {selection.visits for selection in selections} == {5}
    hub.close()


def test_one_who_follows_a_quiet_session_of_a_busy_hub_misses_nothing_and_is_told_of_no_gap() -> None:
    hub = lived([opened(A), opened(SessionId("busy"))], journal_size=50, snapshot_every=10)
    facts = SessionFacts(hub.journal)
    quiet = LivePast(facts, Selection(A, name="0" * 12))
    busy = LivePast(facts, Selection(SessionId("busy"), name="1" * 12))
    quiet.timeline()
    for turn in range(500):
        hub.dispatch(warned(str(turn), SessionId("busy")))
        busy.timeline()
    hub.dispatch(warned("at last", A))
    assert quiet.timeline().first == 0 and len(quiet.timeline()) == 2
    assert len(facts._places) <= 50
    hub.close()


@given(any_history, st.integers(1, 30), st.integers(1, 3), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_at_every_look_it_has_what_the_journal_has(history: list[Event], size: int, most: int, every: int) -> None:
    hub = lived((), journal_size=size)
    facts = SessionFacts(hub.journal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_facts, "MOST_FORGOTTEN", most)
        lost = 0
        for turn, event in enumerate(history):
            hub.dispatch(event)
            if turn % every:
                continue
            whole = list(hub.journal.entries())
            theirs = [one for one in whole if is_told_to_all(one.event) or _is_of(one.event)]
            assert list(facts.of(A, after=0)) == theirs
            assert len(facts._places) <= size and len(facts._forgotten) <= most
            assert lost <= facts.gone(A) < hub.journal.oldest
            lost = facts.gone(A)
    hub.close()


def _is_of(event: Event) -> bool:
    return isinstance(event, SessionEvent) and event.session == A
