"""What may not be written is not: in no field of any fact, and wherever a state keeps it."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from immutables import Map
from tests.recordings.made import lived, recorded
from tests.store.facts import A, any_history, ended, opened, started

from asr_hub.errors import ConfigError
from asr_hub.model import Alternative, EndpointReason, Hypothesis, ProviderName, Word
from asr_hub.recordings.redaction import NAMES, TEXTS, WITHHELD, Redaction, hook_of
from asr_hub.recordings.selection import Selection
from asr_hub.store.event import Event
from asr_hub.store.root import EVENTS, ROOT
from asr_hub.store.slices.sessions import SessionConfigured, SessionWarned, WakeWordHeard
from asr_hub.store.slices.transcripts import (
    HotwordsMatched,
    HypothesisRevised,
    Replacement,
    TextSuppressed,
    UtteranceCorrected,
    UtteranceFinalized,
)

pytestmark = pytest.mark.unit

SECRET = "Kandersteg"


def veiled(text: str) -> str:
    return text.replace(SECRET, "[place]")


def said(text: str) -> Hypothesis:
    return Hypothesis(
        text=text,
        start=0,
        end=900,
        stable=len(text),
        words=tuple(Word(word, 0, 900) for word in text.split()),
        alternatives=(Alternative(f"or {text}"),),
        tags={"event": text},
    )


STORY: list[Event] = [
    opened(A),
    SessionConfigured(session=A, hotwords=(SECRET, "Brig"), hotword_weights={SECRET: 2.0}),
    WakeWordHeard(session=A, phrase=SECRET, audio_ms=0),
    SessionWarned(session=A, code="x", message=f"{SECRET} was not understood"),
    started(1),
    HypothesisRevised(session=A, utterance=1, hypothesis=said(f"to {SECRET}")),
    ended(1),
    TextSuppressed(session=A, utterance=1, text=SECRET, reason="noise", hypothesis=said(SECRET)),
    HotwordsMatched(session=A, utterance=1, replacements=(Replacement(SECRET, SECRET, 0.9, 1),), before=said(SECRET)),
    UtteranceFinalized(session=A, utterance=1, hypothesis=said(f"to {SECRET}"), reason=EndpointReason.SILENCE),
    UtteranceCorrected(session=A, utterance=1, hypothesis=said(f"To {SECRET}.")),
]


def fields_with_text(kind: Any, seen: set[Any]) -> set[str]:
    """The names of all fields below a type that hold texts."""
    if kind in seen:
        return set()
    seen.add(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found = set()
        for name, inner in typing.get_type_hints(kind).items():
            if name in kind.__struct_fields__:
                found |= {name} if _is_text(inner) else fields_with_text(inner, seen)
        return found
    return {name for inner in typing.get_args(kind) for name in fields_with_text(inner, seen)}


def _is_text(kind: Any) -> bool:
    kind = getattr(kind, "__supertype__", kind)
    return kind is str or any(_is_text(inner) for inner in typing.get_args(kind))


def test_every_field_with_text_is_known_for_words_or_for_a_name() -> None:
    """A field that is new must be in one of the two: else nobody knows whether it is to be redacted."""
    parts = tuple(part.part_type for part in ROOT.slices)
    names = {name for kind in (*EVENTS, *parts) for name in fields_with_text(kind, set())}
    records = {"by_id", "records", "refused", "providers", "pairs", "tenants"}
    assert names - TEXTS - NAMES - records - {"utterances"} == set()
    assert not TEXTS & NAMES


def test_no_byte_of_a_recording_has_the_secret(tmp_path: Path) -> None:
    made = recorded(tmp_path, STORY, redaction=Redaction(veiled))
    data = b"".join(path.read_bytes() for path in made.path.rglob("*") if path.is_file())
    assert SECRET.encode() not in data and b"[place]" in data
    assert made.meta().text == "To [place]." and made.meta().facts == 10


def test_nor_does_what_a_recording_goes_on_from() -> None:
    hub = lived(STORY)
    state = Redaction(veiled).state(Selection(A, name="0123456789ab").state(hub.state))
    assert SECRET not in repr(state) and "[place]" in repr(state)
    hub.close()


def test_a_text_that_was_changed_loses_the_texts_of_its_words_and_keeps_their_times() -> None:
    event = UtteranceFinalized(session=A, utterance=1, hypothesis=said(f"to {SECRET}"), reason=EndpointReason.CLOSE)
    it = Redaction(veiled).event(event)
    assert isinstance(it, UtteranceFinalized)
    assert [(word.text, word.end) for word in it.hypothesis.words] == [("", 900), ("", 900)]
    assert it.hypothesis.stable == len("to [place]")
    same = UtteranceFinalized(session=A, utterance=1, hypothesis=said("to Brig"), reason=EndpointReason.CLOSE)
    assert Redaction(veiled).event(same) == same


@pytest.mark.parametrize("hook", [lambda text: 1 / 0, lambda text: None, lambda text: text.encode()])
def test_a_hook_that_fails_writes_no_text(hook: Any, tmp_path: Path) -> None:
    made = recorded(tmp_path, STORY, redaction=Redaction(hook))
    data = b"".join(path.read_bytes() for path in made.path.rglob("*") if path.is_file())
    assert SECRET.encode() not in data and b"Brig" not in data
    assert made.meta().unread_texts > 10 and made.meta().facts == 10


@given(any_history)
@settings(max_examples=40, deadline=None)
def test_redacted_facts_lead_to_the_redacted_state(history: list[Event]) -> None:
    hub = lived(history)
    state = Map(ROOT.initial)
    for _, event in hub.journal.entries():
        state = ROOT.reduce(state, WITHHELD.event(event))
    assert state == WITHHELD.state(hub.state)
    hub.close()


def test_a_hook_is_named_by_its_module() -> None:
    assert hook_of(None) is None
    assert hook_of("string:capwords") is not None
    for wrong in ("string", "string:nothing", "no.such.module:x", "string:digits", ":", ""):
        with pytest.raises(ConfigError, match="write `package"):
            hook_of(wrong)


def test_names_are_not_texts() -> None:
    event = SessionConfigured(session=A, provider=ProviderName(SECRET))
    assert Redaction(veiled).event(event) == event
