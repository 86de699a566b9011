"""Why an action came: of each kind of end, of engines that failed, of settings that were changed meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from tests.recordings.made import SELECTION, lived
from tests.store.facts import A, B, any_history, audio, closed, ended, final, heard, opened, revised, started, warned

from asr_hub.model import EndpointReason, Hypothesis, Pass, ProviderName, Role
from asr_hub.recordings.causes import MOST_CAUSES, why
from asr_hub.recordings.format import BadRecording
from asr_hub.recordings.links import LINKS
from asr_hub.recordings.live_past import LivePast
from asr_hub.recordings.selection import OF_THE_HUB
from asr_hub.recordings.session_facts import SessionFacts
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.journal import Entry
from asr_hub.store.root import EVENTS
from asr_hub.store.slices.breakers import AttemptFailed, BreakerClosed, BreakerHalfOpened, BreakerOpened
from asr_hub.store.slices.hotwords import HotwordsReplaced
from asr_hub.store.slices.providers import ProviderReady, ProviderStarting
from asr_hub.store.slices.sessions import (
    ClearRequested,
    CloseRequested,
    FinalizeRequested,
    SessionArmed,
    SessionConfigured,
    SessionDetached,
    SessionMoved,
    WakeWordHeard,
)
from asr_hub.store.slices.system import DrainStarted, Reconfigured
from asr_hub.store.slices.transcripts import (
    DecisionUndone,
    HotwordsMatched,
    PassFailed,
    TextSuppressed,
    UtteranceCorrected,
    UtteranceHandedOn,
    UtteranceRouted,
)

pytestmark = pytest.mark.unit

FAST, SLOW = ProviderName("fast"), ProviderName("slow")


def causes(*facts: Event, at: int | None = None) -> list[tuple[int, str]]:
    """Of the last fact, or of number `at`: numbers from 1, and what each did."""
    entries = [Entry(seq, event) for seq, event in enumerate(facts, start=1)]
    target = entries[-1 if at is None else at - 1]
    return [(seq, link) for seq, link, _ in why(target, entries[: target.seq - 1])]


def chain(*facts: Event) -> list[str]:
    return [link for _, link in causes(*facts)]


def by(provider: ProviderName, utterance: int = 1) -> Event:
    it = Hypothesis(text="yes", start=0, end=90, is_final=True, provider=provider)
    return replace(final(utterance), hypothesis=it, heard_by=provider)


def wants(provider: ProviderName | None = None, language: str | None = None) -> Event:
    return SessionConfigured(session=A, provider=provider, language=language)


def failed(utterance: int = 1, provider: ProviderName = FAST, session: str = A) -> Event:
    return AttemptFailed(session=A if session == A else B, provider=provider, utterance=utterance, code="x", message="")


def test_silence_ends_an_utterance() -> None:
    story = (opened(), audio(1), started(1), revised(1, "y"), revised(1, "ye"), ended(1), audio(2), final(1))
    assert causes(*story) == [(1, "opened"), (3, "began"), (5, "heard"), (6, "endpoint"), (8, "final")]
    assert causes(*story, at=6) == [(1, "opened"), (3, "began"), (6, "endpoint")]
    assert causes(*story, at=5) == [(1, "opened"), (3, "began"), (5, "heard")]
    assert causes(*story, at=7) == [(1, "opened"), (7, "audio")]


def test_each_finalize_ends_one_utterance_in_order() -> None:
    ask = FinalizeRequested(session=A)
    finish = EndpointReason.FINALIZE
    story = (opened(), started(1), ask, ask, ended(1, finish), ended(2, finish), final(1), final(2, ""))
    assert causes(*story, at=7) == [(1, "opened"), (2, "began"), (3, "asked"), (5, "endpoint"), (7, "final")]
    assert causes(*story, at=8) == [(1, "opened"), (4, "asked"), (6, "endpoint"), (8, "final")]
    assert causes(*story, at=6) == [(1, "opened"), (4, "asked"), (6, "endpoint")]


def test_close_and_clear_end_one() -> None:
    asked = CloseRequested(session=A, reason="close")
    story = (opened(), started(1), asked, ended(1, EndpointReason.CLOSE), final(1), closed())
    assert causes(*story, at=5) == [(1, "opened"), (2, "began"), (3, "asked"), (4, "endpoint"), (5, "final")]
    assert causes(*story) == [(1, "opened"), (3, "asked"), (6, "closed")]
    assert chain(opened(), started(1), ClearRequested(session=A), ended(1, EndpointReason.CLEAR)) == [
        "opened",
        "began",
        "asked",
        "endpoint",
    ]
    left = SessionDetached(session=A, role=Role.PUBLISHER, protocol="sse")
    assert chain(opened(), left, replace(closed(), reason="expired")) == ["opened", "left", "closed"]
    drained = (opened(), DrainStarted(), CloseRequested(session=A, reason="shutdown"))
    assert chain(*drained) == ["opened", "draining", "asked"]


def test_an_engine_that_fails_hands_on() -> None:
    on = UtteranceHandedOn(session=A, utterance=1, provider=FAST, to=SLOW, code="x", message="")
    story = (opened(), started(1), revised(1, "guess"), failed(), failed(), on, revised(1, "y"), ended(1), by(SLOW))
    assert causes(*story) == [
        (1, "opened"),
        (2, "began"),
        (4, "failed"),
        (5, "failed"),
        (6, "handed-on"),
        (7, "heard"),
        (8, "endpoint"),
        (9, "final"),
    ]
    assert causes(*story, at=6) == [(1, "opened"), (2, "began"), (4, "failed"), (5, "failed"), (6, "handed-on")]


def test_an_open_breaker_routes_around() -> None:
    routed = UtteranceRouted(session=A, utterance=1, provider=SLOW, reason=f"the breaker of {FAST} is open")
    elsewhere = failed(7, session=B)
    opening = BreakerOpened(provider=FAST, reason="2 failures", open_s=10)
    story = (opened(), elsewhere, elsewhere, opening, started(1), routed, ended(1), by(SLOW))
    assert causes(*story) == [
        (1, "opened"),
        (4, "breaker-opened"),
        (5, "began"),
        (6, "routed"),
        (7, "endpoint"),
        (8, "final"),
    ]
    assert causes(*story, at=4) == [(2, "failed"), (3, "failed"), (4, "breaker-opened")]
    half = BreakerHalfOpened(provider=FAST)
    assert causes(*story, half, BreakerClosed(provider=FAST)) == [(9, "tried-again"), (10, "recovered")]
    assert causes(*story, half, opening) == [(4, "breaker-opened"), (9, "tried-again"), (10, "breaker-opened")]


def test_text_that_nobody_said_is_suppressed_and_undone() -> None:
    kept = TextSuppressed(session=A, utterance=1, text="Thank you.", reason="noise")
    undone = DecisionUndone(session=A, utterance=1)
    back = UtteranceCorrected(session=A, utterance=1, hypothesis=heard("Thank you."))
    story = (opened(), started(1), ended(1), kept, final(1, ""), undone, back)
    assert chain(*story[:5]) == ["opened", "began", "endpoint", "suppressed", "final"]
    assert chain(*story) == ["opened", "began", "endpoint", "suppressed", "final", "undone", "corrected"]


def test_hotwords_are_told_where_they_were_put_in() -> None:
    words = HotwordsReplaced(words=("Brig",))
    matched = HotwordsMatched(session=A, utterance=1, replacements=(), before=heard("brick"))
    assert chain(words, opened(), started(1), ended(1), matched, final(1)) == [
        "hotwords",
        "opened",
        "began",
        "endpoint",
        "matched",
        "final",
    ]
    assert "hotwords" not in chain(words, opened(), started(1), ended(1), final(1))


def test_a_later_pass_corrects_after_those_that_failed() -> None:
    lost = PassFailed(session=A, utterance=1, pass_=Pass.ACCURATE, provider=SLOW, code="x", message="")
    better = UtteranceCorrected(session=A, utterance=1, hypothesis=heard("Yes."))
    story = (opened(), started(1), ended(1), final(1), started(2), lost, better)
    assert causes(*story) == [
        (1, "opened"),
        (2, "began"),
        (3, "endpoint"),
        (4, "final"),
        (6, "failed"),
        (7, "corrected"),
    ]


def test_a_wake_word_opens_the_ear_until_it_is_armed_again() -> None:
    awake = WakeWordHeard(session=A, phrase="computer", audio_ms=0)
    armed = SessionArmed(session=A)
    story = (opened(armed=True), awake, started(1), ended(1), final(1), started(2), ended(2), final(2), armed, awake)
    assert causes(*story, at=3) == [(1, "opened"), (2, "wake-word"), (3, "began")]
    assert causes(*story, at=8)[:3] == [(1, "opened"), (2, "wake-word"), (6, "began")]
    assert causes(*story) == [(1, "opened"), (9, "armed"), (10, "wake-word")]
    assert causes(*story, started(3), ended(3), final(3))[:2] == [(1, "opened"), (10, "wake-word")]


def test_a_provider_that_is_chosen_while_one_speaks_holds_for_the_next_utterance() -> None:
    first = replace(opened(), provider=FAST)
    story = (first, started(1), wants(SLOW), ended(1), by(FAST), started(2), ended(2), by(SLOW, 2))
    assert causes(*story, at=5) == [(1, "opened"), (2, "began"), (4, "endpoint"), (5, "final")]
    assert causes(*story) == [(1, "opened"), (3, "configured"), (6, "began"), (7, "endpoint"), (8, "final")]


def test_one_that_waited_behind_another_utterance_was_heard_by_the_provider_chosen_meanwhile() -> None:
    first = replace(opened(), provider=FAST)
    story = (first, started(1), ended(1), started(2), ended(2), wants(SLOW), by(FAST), by(SLOW, 2))
    assert causes(*story) == [(1, "opened"), (4, "began"), (5, "endpoint"), (6, "configured"), (8, "final")]
    assert causes(*story, at=7) == [(1, "opened"), (2, "began"), (3, "endpoint"), (7, "final")]


def test_of_several_wishes_those_that_hold_are_told() -> None:
    story = (opened(), wants(FAST), wants(language="de"), wants(SLOW), wants(SLOW, "en"), started(1), ended(1))
    assert causes(*story, by(SLOW)) == [
        (1, "opened"),
        (5, "configured"),
        (6, "began"),
        (7, "endpoint"),
        (8, "final"),
    ]


def test_a_session_is_moved_by_a_new_configuration() -> None:
    again = Reconfigured(default_provider=SLOW, max_sessions=9)
    moved = SessionMoved(session=A, provider=SLOW)
    assert chain(opened(), again, moved) == ["opened", "reconfigured", "moved"]
    assert chain(opened(), again, moved, started(1), ended(1), by(SLOW)) == [
        "opened",
        "moved",
        "began",
        "endpoint",
        "final",
    ]


def test_facts_of_engines_have_their_own_chains() -> None:
    begun = ProviderStarting(provider=FAST, kind="fake")
    other = ProviderStarting(provider=SLOW, kind="fake")
    ready = ProviderReady(provider=FAST, max_streams=1, took=1.0, self_test="")
    assert causes(begun, other, opened(), ready) == [(1, "starting"), (4, "ready")]


def test_other_sessions_are_in_no_chain() -> None:
    mine = (opened(), started(1), ended(1), final(1))
    theirs = (opened(B), started(1, B), revised(1, "no", B), ended(1, session=B))
    mixed = [fact for pair in zip(theirs, mine, strict=True) for fact in pair]
    assert causes(*mixed) == [(2, "opened"), (4, "began"), (6, "endpoint"), (8, "final")]


def test_every_fact_that_is_told_has_a_word() -> None:
    told = {kind for kind in EVENTS if issubclass(kind, SessionEvent)} | OF_THE_HUB | {HotwordsReplaced}
    assert told == set(LINKS)


@given(any_history)
@settings(max_examples=60, deadline=None)
def test_whatever_happened_a_chain_goes_back_in_time_and_ends_with_the_fact(history: list[Event]) -> None:
    hub = lived(history)
    timeline = LivePast(SessionFacts(hub.journal), SELECTION).timeline()
    there = {entry.seq for entry in timeline.entries(after=0, limit=1000)}
    for seq in there:
        found = [cause.seq for cause in why(timeline.entry(seq), timeline.before(seq))]
        assert found == sorted(set(found)) and found[-1] == seq and set(found) <= there
    hub.close()


def test_a_warning_comes_of_the_session() -> None:
    assert chain(opened(), warned()) == ["opened", "warned"]


def calls(look: Callable[[], object]) -> int:
    """How many functions are called, those of C with them."""
    count = 0

    def noted(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(noted)
    try:
        look()
    finally:
        sys.setprofile(None)
    return count


def opened_and_routed(size: int) -> list[Event]:
    """As many breakers as routes that could be because of each."""
    names = [ProviderName(f"p{number}") for number in range(size)]
    routes = [
        UtteranceRouted(session=A, utterance=1, provider=name, reason=f"the breaker of {name} is open")
        for name in names
    ]
    opening: list[Event] = [BreakerOpened(provider=name, reason="x", open_s=10) for name in names]
    return [opened(), *opening, started(1), *routes, ended(1), final(1)]


def asked_and_ended(size: int) -> list[Event]:
    ends = [ended(number, EndpointReason.FINALIZE) for number in range(2, size + 2)]
    return [opened(), *[FinalizeRequested(session=A)] * size, *ends, final(1)]


@pytest.mark.parametrize("story", [opened_and_routed, asked_and_ended])
def test_the_work_grows_with_the_journal_and_no_faster(story: Callable[[int], list[Event]]) -> None:
    few, many = (calls(lambda facts=story(size): causes(*facts)) for size in (60, 240))
    assert many < 4.5 * few


def test_an_endless_chain_is_refused_by_name_before_it_is_gathered() -> None:
    told = 0

    def before() -> Iterator[Entry]:
        nonlocal told
        for seq in range(1, 100_000):
            told = seq
            yield Entry(seq, UtteranceRouted(session=A, utterance=1, provider=FAST, reason="x"))

    with pytest.raises(BadRecording, match="more than 1000"):
        why(Entry(100_000, final(1)), before())
    assert told == MOST_CAUSES + 1
    with pytest.raises(BadRecording, match="more than 1000"):
        causes(
            *(HotwordsReplaced(tenant=str(number), words=("x",)) for number in range(2 * MOST_CAUSES)),
            started(1),
            ended(1),
            HotwordsMatched(session=A, utterance=1, replacements=(), before=heard("x")),
            final(1),
        )
