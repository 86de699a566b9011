"""Scores: latencies of finals, hedges, and providers on trial."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import EndpointReason, Hypothesis, ProviderName, SessionId
from asr_hub.store.event import Event
from asr_hub.store.root import ROOT, Root
from asr_hub.store.slice import IllegalMove, State
from asr_hub.store.slices.providers import ProviderRemoved
from asr_hub.store.slices.scores import (
    LATENCIES_KEPT,
    LATENCIES_NEEDED,
    PAIRS_KEPT,
    PROVIDERS_KEPT,
    FinalHedged,
    HedgeWon,
    ProviderPromoted,
    Score,
    ShadowCompared,
    ShadowSkipped,
    latency_of,
    scores,
    select_comparison,
    select_comparisons,
    select_latency,
    select_score,
    select_scores,
)
from asr_hub.store.slices.transcripts import UtteranceFinalized

from .facts import STUB, A, any_history, opened
from .facts import final as said

pytestmark = pytest.mark.unit

ALONE = Root([scores])
TRIAL = ProviderName("trial")
NOBODY = ProviderName("")


def after(*events: Event) -> State:
    state = ALONE.initial
    for event in events:
        state = ALONE.reduce(state, event)
    return state


def score_after(*events: Event, of: ProviderName = STUB) -> Score:
    score = select_score(after(*events), of)
    assert score is not None
    return score


def final(latency_ms: int | None, provider: ProviderName = STUB, *, at: float = 0.0) -> UtteranceFinalized:
    hypothesis = Hypothesis(text="yes", start=0, end=90, is_final=True, provider=provider)
    return UtteranceFinalized(
        session=A, utterance=1, hypothesis=hypothesis, reason=EndpointReason.SILENCE, latency_ms=latency_ms, at=at
    )


def compared(
    words: int = 10,
    errors: int = 1,
    *,
    primary: ProviderName = STUB,
    latency_ms: int = 300,
    primary_latency_ms: int = 100,
    at: float = 0.0,
) -> ShadowCompared:
    return ShadowCompared(
        session=A,
        utterance=1,
        provider=TRIAL,
        primary=primary,
        words=words,
        errors=errors,
        characters=4 * words,
        character_errors=2 * errors,
        latency_ms=latency_ms,
        primary_latency_ms=primary_latency_ms,
        at=at,
    )


def test_finals_are_counted_and_their_latencies_kept_for_each_provider() -> None:
    events = (final(100), final(None), final(300), final(7, TRIAL))
    score = score_after(*events)
    assert (score.finals, score.latencies_ms) == (3, (100, 300))
    assert score_after(*events, of=TRIAL).latencies_ms == (7,)


def test_a_final_that_no_engine_said_is_nobodys() -> None:
    events = (final(100, NOBODY), FinalHedged(session=A, utterance=1, provider=NOBODY, to=NOBODY))
    assert list(select_scores(after(*events))) == []
    assert after(final(100, NOBODY)) == ALONE.initial


def test_a_final_that_the_sessions_refuse_is_not_counted() -> None:
    state = ROOT.reduce(ROOT.initial, opened())
    with pytest.raises(IllegalMove):
        ROOT.reduce(state, said(1))
    assert list(select_scores(state)) == []


def test_the_last_latencies_stay() -> None:
    score = score_after(*(final(latency) for latency in range(LATENCIES_KEPT + 30)))
    assert (len(score.latencies_ms), score.latencies_ms[0], score.finals) == (LATENCIES_KEPT, 30, LATENCIES_KEPT + 30)


def test_a_few_finals_say_nothing_about_the_slow_ones() -> None:
    finals = [final(latency) for latency in range(1, LATENCIES_NEEDED + 1)]
    assert select_latency(after(*finals[:-1]), STUB) is None
    assert select_latency(after(*finals), STUB) == 19
    assert select_latency(after(*finals), STUB, 0.5) == 10
    assert select_latency(after(*finals), TRIAL) is None


@given(
    st.lists(st.integers(0, 10_000), min_size=LATENCIES_NEEDED, max_size=LATENCIES_KEPT).map(tuple),
    st.floats(0.0, 1.0),
)
@settings(max_examples=100, deadline=None)
def test_the_latency_of_a_share_is_the_smallest_that_so_many_do_not_exceed(
    latencies: tuple[int, ...], share: float
) -> None:
    latency = latency_of(latencies, share)
    assert latency is not None and latency in latencies
    wanted = max(1, math.ceil(share * len(latencies)))
    assert sum(other <= latency for other in latencies) >= wanted
    assert sum(other < latency for other in latencies) < wanted


def test_hedges_are_counted_for_both_and_the_loser_was_at_least_as_slow_as_the_winner() -> None:
    asked = FinalHedged(session=A, utterance=1, provider=STUB, to=TRIAL)
    won = HedgeWon(session=A, utterance=1, provider=TRIAL, over=STUB, latency_ms=900)
    events = (asked, asked, won, final(900, TRIAL))
    loser, winner = score_after(*events), score_after(*events, of=TRIAL)
    assert (loser.hedged, loser.lost, loser.won, loser.finals, loser.latencies_ms) == (2, 1, 0, 0, (900,))
    assert (winner.hedged, winner.lost, winner.won, winner.latencies_ms) == (0, 0, 1, (900,))


def test_a_hedge_of_unknown_latency_leaves_those_of_the_loser() -> None:
    assert score_after(HedgeWon(session=A, utterance=1, provider=TRIAL, over=STUB)).latencies_ms == ()


def test_errors_of_a_provider_on_trial_add_up_against_each_primary() -> None:
    third = ProviderName("third")
    state = after(compared(10, 1, latency_ms=300), compared(30, 7, latency_ms=500), compared(5, 5, primary=third))
    pair = select_comparison(state, TRIAL, STUB)
    assert pair is not None
    assert (pair.utterances, pair.wer, pair.cer) == (2, 8 / 40, 16 / 160)
    assert (pair.latency_ms, pair.primary_latency_ms) == (400.0, 100.0)
    assert [(other.primary, other.wer) for other in select_comparisons(state, TRIAL)] == [(STUB, 0.2), (third, 1.0)]
    assert select_comparison(state, STUB, TRIAL) is None


def test_where_the_primary_said_nothing_there_is_no_error_rate() -> None:
    pair = select_comparison(after(compared(0, 0)), TRIAL, STUB)
    assert pair is not None
    assert (pair.wer, pair.cer) == (None, None)


def test_what_a_provider_on_trial_did_not_hear_is_counted() -> None:
    skip = ShadowSkipped(session=A, utterance=1, provider=TRIAL, reason="overloaded")
    assert score_after(skip, skip, of=TRIAL).skipped == 2


def test_a_promotion_is_kept_and_resets_nothing() -> None:
    state = after(final(5, TRIAL), compared(), ProviderPromoted(provider=TRIAL, instead_of=STUB, at=9.0))
    score = select_score(state, TRIAL)
    assert score is not None
    assert (score.promoted_at, score.promoted_over, score.finals) == (9.0, STUB, 1)
    assert select_comparison(state, TRIAL, STUB) is not None


@pytest.mark.parametrize("gone", [TRIAL, STUB])
def test_a_provider_that_is_gone_takes_its_numbers_with_it(gone: ProviderName) -> None:
    state = after(final(5), final(5, TRIAL), compared(), ProviderRemoved(provider=gone))
    assert {score.provider for score in select_scores(state)} == {STUB, TRIAL} - {gone}
    assert select_comparisons(state, TRIAL) == ()


def test_of_too_many_providers_the_one_not_heard_of_for_longest_goes() -> None:
    names = [ProviderName(f"p{number}") for number in range(PROVIDERS_KEPT + 1)]
    events = [final(1, name, at=float(at)) for at, name in enumerate(names[:-1], start=1)]
    state = after(*events, final(1, names[0], at=500.0), final(1, names[-1], at=501.0))
    kept = {score.provider for score in select_scores(state)}
    assert len(kept) == PROVIDERS_KEPT
    assert set(names) - kept == {names[1]}


def test_of_too_many_pairs_likewise() -> None:
    primaries = [ProviderName(f"p{number}") for number in range(PAIRS_KEPT + 5)]
    state = after(*(compared(primary=name, at=float(at)) for at, name in enumerate(primaries)))
    kept = {pair.primary for pair in select_comparisons(state, TRIAL)}
    assert kept == set(primaries[5:])


@given(any_history)
@settings(max_examples=60, deadline=None)
def test_no_history_breaks_what_always_holds(history: list[Event]) -> None:
    state = ROOT.initial
    finals = 0
    for event in history:
        try:
            state = ROOT.reduce(state, event)
        except IllegalMove:
            continue
        finals += isinstance(event, UtteranceFinalized) and bool(event.hypothesis.provider)
    for score in select_scores(state):
        assert score.provider
        assert len(score.latencies_ms) <= LATENCIES_KEPT
    assert sum(score.finals for score in select_scores(state)) <= finals


def test_sessions_leave_no_trace_in_it() -> None:
    """Its size depends on the providers alone."""
    events = [
        UtteranceFinalized(
            session=SessionId(f"s{number}"),
            utterance=1,
            hypothesis=Hypothesis(text="", start=0, end=1, is_final=True, provider=STUB),
            reason=EndpointReason.SILENCE,
            latency_ms=1,
        )
        for number in range(500)
    ]
    assert [score.provider for score in select_scores(after(*events))] == [STUB]
