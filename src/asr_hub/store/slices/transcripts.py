"""Transcripts: what was heard in each session, utterance by utterance."""

from __future__ import annotations

from operator import attrgetter

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.model import EndpointReason, Hypothesis, Pass, ProviderName, SessionId
from asr_hub.store.event import SessionEvent
from asr_hub.store.slice import EntitySlice, IllegalMove, State
from asr_hub.store.slices.sessions import Session, SessionClosed, SessionOpened, SpeechEnded, finalized, sessions

UTTERANCES_KEPT = 1_000
"""Of one session; the oldest go first."""

NOTES_KEPT = 16
"""Revisions, and failures, of one utterance; the latest stay."""


class HypothesisRevised(SessionEvent, frozen=True, tag="[Transcript] Revised"):
    """A partial hypothesis. Replaces the one before it."""

    utterance: int
    hypothesis: Hypothesis


class UtteranceFinalized(SessionEvent, frozen=True, tag="[Transcript] Finalized"):
    """The final hypothesis. Comes once for an utterance and stays."""

    utterance: int
    hypothesis: Hypothesis
    reason: EndpointReason
    latency_ms: int | None = None
    heard_by: ProviderName | None = None
    """Who read it first; later passes may have been waited for. None: the provider of the hypothesis."""
    heard_ms: int | None = None
    """From the end of the utterance's audio to the first reading."""


class UtteranceCorrected(SessionEvent, frozen=True, tag="[Transcript] Corrected"):
    """A later pass read it, or somebody took a decision of the hub back. The readings before it are kept."""

    utterance: int
    hypothesis: Hypothesis
    latency_ms: int | None = None
    """From the end of the utterance's audio."""


class TextSuppressed(SessionEvent, frozen=True, tag="[Transcript] Suppressed"):
    """The engine said something that is no speech; the final is empty."""

    utterance: int
    text: str
    reason: str
    hypothesis: Hypothesis | None = None
    """All of what it said, where it is known."""


class Replacement(msgspec.Struct, frozen=True):
    """A hotword in the place of words that sound like it."""

    heard: str
    hotword: str
    similarity: float
    """0 to 1"""
    position: int
    """Of the first word, from 0, in what the engine said."""


class HotwordsMatched(SessionEvent, frozen=True, tag="[Transcript] HotwordsMatched"):
    """The engine knows no hotwords; the hub put them where words sound like them. Comes before the final."""

    utterance: int
    replacements: tuple[Replacement, ...]
    before: Hypothesis
    """What the engine said."""


class DecisionUndone(SessionEvent, frozen=True, tag="[Client] DecisionUndone"):
    """Somebody wants what the engine said, without what the hub suppressed or put in its place."""

    utterance: int


class UtteranceRouted(SessionEvent, frozen=True, tag="[Transcript] Routed"):
    """This provider hears the utterance, which is not the session's."""

    utterance: int
    provider: ProviderName
    reason: str


class PassFailed(SessionEvent, frozen=True, tag="[Transcript] PassFailed"):
    """A later pass came to nothing; the readings before it stand."""

    utterance: int
    pass_: Pass
    provider: ProviderName
    code: str
    message: str


class UtteranceHandedOn(SessionEvent, frozen=True, tag="[Transcript] HandedOn"):
    """An engine gave up on this utterance, and another is given it from its first sample."""

    utterance: int
    provider: ProviderName
    to: ProviderName
    code: str
    message: str


class RecognitionFailed(SessionEvent, frozen=True, tag="[Transcript] RecognitionFailed"):
    """The engine gave up on this utterance; its final is empty or holds what was heard until then."""

    utterance: int
    """0 where it failed before there was one, waiting for a wake word."""
    provider: ProviderName
    code: str
    message: str
    retryable: bool


class Suppressed(msgspec.Struct, frozen=True):
    """What the engine said that is no speech, and why the hub thinks so."""

    text: str
    reason: str
    hypothesis: Hypothesis | None = None
    is_undone: bool = False
    """Somebody wanted it all the same."""


class Matched(msgspec.Struct, frozen=True):
    """Where hotwords were put into what the engine said."""

    replacements: tuple[Replacement, ...]
    before: Hypothesis
    is_undone: bool = False


