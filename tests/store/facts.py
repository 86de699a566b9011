"""Facts to test with: one maker per kind of event, and strategies that make any event or any history."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, ProviderName, Role, SessionId
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.breakers import (
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    BreakerReset,
)
from asr_hub.store.slices.hotwords import HotwordsReplaced
from asr_hub.store.slices.providers import (
    ProviderFailed,
    ProviderNoted,
    ProviderReady,
    ProviderRemoved,
    ProviderRetired,
    ProviderStarting,
    ProviderUnloaded,
    SlotFreed,
    SlotTaken,
)
from asr_hub.store.slices.scores import (
    FinalHedged,
    HedgeWon,
    ProviderPromoted,
    ShadowCompared,
    ShadowSkipped,
)
from asr_hub.store.slices.sessions import (
    AudioTaken,
    ClearRequested,
    CloseRequested,
    FinalizeRequested,
    SessionArmed,
    SessionAttached,
    SessionClosed,
    SessionConfigured,
    SessionDetached,
    SessionMoved,
    SessionOpened,
    SessionWarned,
    SpeechEnded,
    SpeechStarted,
    WakeWordHeard,
)
from asr_hub.store.slices.system import DrainStarted, HubStarted, Reconfigured, SessionRefused
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    RecognitionFailed,
    TextSuppressed,
    UtteranceCorrected,
    UtteranceFinalized,
    UtteranceHandedOn,
)

A = SessionId("a")
B = SessionId("b")
STUB = ProviderName("stub")


class Errors:
    """An `on_error` that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[Exception, Event]] = []

    def __call__(self, error: Exception, event: Event) -> None:
        self.seen.append((error, event))

    @property
    def kinds(self) -> list[type[Exception]]:
        return [type(error) for error, _ in self.seen]


def strict(error: Exception, event: Event) -> None:
    """An `on_error` that lets nothing pass."""
    raise error


def store(*effects: object, on_error: Callable[[Exception, Event], None] = strict, **options: Any) -> HubStore:
    return HubStore(effects, on_error=on_error, **options)


def opened(session: SessionId = A, *, at: float = 0.0, armed: bool = False) -> SessionOpened:
    return SessionOpened(session=session, provider=STUB, format=AudioFormat(), protocol="websocket", armed=armed, at=at)


def closed(session: SessionId = A, *, at: float = 0.0) -> SessionClosed:
    return SessionClosed(session=session, reason="client", at=at)


def audio(offset: int, session: SessionId = A) -> AudioTaken:
    return AudioTaken(session=session, audio_offset=offset)


def warned(code: str = "levels", session: SessionId = A) -> SessionWarned:
    return SessionWarned(session=session, code=code, message="not as asked for")


def started(utterance: int, session: SessionId = A) -> SpeechStarted:
    return SpeechStarted(session=session, utterance=utterance, audio_ms=100 * utterance)


def ended(utterance: int, reason: EndpointReason = EndpointReason.SILENCE, session: SessionId = A) -> SpeechEnded:
    return SpeechEnded(session=session, utterance=utterance, audio_ms=100 * utterance + 90, reason=reason)


def heard(text: str, *, is_final: bool = False) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=90, is_final=is_final)


def revised(utterance: int, text: str, session: SessionId = A) -> HypothesisRevised:
    return HypothesisRevised(session=session, utterance=utterance, hypothesis=heard(text))


def final(utterance: int, text: str = "yes", session: SessionId = A) -> UtteranceFinalized:
    return UtteranceFinalized(
        session=session, utterance=utterance, hypothesis=heard(text, is_final=True), reason=EndpointReason.SILENCE
    )


def any_value_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as events have them in their fields; JSON keeps them all."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return any_struct(kind)
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind is int:
        return st.integers(min_value=-(2**53), max_value=2**53)
    if isinstance(kind, typing.NewType):
        return any_value_of(kind.__supertype__)
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return st.lists(any_value_of(inner[0]), max_size=3).map(tuple)
    if typing.get_origin(kind) is dict:
        return st.dictionaries(any_value_of(inner[0]), any_value_of(inner[1]), max_size=3)
    if inner:
        return st.one_of(*map(any_value_of, inner))
    return st.from_type(kind)


