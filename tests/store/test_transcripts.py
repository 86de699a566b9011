from __future__ import annotations

import pytest
from hypothesis import given, settings

from asr_hub.model import EndpointReason, ProviderName
from asr_hub.store.event import Event
from asr_hub.store.root import ROOT
from asr_hub.store.slice import IllegalMove, State
from asr_hub.store.slices.transcripts import (
    NOTES_KEPT,
    UTTERANCES_KEPT,
    Partial,
    RecognitionFailed,
    Suppressed,
    TextSuppressed,
    Transcript,
    UtteranceCorrected,
    UtteranceHandedOn,
    select_text,
    select_transcript,
    select_utterance,
    select_utterances,
)

from .facts import STUB, A, any_history, closed, ended, final, heard, opened, revised, started

pytestmark = pytest.mark.unit


def after(*events: Event) -> State:
    state = ROOT.initial
    for event in events:
        state = ROOT.reduce(state, event)
    return state


def transcript_after(*events: Event) -> Transcript:
    transcript = select_transcript(after(*events), A)
    assert transcript is not None
    return transcript


def corrected(utterance: int, text: str) -> UtteranceCorrected:
    return UtteranceCorrected(session=A, utterance=utterance, hypothesis=heard(text))


def test_a_partial_is_replaced_and_ends_with_its_final() -> None:
    spoken = (opened(), started(1), revised(1, "turn"), revised(1, "turn on"), ended(1))
    assert transcript_after(*spoken).partial == Partial(1, heard("turn on"))
    state = after(*spoken, final(1, "turn on the light"))
    transcript = select_transcript(state, A)
    assert transcript is not None
    assert transcript.partial is None
    assert select_text(state, A) == "turn on the light"


def test_an_utterance_that_is_handed_on_begins_anew_and_remembers_who_failed() -> None:
    handed = UtteranceHandedOn(
        session=A, utterance=1, provider=STUB, to=ProviderName("other"), code="out-of-memory", message="full"
    )
    state = after(opened(), started(1), revised(1, "turn"), handed)
    transcript, utterance = select_transcript(state, A), select_utterance(state, A, 1)
    assert transcript is not None and transcript.partial is None
    assert utterance is not None and [(f.provider, f.code) for f in utterance.failures] == [(STUB, "out-of-memory")]
    assert select_text(ROOT.reduce(ROOT.reduce(state, ended(1)), final(1, "turn on")), A) == "turn on"


def test_a_final_keeps_the_partial_of_the_next_utterance() -> None:
    events = (opened(), started(1), ended(1), started(2), revised(2, "and"), final(1))
    assert transcript_after(*events).partial == Partial(2, heard("and"))


def test_a_partial_that_comes_after_its_final_is_ignored() -> None:
    events = (opened(), started(1), ended(1), final(1), revised(1, "late"))
    assert transcript_after(*events).partial is None


def test_clear_forgets_the_partial() -> None:
    events = (opened(), started(1), revised(1, "turn"), ended(1, EndpointReason.CLEAR))
    assert transcript_after(*events) == Transcript()


def test_clear_forgets_an_utterance_whose_final_was_pending_but_no_final() -> None:
    spoken = (opened(), started(1), ended(1), final(1), started(2), revised(2, "turn"), ended(2))
    state = after(*spoken, ended(2, EndpointReason.CLEAR))
    assert [utterance.number for utterance in select_utterances(state, A)] == [1]
    transcript = select_transcript(state, A)
    assert transcript is not None
    assert transcript.partial is None


def test_a_failure_before_there_is_an_utterance_leaves_no_utterance() -> None:
    failed = RecognitionFailed(session=A, utterance=0, provider=STUB, code="timeout", message="late", retryable=True)
    assert transcript_after(opened(armed=True), failed) == Transcript()


def test_a_correction_keeps_the_final_and_is_the_latest_reading() -> None:
    state = after(opened(), started(1), ended(1), final(1, "wreck a nice beach"), corrected(1, "recognise speech"))
    utterance = select_utterance(state, A, 1)
    assert utterance is not None
    assert utterance.final == heard("wreck a nice beach", is_final=True)
    assert utterance.latest == heard("recognise speech")
    assert select_text(state, A) == "recognise speech"


def test_a_final_comes_once_and_before_its_correction() -> None:
    with pytest.raises(IllegalMove, match="correction"):
        after(opened(), started(1), ended(1), final(1), ended(1, EndpointReason.FINALIZE), final(1))
    with pytest.raises(IllegalMove, match="no final"):
        after(opened(), started(1), ended(1), corrected(1, "early"))


def test_suppressed_text_and_failures_are_noted_beside_the_final() -> None:
    failed = RecognitionFailed(session=A, utterance=1, provider=STUB, code="timeout", message="late", retryable=True)
    suppressed = TextSuppressed(session=A, utterance=1, text="thanks for watching", reason="hallucination")
    state = after(opened(), started(1), ended(1), *[failed] * (NOTES_KEPT + 4), suppressed, final(1, ""))
    utterance = select_utterance(state, A, 1)
    assert utterance is not None
    assert utterance.suppressed == Suppressed("thanks for watching", "hallucination")
    assert len(utterance.failures) == NOTES_KEPT
    assert utterance.failures[0].code == "timeout"
    assert select_text(state, A) == ""


def test_the_oldest_utterances_go_first_and_their_late_corrections_are_ignored() -> None:
    spoken = [event for number in range(1, UTTERANCES_KEPT + 11) for event in (started(number), ended(number))]
    state = after(opened(), *spoken)
    numbers = [utterance.number for utterance in select_utterances(state, A)]
    assert numbers == list(range(11, UTTERANCES_KEPT + 11))
    assert ROOT.reduce(state, corrected(3, "too late")) == state


def test_a_closed_session_leaves_no_transcript() -> None:
    state = after(opened(), started(1), closed())
    assert select_transcript(state, A) is None
    assert select_utterance(state, A, 1) is None
    assert select_text(state, A) == ""


@given(any_history)
@settings(max_examples=60, deadline=None)
def test_a_final_is_never_taken_back(history: list[Event]) -> None:
    state = ROOT.initial
    finals: dict[int, object] = {}
    for event in history:
        if event.type in ("[Session] Opened", "[Session] Closed"):
            finals.clear()
        try:
            state = ROOT.reduce(state, event)
        except IllegalMove:
            continue
        now = {utterance.number: utterance.final for utterance in select_utterances(state, A) if utterance.final}
        assert finals.items() <= now.items()
        finals = dict(now)