class Failure(msgspec.Struct, frozen=True):
    """An engine that gave up on the utterance, or a later pass that came to nothing."""

    provider: ProviderName
    code: str
    message: str
    retryable: bool


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one utterance that is over, or that something happened to."""

    number: int
    reason: EndpointReason | None = None
    """Why it is over; None while it is not."""
    final: Hypothesis | None = None
    """Never taken back. None until it comes."""
    latency_ms: int | None = None
    revisions: tuple[Hypothesis, ...] = ()
    """What later passes read, oldest first."""
    suppressed: Suppressed | None = None
    matched: Matched | None = None
    routed: str = ""
    """Why another provider than the session's hears it."""
    failures: tuple[Failure, ...] = ()

    @property
    def latest(self) -> Hypothesis | None:
        """The last reading: a revision where there is one, else the final."""
        return self.revisions[-1] if self.revisions else self.final


class Partial(msgspec.Struct, frozen=True):
    utterance: int
    hypothesis: Hypothesis


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard in one session that lives."""

    partial: Partial | None = None
    """The latest guess at an utterance whose final has not come."""
    utterances: Map[int, Utterance] = Map()
    """By number, at most `UTTERANCES_KEPT`."""


transcripts: EntitySlice[SessionId, Transcript] = EntitySlice(
    "transcripts", key=attrgetter("session"), part_type=Map[SessionId, Transcript]
)


def select_transcript(state: State, session: SessionId) -> Transcript | None:
    return transcripts.get(state, session)


def select_utterance(state: State, session: SessionId, number: int) -> Utterance | None:
    transcript = transcripts.get(state, session)
    return None if transcript is None else transcript.utterances.get(number)


def select_utterances(state: State, session: SessionId) -> tuple[Utterance, ...]:
    """In the order of their numbers. Sorts: not for every action."""
    transcript = transcripts.get(state, session)
    if transcript is None:
        return ()
    return tuple(utterance for _, utterance in sorted(transcript.utterances.items()))


def select_text(state: State, session: SessionId) -> str:
    """The final words of a session so far, in their latest reading, utterances apart by a space."""
    readings = (utterance.latest for utterance in select_utterances(state, session))
    return " ".join(reading.text for reading in readings if reading is not None and reading.text)


def undoing(utterance: Utterance) -> Hypothesis | None:
    """What an engine said of an utterance with a final, where the hub told something else and nobody undid that yet."""
    suppressed, matched = utterance.suppressed, utterance.matched
    if suppressed is not None and suppressed.is_undone:
        suppressed = None
    if matched is not None and matched.is_undone:
        matched = None
    return _engine_said(utterance.final, suppressed, matched)


def engine_said(utterance: Utterance) -> Hypothesis | None:
    """The same, undone or not."""
    return _engine_said(utterance.final, utterance.suppressed, utterance.matched)


def _engine_said(final: Hypothesis | None, suppressed: Suppressed | None, matched: Matched | None) -> Hypothesis | None:
    if final is None:
        return None
    if suppressed is not None:
        return suppressed.hypothesis or replace(final, text=suppressed.text, stable=len(suppressed.text))
    return matched.before if matched is not None else None


# The phase table lies with the sessions, this event here: sessions know nothing of transcripts.
@sessions.updates(UtteranceFinalized)
def _session_finalized(session: Session, event: UtteranceFinalized) -> Session:
    return finalized(session, event, event.utterance)


@transcripts.adds(SessionOpened)
def _opened(event: SessionOpened) -> Transcript:
    return Transcript()


@transcripts.updates(HypothesisRevised)
def _revised(transcript: Transcript, event: HypothesisRevised) -> Transcript:
    known = transcript.utterances.get(event.utterance)
    if known is not None and known.final is not None:
        return transcript
    return replace(transcript, partial=Partial(event.utterance, event.hypothesis))


@transcripts.updates(SpeechEnded)
def _speech_ended(transcript: Transcript, event: SpeechEnded) -> Transcript:
    if event.reason is EndpointReason.CLEAR:
        return _without_partial(_forget(transcript, event.utterance), event.utterance)
    return _put(transcript, replace(_utterance(transcript, event.utterance), reason=event.reason))


@transcripts.updates(UtteranceFinalized)
def _finalized(transcript: Transcript, event: UtteranceFinalized) -> Transcript:
    known = _utterance(transcript, event.utterance)
    if known.final is not None:
        raise IllegalMove(f"{event.type}: utterance {event.utterance} has its final; say what changed as a correction")
    utterance = replace(known, final=event.hypothesis, reason=event.reason, latency_ms=event.latency_ms)
    return _put(_without_partial(transcript, event.utterance), utterance)


@transcripts.updates(UtteranceCorrected)
def _corrected(transcript: Transcript, event: UtteranceCorrected) -> Transcript:
    if _is_forgotten(transcript, event.utterance):
        return transcript
    known = _utterance(transcript, event.utterance)
    if known.final is None:
        raise IllegalMove(f"{event.type}: utterance {event.utterance} has no final to correct; send the final first")
    return _put(transcript, replace(known, revisions=(*known.revisions, event.hypothesis)[-NOTES_KEPT:]))


@transcripts.updates(TextSuppressed)
def _suppressed(transcript: Transcript, event: TextSuppressed) -> Transcript:
    known = _utterance(transcript, event.utterance)
    return _put(transcript, replace(known, suppressed=Suppressed(event.text, event.reason, event.hypothesis)))


@transcripts.updates(HotwordsMatched)
def _matched(transcript: Transcript, event: HotwordsMatched) -> Transcript:
    known = _utterance(transcript, event.utterance)
    # What somebody took back stays so, whatever a later pass matches.
    is_undone = known.matched is not None and known.matched.is_undone
    return _put(transcript, replace(known, matched=Matched(event.replacements, event.before, is_undone)))


@transcripts.updates(DecisionUndone)
def _undone(transcript: Transcript, event: DecisionUndone) -> Transcript:
    known = transcript.utterances.get(event.utterance)
    if known is None or undoing(known) is None:
        raise IllegalMove(f"{event.type}: nothing of utterance {event.utterance} was suppressed or replaced")
    if known.suppressed is not None:
        known = replace(known, suppressed=replace(known.suppressed, is_undone=True))
    if known.matched is not None:
        known = replace(known, matched=replace(known.matched, is_undone=True))
    return _put(transcript, known)


@transcripts.updates(UtteranceRouted)
def _routed(transcript: Transcript, event: UtteranceRouted) -> Transcript:
    return _put(transcript, replace(_utterance(transcript, event.utterance), routed=event.reason))


@transcripts.updates(PassFailed)
def _pass_failed(transcript: Transcript, event: PassFailed) -> Transcript:
    if _is_forgotten(transcript, event.utterance):
        return transcript
    known = _utterance(transcript, event.utterance)
    failure = Failure(event.provider, event.code, event.message, False)
    return _put(transcript, replace(known, failures=(*known.failures, failure)[-NOTES_KEPT:]))


@transcripts.updates(RecognitionFailed)
def _failed(transcript: Transcript, event: RecognitionFailed) -> Transcript:
    if event.utterance < 1:
        return transcript
    known = _utterance(transcript, event.utterance)
    failure = Failure(event.provider, event.code, event.message, event.retryable)
    return _put(transcript, replace(known, failures=(*known.failures, failure)[-NOTES_KEPT:]))


@transcripts.updates(UtteranceHandedOn)
def _handed_on(transcript: Transcript, event: UtteranceHandedOn) -> Transcript:
    known = _utterance(transcript, event.utterance)
    failure = Failure(event.provider, event.code, event.message, True)
    # What the former engine guessed is no beginning of what the next one will say.
    return _without_partial(
        _put(transcript, replace(known, failures=(*known.failures, failure)[-NOTES_KEPT:])), event.utterance
    )


transcripts.removes(SessionClosed)


def _utterance(transcript: Transcript, number: int) -> Utterance:
    return transcript.utterances.get(number) or Utterance(number=number)


def _put(transcript: Transcript, utterance: Utterance) -> Transcript:
    utterances = transcript.utterances.set(utterance.number, utterance)
    if len(utterances) > UTTERANCES_KEPT:
        utterances = utterances.delete(min(utterances))
    return replace(transcript, utterances=utterances)


def _forget(transcript: Transcript, number: int) -> Transcript:
    known = transcript.utterances.get(number)
    if known is None or known.final is not None:
        return transcript
    return replace(transcript, utterances=transcript.utterances.delete(number))


def _without_partial(transcript: Transcript, utterance: int) -> Transcript:
    if transcript.partial is None or transcript.partial.utterance != utterance:
        return transcript
    return replace(transcript, partial=None)


def _is_forgotten(transcript: Transcript, number: int) -> bool:
    return len(transcript.utterances) >= UTTERANCES_KEPT and number < min(transcript.utterances)