def any_struct(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    fields = {field.name: any_value_of(hints[field.name]) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


_numbers = st.integers(min_value=1, max_value=4)
_ids = st.sampled_from([A, B, SessionId("never-opened")])
_times = st.integers(min_value=0, max_value=1_000).map(float)
_texts = st.sampled_from(["", "yes", "turn on the light"])
_hypotheses = st.builds(heard, _texts)
_counts = st.integers(min_value=0, max_value=9)
_providers = st.sampled_from([STUB, ProviderName("trial"), ProviderName("")])


def _about(kind: type[Event], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.builds(kind, session=_ids, at=_times, **fields)


def _said(kind: type[Event], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return _about(kind, utterance=_numbers, **fields)


any_fact: st.SearchStrategy[Event] = st.one_of(
    st.builds(opened, _ids, at=_times, armed=st.booleans()),
    st.builds(closed, _ids, at=_times),
    _about(SessionAttached, role=st.sampled_from(Role), protocol=st.just("sse")),
    _about(SessionDetached, role=st.sampled_from(Role), protocol=st.just("sse")),
    _about(SessionConfigured, language=st.sampled_from([None, "en", "de"])),
    _about(FinalizeRequested),
    _about(ClearRequested),
    _about(CloseRequested, reason=st.just("client")),
    _about(AudioTaken, audio_offset=st.integers(min_value=0, max_value=3)),
    _about(WakeWordHeard, phrase=st.just("computer"), audio_ms=st.just(0)),
    _about(SessionArmed),
    _about(SessionMoved, provider=st.just(STUB)),
    _about(SessionWarned, code=_texts, message=_texts),
    _said(SpeechStarted, audio_ms=st.just(0)),
    _said(SpeechEnded, audio_ms=st.just(0), reason=st.sampled_from(EndpointReason)),
    _said(HypothesisRevised, hypothesis=_hypotheses),
    _said(UtteranceFinalized, hypothesis=_hypotheses, reason=st.sampled_from(EndpointReason)),
    _said(UtteranceCorrected, hypothesis=_hypotheses),
    _said(TextSuppressed, text=_texts, reason=_texts),
    _said(RecognitionFailed, provider=st.just(STUB), code=_texts, message=_texts, retryable=st.booleans()),
    _said(UtteranceHandedOn, provider=st.just(STUB), to=st.just(STUB), code=_texts, message=_texts),
    _said(AttemptFailed, provider=st.just(STUB), code=_texts, message=_texts),
    *(
        st.builds(kind, provider=st.just(STUB), at=_times)
        for kind in (AttemptSucceeded, BreakerHalfOpened, BreakerClosed, BreakerReset)
    ),
    st.builds(BreakerOpened, provider=st.just(STUB), reason=_texts, open_s=_times, at=_times),
    _said(FinalHedged, provider=_providers, to=_providers),
    _said(HedgeWon, provider=_providers, over=_providers, latency_ms=st.none() | _counts),
    _said(
        ShadowCompared,
        provider=_providers,
        primary=_providers,
        words=_counts,
        errors=_counts,
        characters=_counts,
        character_errors=_counts,
        latency_ms=_counts,
        primary_latency_ms=_counts,
    ),
    _said(ShadowSkipped, provider=_providers, reason=_texts),
    st.builds(ProviderPromoted, provider=_providers, instead_of=_providers, at=_times),
    st.builds(ProviderStarting, provider=st.just(STUB), kind=st.just("fake"), at=_times),
    st.builds(ProviderReady, provider=st.just(STUB), max_streams=_numbers, took=_times, self_test=_texts, at=_times),
    st.builds(ProviderFailed, provider=st.just(STUB), code=_texts, message=_texts, at=_times),
    st.builds(ProviderNoted, provider=st.just(STUB), code=_texts, message=_texts, at=_times),
    st.builds(ProviderUnloaded, provider=st.just(STUB), at=_times),
    st.builds(ProviderRetired, provider=st.just(STUB), at=_times),
    st.builds(ProviderRemoved, provider=st.just(STUB)),
    st.builds(SlotTaken, provider=st.just(STUB)),
    st.builds(SlotFreed, provider=st.just(STUB)),
    st.builds(HubStarted, version=_texts, max_sessions=_numbers, default_provider=st.just(STUB), at=_times),
    st.builds(SessionRefused, code=_texts, protocol=_texts),
    st.builds(DrainStarted),
    st.builds(HotwordsReplaced, words=st.lists(_texts, max_size=3).map(tuple), at=_times),
    st.builds(Reconfigured, applied=st.just(("hotwords",)), default_provider=st.just(STUB), max_sessions=_numbers),
)
"""Facts about two sessions that may live and one that never does: together a history, possible or not."""

any_history = st.lists(any_fact, max_size=60).map(lambda facts: [opened(A), opened(B), *facts])
