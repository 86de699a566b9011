"""Whoever takes back what the hub made of an utterance is told what the engine said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.effects.around import ID

from asr_hub.effects.undoing import Undoing
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Pass, ProviderName
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.sessions import SessionOpened, SpeechEnded, SpeechStarted
from asr_hub.store.slices.transcripts import (
    DecisionUndone,
    HotwordsMatched,
    Replacement,
    TextSuppressed,
    UtteranceCorrected,
    UtteranceFinalized,
    select_utterance,
    undoing,
)

pytestmark = pytest.mark.unit

SAID = Hypothesis(text="to zermat", start=0, end=900, is_final=True, revision=3, provider=ProviderName("p"))
TOLD = replace(SAID, text="to Zermatt", stable=10, speaker="2")
MATCHED = HotwordsMatched(
    session=ID, utterance=1, replacements=(Replacement("zermat", "Zermatt", 0.9, 1),), before=SAID
)


class Store:
    """A store with one session and one utterance that is over."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.store = HubStore(
            [Undoing(lambda session, number: select_utterance(self.store.state, session, number))],
            on_error=lambda error, _: self.errors.append(error),
        )
        self.say(
            SessionOpened(session=ID, provider=ProviderName("p"), format=AudioFormat(), protocol="t"),
            SpeechStarted(session=ID, utterance=1, audio_ms=0),
            SpeechEnded(session=ID, utterance=1, audio_ms=900, reason=EndpointReason.SILENCE),
        )

    def say(self, *events: Event) -> None:
        for event in events:
            self.store.dispatch(event)

    def finalize(self, hypothesis: Hypothesis) -> None:
        self.say(UtteranceFinalized(session=ID, utterance=1, hypothesis=hypothesis, reason=EndpointReason.SILENCE))

    def undo(self) -> list[Any]:
        """What was told because of it."""
        before = len(self.facts())
        self.say(DecisionUndone(session=ID, utterance=1, at=5.0))
        return [fact for fact in self.facts()[before:] if isinstance(fact, UtteranceCorrected)]

    def facts(self) -> list[Event]:
        return [entry.event for entry in self.store.journal.entries()]


def test_a_hotword_is_taken_out_again() -> None:
    hub = Store()
    hub.say(MATCHED)
    hub.finalize(TOLD)
    (told,) = hub.undo()
    assert (told.at, told.utterance) == (5.0, 1)
    assert told.hypothesis == replace(SAID, revision=4, stable=9, speaker="2")
    utterance = select_utterance(hub.store.state, ID, 1)
    assert utterance is not None
    # The final stays as it was told.
    assert (utterance.final, utterance.latest) == (TOLD, told.hypothesis)
    assert utterance.matched is not None and utterance.matched.is_undone
    assert undoing(utterance) is None and not hub.errors


@pytest.mark.parametrize("hypothesis", [SAID, None])
def test_what_was_kept_back_is_told(hypothesis: Hypothesis | None) -> None:
    """With all that the engine said of it, where that is known."""
    hub = Store()
    hub.say(TextSuppressed(session=ID, utterance=1, text=SAID.text, reason="a tone", hypothesis=hypothesis))
    hub.finalize(replace(SAID, text="", stable=0))
    (told,) = hub.undo()
    assert (told.hypothesis.text, told.hypothesis.stable, told.hypothesis.revision) == (SAID.text, len(SAID.text), 4)
    assert told.hypothesis.is_final


def test_it_comes_after_the_revisions_that_were_told() -> None:
    hub = Store()
    hub.say(MATCHED)
    hub.finalize(TOLD)
    later = replace(TOLD, text="to Zermatt!", revision=9, pass_=Pass.ACCURATE, provider=ProviderName("q"))
    hub.say(UtteranceCorrected(session=ID, utterance=1, hypothesis=later))
    (told,) = hub.undo()
    assert (told.hypothesis.revision, told.hypothesis.text, told.hypothesis.provider) == (10, "to zermat", "p")


def test_it_works_once() -> None:
    hub = Store()
    hub.say(MATCHED)
    hub.finalize(TOLD)
    assert len(hub.undo()) == 1
    assert hub.undo() == [] and len(hub.errors) == 1


def test_where_nothing_was_changed_nothing_is_told() -> None:
    hub = Store()
    hub.finalize(SAID)
    assert hub.undo() == [] and len(hub.errors) == 1


def test_before_the_final_there_is_nothing_to_undo() -> None:
    hub = Store()
    hub.say(MATCHED)
    assert hub.undo() == [] and len(hub.errors) == 1


@given(st.lists(st.sampled_from(["matched", "suppressed", "final", "revised", "undone"]), max_size=10))
def test_in_any_order_the_revisions_go_up_and_what_was_said_is_told_at_most_once(steps: list[str]) -> None:
    hub = Store()
    for step in steps:
        utterance = select_utterance(hub.store.state, ID, 1)
        has_final = utterance is not None and utterance.final is not None
        latest = utterance.latest if utterance is not None else None
        match step:
            case "matched" if not has_final:
                hub.say(MATCHED)
            case "suppressed" if not has_final:
                hub.say(TextSuppressed(session=ID, utterance=1, text=SAID.text, reason="r", hypothesis=SAID))
            case "final" if not has_final:
                hub.finalize(TOLD)
            case "revised" if latest is not None:
                hypothesis = replace(latest, revision=latest.revision + 1, text="other")
                hub.say(UtteranceCorrected(session=ID, utterance=1, hypothesis=hypothesis))
            case "undone":
                hub.undo()
    told = [fact.hypothesis for fact in hub.facts() if isinstance(fact, UtteranceCorrected)]
    revisions = [hypothesis.revision for hypothesis in told]
    assert revisions == sorted(set(revisions))
    assert sum(hypothesis.text == SAID.text for hypothesis in told) <= 1
