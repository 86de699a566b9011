from __future__ import annotations

import pytest
from hypothesis import given, settings

from asr_hub.model import EndpointReason, ProviderName, Role
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.root import ROOT
from asr_hub.store.slice import IllegalMove
from asr_hub.store.slices.sessions import (
    PHASE_TABLE,
    ClearRequested,
    CloseRequested,
    FinalizeRequested,
    Phase,
    Session,
    SessionArmed,
    SessionAttached,
    SessionConfigured,
    SessionDetached,
    WakeWordHeard,
    phase_table,
    select_live_count,
    select_session,
    select_sessions,
)

from .facts import A, B, any_history, audio, closed, ended, final, opened, started, store, warned

pytestmark = pytest.mark.unit

CLOSE = CloseRequested(session=A, reason="client")
ARM = SessionArmed(session=A)
WAKE = WakeWordHeard(session=A, phrase="computer", audio_ms=0)
WAYS_TO: dict[Phase, list[Event]] = {
    Phase.IDLE: [opened()],
    Phase.ARMED: [opened(armed=True)],
    Phase.LISTENING: [opened(), audio(1)],
    Phase.SPEECH: [opened(), audio(1), started(1)],
    Phase.FINALIZING: [opened(), audio(1), started(1), ended(1)],
    Phase.CLOSING: [opened(), audio(1), CLOSE],
}
ROWS: dict[str, Event] = {
    "AudioTaken": audio(2),
    "SpeechStarted": started(2),
    "SpeechEnded": ended(2),
    "SpeechEnded (finalize, close)": ended(2, EndpointReason.FINALIZE),
    "SpeechEnded (clear)": ended(2, EndpointReason.CLEAR),
    "UtteranceFinalized": final(1),
    "WakeWordHeard": WAKE,
    "SessionArmed": ARM,
    "CloseRequested": CLOSE,
    "SessionClosed": closed(),
}


def after(*events: Event) -> Session:
    hub = store()
    for event in events:
        hub.dispatch(event)
    session = select_session(hub.state, A)
    assert session is not None
    return session


def phases_of(*events: Event) -> list[Phase]:
    hub = store()
    phases: list[Phase] = []
    hub.watch(A, lambda change: phases.append(change.new.phase if change.new else Phase.CLOSED))
    for event in events:
        hub.dispatch(event)
    return phases


def test_every_row_of_the_table_is_tried() -> None:
    assert set(ROWS) == set(PHASE_TABLE)
    assert set(WAYS_TO) == set(Phase) - {Phase.CLOSED}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("phase", WAYS_TO)
def test_a_move_goes_where_the_table_says_or_changes_nothing(phase: Phase, row: str) -> None:
    state = ROOT.initial
    for event in WAYS_TO[phase]:
        state = ROOT.reduce(state, event)
    before = select_session(state, A)
    assert before is not None
    assert before.phase is phase
    has_final_to_come = before.pending or row != "UtteranceFinalized"
    if phase not in PHASE_TABLE[row] or not has_final_to_come:
        with pytest.raises(IllegalMove):
            ROOT.reduce(state, ROWS[row])
        return
    session = select_session(ROOT.reduce(state, ROWS[row]), A)
    wanted = PHASE_TABLE[row][phase] or Phase.LISTENING
    assert (Phase.CLOSED if session is None else session.phase) is wanted


def test_an_utterance_goes_through_its_phases() -> None:
    phases = phases_of(opened(), audio(1), started(1), ended(1), final(1), CLOSE, closed())
    assert phases == ["idle", "listening", "speech", "finalizing", "listening", "closing", "closed"]


def test_a_final_may_come_while_the_next_utterance_is_spoken() -> None:
    phases = phases_of(opened(), started(1), ended(1), started(2), final(1), ended(2), final(2))
    assert phases == ["idle", "speech", "finalizing", "speech", "speech", "finalizing", "listening"]


def test_listening_begins_again_only_with_the_last_pending_final() -> None:
    assert after(opened(), started(1), ended(1), started(2), ended(2), final(1)).phase is Phase.FINALIZING
    assert after(opened(), started(1), ended(1), started(2), ended(2, EndpointReason.CLEAR)).phase is Phase.FINALIZING
    assert after(opened(), started(1), ended(1, EndpointReason.CLEAR)).phase is Phase.LISTENING


def test_clear_drops_a_pending_final_and_lets_the_next_utterance_speak_on() -> None:
    spoken = (opened(), started(1), ended(1), started(2))
    session = after(*spoken, ended(1, EndpointReason.CLEAR))
    assert (session.phase, session.pending) == (Phase.SPEECH, ())
    assert after(*spoken[:-1], ended(1, EndpointReason.CLEAR)).phase is Phase.LISTENING
    assert after(*spoken, ended(1, EndpointReason.CLEAR), ended(2, EndpointReason.CLEAR)).phase is Phase.LISTENING


def test_the_latest_speech_or_wake_word_is_known_in_audio_time() -> None:
    assert after(opened(), started(1)).heard_ms == 100
    assert after(opened(), started(1), ended(1)).heard_ms == 190
    woken = WakeWordHeard(session=A, phrase="computer", audio_ms=1_500)
    assert after(opened(armed=True), woken, started(1)).heard_ms == 1_500


def test_an_empty_utterance_has_its_final_too() -> None:
    asked = (opened(), audio(1), FinalizeRequested(session=A), ended(1, EndpointReason.FINALIZE))
    assert after(*asked).pending == (1,)
    answered = after(*asked, final(1, ""))
    assert (answered.pending, answered.phase, answered.utterance) == ((), Phase.LISTENING, 1)


def test_an_armed_session_stays_armed_until_the_wake_word_even_when_finals_come() -> None:
    events = (opened(), started(1), ended(1), ARM, final(1))
    assert after(*events[:-1]).phase is Phase.ARMED
    assert after(*events).phase is Phase.ARMED
    assert after(*events, WAKE).phase is Phase.LISTENING
    assert after(*events[:-1], WAKE).phase is Phase.FINALIZING


def test_what_the_flush_finds_while_closing_is_taken() -> None:
    session = after(opened(), started(1), CLOSE, ended(1, EndpointReason.CLOSE), started(2), ended(2), final(1))
    assert (session.phase, session.pending, session.utterance) == (Phase.CLOSING, (2,), 2)


@pytest.mark.parametrize(
    "impossible",
    [
        [started(1), started(2)],
        [started(0)],
        [started(2), ended(2), started(2)],
        [audio(2), audio(1)],
        [final(1)],
        [started(1), ended(1), final(1), final(1)],
        [started(1), ended(1), final(2)],
        [started(1), ended(1), ended(1, EndpointReason.FINALIZE)],
        [started(1), ended(1, EndpointReason.CLEAR), final(1)],
        [SessionAttached(session=A, role=Role.PUBLISHER, protocol="sse")] * 2,
        [SessionDetached(session=A, role=Role.PUBLISHER, protocol="sse")],
        [SessionDetached(session=A, role=Role.VIEWER, protocol="sse")],
        [opened()],
        [warned(session=B)],
    ],
    ids=repr,
)
def test_what_cannot_be_is_told_and_changes_nothing(impossible: list[Event]) -> None:
    state = ROOT.initial
    for event in (opened(), *impossible[:-1]):
        state = ROOT.reduce(state, event)
    with pytest.raises(IllegalMove):
        ROOT.reduce(state, impossible[-1])


def test_connections_are_counted() -> None:
    viewer = SessionAttached(session=A, role=Role.VIEWER, protocol="sse")
    publisher = SessionAttached(session=A, role=Role.PUBLISHER, protocol="websocket")
    gone = SessionDetached(session=A, role=Role.VIEWER, protocol="sse")
    session = after(opened(), viewer, viewer, publisher, gone)
    assert (session.has_publisher, session.viewers) == (True, 1)
    left = after(opened(), publisher, SessionDetached(session=A, role=Role.PUBLISHER, protocol="websocket"))
    assert not left.has_publisher


def test_the_time_since_the_publisher_left_is_known_until_one_comes_back() -> None:
    publisher = SessionAttached(session=A, role=Role.PUBLISHER, protocol="websocket")
    gone = SessionDetached(session=A, role=Role.PUBLISHER, protocol="websocket", at=5.0)
    assert after(opened(), publisher).publisher_left_at is None
    assert after(opened(), publisher, gone).publisher_left_at == 5.0
    assert after(opened(), publisher, gone, publisher).publisher_left_at is None


def test_settings_change_where_the_wish_names_them() -> None:
    wish = SessionConfigured(session=A, provider=ProviderName("other"), hotwords=("hub",), partials=False, at=7.0)
    session = after(opened(), wish)
    assert session.provider == "other"
    assert session.hotwords == ("hub",)
    assert session.partials is False
    assert session.levels is False
    assert session.language is None
    assert session.updated_at == 7.0


def test_wishes_change_nothing_by_themselves() -> None:
    assert after(opened(), ClearRequested(session=A), FinalizeRequested(session=A)) == after(opened())


def test_sessions_are_counted_and_listed() -> None:
    hub: HubStore = store()
    for event in (opened(A), opened(B), closed(A)):
        hub.dispatch(event)
    assert select_live_count(hub.state) == 1
    assert [session.id for session in select_sessions(hub.state)] == [B]


def test_the_table_prints_a_row_per_event_with_its_illegal_moves() -> None:
    lines = phase_table().splitlines()
    assert len(lines) == len(PHASE_TABLE) + 2
    assert "| SpeechStarted | speech | - | speech | - | speech | closing |" in lines


@given(any_history)
@settings(max_examples=100, deadline=None)
def test_no_history_breaks_what_always_holds(history: list[Event]) -> None:
    state = ROOT.initial
    for event in history:
        try:
            state = ROOT.reduce(state, event)
        except IllegalMove:
            continue
        for session in select_sessions(state):
            assert len(set(session.pending)) == len(session.pending)
            assert session.viewers >= 0
            assert session.phase is not Phase.CLOSED
            if session.phase is Phase.FINALIZING:
                assert session.pending
            if session.phase in (Phase.IDLE, Phase.LISTENING):
                assert not session.pending
