"""Sessions: who is here, where each stands, and how much audio the hub has taken."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from operator import attrgetter

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.model import AudioFormat, EndpointReason, Pass, ProviderName, Role, SessionId
from asr_hub.store.event import SessionEvent
from asr_hub.store.slice import EntitySlice, IllegalMove, State


class Phase(StrEnum):
    """Where a session is. Kept here and nowhere else."""

    IDLE = "idle"
    """No audio yet."""
    ARMED = "armed"
    """Waits for a wake word."""
    LISTENING = "listening"
    SPEECH = "speech"
    FINALIZING = "finalizing"
    """Speech is over; a final is still to come."""
    CLOSING = "closing"
    """No more audio is taken; finals may still come."""
    CLOSED = "closed"


class SessionOpened(SessionEvent, frozen=True, tag="[Session] Opened"):
    provider: ProviderName
    format: AudioFormat
    protocol: str
    language: str | None = None
    hotwords: tuple[str, ...] = ()
    hotword_weights: dict[str, float] = msgspec.field(default_factory=dict)
    """Those other than 1, by word."""
    partials: bool = True
    levels: bool = False
    armed: bool = False
    """A wake word must be heard first."""
    principal: str = ""
    """The name of the key it was opened with; empty where access control is off."""
    wait_for: Pass = Pass.FAST
    is_routed: bool = False
    """The client named no provider: each utterance goes where the rules send it."""


class SessionAttached(SessionEvent, frozen=True, tag="[Session] Attached"):
    role: Role
    protocol: str
    resumed_from: int | None = None
    """The last `seq` the client had seen."""


class SessionDetached(SessionEvent, frozen=True, tag="[Session] Detached"):
    role: Role
    protocol: str


class SessionConfigured(SessionEvent, frozen=True, tag="[Client] SessionConfigured"):
    """A client's wish. Holds from the next utterance on; `None` leaves a setting as it is."""

    provider: ProviderName | None = None
    language: str | None = None
    hotwords: tuple[str, ...] | None = None
    hotword_weights: dict[str, float] | None = None
    partials: bool | None = None
    levels: bool | None = None
    wait_for: Pass | None = None


class LanguageIdentified(SessionEvent, frozen=True, tag="[Session] LanguageIdentified"):
    """The client named no language, and this one is spoken."""

    language: str


class SessionMoved(SessionEvent, frozen=True, tag="[Session] Moved"):
    """Its provider is no longer configured, or no longer the default; this one hears it from the next utterance on."""

    provider: ProviderName


class FinalizeRequested(SessionEvent, frozen=True, tag="[Client] FinalizeRequested"):
    pass


class ClearRequested(SessionEvent, frozen=True, tag="[Client] ClearRequested"):
    pass


class CloseRequested(SessionEvent, frozen=True, tag="[Client] CloseRequested"):
    """No more audio is taken. A client, the idle limit or a draining hub wished it; `reason` says which."""

    reason: str


class AudioTaken(SessionEvent, frozen=True, tag="[Audio] Taken"):
    """The hub has taken responsibility for this much audio. Said about once per second of audio."""

    audio_offset: int
    """Samples per channel since the session began."""


class WakeWordHeard(SessionEvent, frozen=True, tag="[WakeWord] Heard"):
    phrase: str
    audio_ms: int


class SessionArmed(SessionEvent, frozen=True, tag="[WakeWord] Armed"):
    """The session waits for its wake word again."""


class SpeechStarted(SessionEvent, frozen=True, tag="[Speech] Started"):
    utterance: int
    audio_ms: int
    """Milliseconds of audio since the session began."""


class SpeechEnded(SessionEvent, frozen=True, tag="[Speech] Ended"):
    """The utterance is over. A final follows, unless the reason is `clear`."""

    utterance: int
    audio_ms: int
    reason: EndpointReason


class SessionWarned(SessionEvent, frozen=True, tag="[Session] Warned"):
    code: str
    message: str


class SessionClosed(SessionEvent, frozen=True, tag="[Session] Closed"):
    """The last fact of a session."""

    reason: str
    audio_offset: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one session that lives. It is gone with SessionClosed."""

    id: SessionId
    provider: ProviderName
    format: AudioFormat
    protocol: str
    """Of the connection that opened it."""
    language: str | None
    hotwords: tuple[str, ...]
    partials: bool
    levels: bool
    phase: Phase
    waits: bool = False
    """For a wake word: at first, and again after each time that it was awake."""
    is_armed: bool = False
    """It waits for one now. A session that closes knows it too, of what was said before."""
    utterance: int = 0
    """The number of the latest utterance, from 1; 0 before the first."""
    pending: tuple[int, ...] = ()
    """Numbers of the utterances that are over and whose final has not come, oldest first."""
    has_publisher: bool = False
    publisher_left_at: float | None = None
    """Seconds since the epoch: when the last publisher detached, or none while one is attached."""
    viewers: int = 0
    warnings: int = 0
    audio_offset: int = 0
    """Samples per channel that the hub has taken responsibility for."""
    heard_ms: int = 0
    """Milliseconds of audio: where speech, or the wake word, was last heard."""
    principal: str = ""
    """The name of the key it was opened with; empty where access control is off."""
    hotword_weights: dict[str, float] = {}
    """Those other than 1, by word."""
    wait_for: Pass = Pass.FAST
    """A final is told when this pass has read it."""
    is_routed: bool = False
    """The client named no provider: each utterance goes where the rules send it."""
    identified: str | None = None
    """The language that is spoken, where the client named none and it was identified."""
    opened_at: float
    """Seconds since the epoch"""
    updated_at: float
    """Seconds since the epoch: the last event that changed this record."""


# None stands for: finalizing while finals are pending, else listening.
_AFTER_PENDING = None
_NONE_LEAVES: dict[Phase, Phase | None] = {phase: phase for phase in Phase if phase is not Phase.CLOSED}

PHASE_TABLE: dict[str, dict[Phase, Phase | None]] = {
    "AudioTaken": {**_NONE_LEAVES, Phase.IDLE: Phase.LISTENING},
    "SpeechStarted": {
        Phase.IDLE: Phase.SPEECH,
        Phase.LISTENING: Phase.SPEECH,
        Phase.FINALIZING: Phase.SPEECH,
        Phase.CLOSING: Phase.CLOSING,
    },
    "SpeechEnded": {
        Phase.SPEECH: Phase.FINALIZING,
        Phase.CLOSING: Phase.CLOSING,
    },
    "SpeechEnded (finalize, close)": {
        Phase.IDLE: Phase.FINALIZING,
        Phase.ARMED: Phase.ARMED,
        Phase.LISTENING: Phase.FINALIZING,
        Phase.SPEECH: Phase.FINALIZING,
        Phase.FINALIZING: Phase.FINALIZING,
        Phase.CLOSING: Phase.CLOSING,
    },
    "SpeechEnded (clear)": {**_NONE_LEAVES, Phase.SPEECH: _AFTER_PENDING},
    "UtteranceFinalized": {
        Phase.ARMED: Phase.ARMED,
        Phase.SPEECH: Phase.SPEECH,
        Phase.FINALIZING: _AFTER_PENDING,
        Phase.CLOSING: Phase.CLOSING,
    },
    "WakeWordHeard": {Phase.ARMED: _AFTER_PENDING, Phase.CLOSING: Phase.CLOSING},
    "SessionArmed": {
        Phase.LISTENING: Phase.ARMED,
        Phase.FINALIZING: Phase.ARMED,
        Phase.CLOSING: Phase.CLOSING,
    },
    "CloseRequested": dict.fromkeys(_NONE_LEAVES, Phase.CLOSING),
    "SessionClosed": dict.fromkeys(_NONE_LEAVES, Phase.CLOSED),
}
"""
(event, phase) -> phase. What is not in it is an IllegalMove; an event without a row is legal in every phase.

A `SpeechEnded` for `finalize` or `close` may come where nothing was said: an empty utterance, whose final follows all
the same. One for `clear` that names an utterance whose final is pending drops that final, and moves as the final would.
While a session closes, what its flush still finds is taken and the phase stays.
"""


def phase_table() -> str:
    """The table as Markdown, for the documentation. A dash marks an illegal move."""
    phases = list(_NONE_LEAVES)
    rows = [
        ["event", *phases],
        ["---"] * (len(phases) + 1),
        *([name, *(_cell(row, phase) for phase in phases)] for name, row in PHASE_TABLE.items()),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


sessions: EntitySlice[SessionId, Session] = EntitySlice(
    "sessions", key=attrgetter("session"), part_type=Map[SessionId, Session]
)


def select_session(state: State, session: SessionId) -> Session | None:
    return sessions.get(state, session)


def select_sessions(state: State) -> Iterator[Session]:
    """Every session that lives, in no order."""
    return sessions.all(state)


def select_live_count(state: State) -> int:
    return sessions.count(state)


@sessions.adds(SessionOpened)
def _opened(event: SessionOpened) -> Session:
    return Session(
        id=event.session,
        provider=event.provider,
        format=event.format,
        protocol=event.protocol,
        language=event.language,
        hotwords=event.hotwords,
        hotword_weights=event.hotword_weights,
        partials=event.partials,
        levels=event.levels,
        phase=Phase.ARMED if event.armed else Phase.IDLE,
        waits=event.armed,
        is_armed=event.armed,
        principal=event.principal,
        wait_for=event.wait_for,
        is_routed=event.is_routed,
        opened_at=event.at,
        updated_at=event.at,
    )


@sessions.updates(SessionAttached)
def _attached(session: Session, event: SessionAttached) -> Session:
    if event.role is Role.VIEWER:
        return replace(session, viewers=session.viewers + 1, updated_at=event.at)
    if session.has_publisher:
        raise IllegalMove(f"{event.type}: {session.id!r} has a publisher; detach that one first")
    return replace(session, has_publisher=True, publisher_left_at=None, updated_at=event.at)


@sessions.updates(SessionDetached, ignore_missing=True)
def _detached(session: Session, event: SessionDetached) -> Session:
    if event.role is Role.VIEWER and session.viewers:
        return replace(session, viewers=session.viewers - 1, updated_at=event.at)
    if event.role is Role.PUBLISHER and session.has_publisher:
        return replace(session, has_publisher=False, publisher_left_at=event.at, updated_at=event.at)
    raise IllegalMove(f"{event.type}: {session.id!r} has no {event.role} to detach; attach it first")


@sessions.updates(SessionConfigured)
def _configured(session: Session, event: SessionConfigured) -> Session:
    return replace(
        session,
        provider=session.provider if event.provider is None else event.provider,
        language=session.language if event.language is None else event.language,
        hotwords=session.hotwords if event.hotwords is None else event.hotwords,
        hotword_weights=session.hotword_weights if event.hotword_weights is None else event.hotword_weights,
        partials=session.partials if event.partials is None else event.partials,
        levels=session.levels if event.levels is None else event.levels,
        wait_for=session.wait_for if event.wait_for is None else event.wait_for,
        is_routed=session.is_routed and event.provider is None,
        updated_at=event.at,
    )


@sessions.updates(LanguageIdentified)
def _identified(session: Session, event: LanguageIdentified) -> Session:
    return replace(session, identified=event.language, updated_at=event.at)


@sessions.updates(SessionMoved)
def _moved(session: Session, event: SessionMoved) -> Session:
    return replace(session, provider=event.provider, updated_at=event.at)


@sessions.updates(FinalizeRequested, ClearRequested)
def _wished(session: Session, event: SessionEvent) -> Session:
    return session


@sessions.updates(CloseRequested)
def _close_requested(session: Session, event: CloseRequested) -> Session:
    return replace(session, phase=_next_phase(session, event, "CloseRequested"), updated_at=event.at)


@sessions.updates(AudioTaken)
def _audio_taken(session: Session, event: AudioTaken) -> Session:
    if event.audio_offset < session.audio_offset:
        raise IllegalMove(
            f"{event.type}: {event.audio_offset} samples after {session.audio_offset}; audio taken is never given back"
        )
    phase = _next_phase(session, event, "AudioTaken")
    return replace(session, phase=phase, audio_offset=event.audio_offset, updated_at=event.at)


@sessions.updates(WakeWordHeard)
def _wake_word_heard(session: Session, event: WakeWordHeard) -> Session:
    phase = _next_phase(session, event, "WakeWordHeard")
    heard_ms = max(session.heard_ms, event.audio_ms)
    return replace(session, phase=phase, is_armed=False, heard_ms=heard_ms, updated_at=event.at)


@sessions.updates(SessionArmed)
def _armed(session: Session, event: SessionArmed) -> Session:
    return replace(session, phase=_next_phase(session, event, "SessionArmed"), is_armed=True, updated_at=event.at)


@sessions.updates(SpeechStarted)
def _speech_started(session: Session, event: SpeechStarted) -> Session:
    phase = _next_phase(session, event, "SpeechStarted")
    if event.utterance <= session.utterance:
        raise IllegalMove(
            f"{event.type}: utterance {event.utterance} after {session.utterance}; count utterances from 1, upwards"
        )
    heard_ms = max(session.heard_ms, event.audio_ms)
    return replace(session, phase=phase, utterance=event.utterance, heard_ms=heard_ms, updated_at=event.at)


@sessions.updates(SpeechEnded)
def _speech_ended(session: Session, event: SpeechEnded) -> Session:
    number, pending = event.utterance, session.pending
    if event.reason is not EndpointReason.CLEAR:
        if number in pending:
            raise IllegalMove(f"{event.type}: utterance {number} is over already; end each utterance once")
        phase = _next_phase(session, event, _END_ROWS.get(event.reason, "SpeechEnded"))
        pending = (*pending, number)
    elif number in pending:
        # It was over; what is dropped is its final, and whoever speaks now speaks on.
        pending = _without(pending, number)
        phase = _next_phase(session, event, "UtteranceFinalized", pending=pending)
    else:
        phase = _next_phase(session, event, "SpeechEnded (clear)")
    return replace(
        session,
        phase=phase,
        pending=pending,
        utterance=max(session.utterance, number),
        heard_ms=max(session.heard_ms, event.audio_ms),
        updated_at=event.at,
    )


@sessions.updates(SessionWarned)
def _warned(session: Session, event: SessionWarned) -> Session:
    return replace(session, warnings=session.warnings + 1, updated_at=event.at)


sessions.removes(SessionClosed)


def finalized(session: Session, event: SessionEvent, utterance: int) -> Session:
    """One pending final less. Handles UtteranceFinalized, which lies with the transcripts."""
    if utterance not in session.pending:
        raise IllegalMove(f"{event.type}: no final of utterance {utterance} is pending; end the utterance first")
    pending = _without(session.pending, utterance)
    phase = _next_phase(session, event, "UtteranceFinalized", pending=pending)
    return replace(session, phase=phase, pending=pending, updated_at=event.at)


_END_ROWS = dict.fromkeys((EndpointReason.FINALIZE, EndpointReason.CLOSE), "SpeechEnded (finalize, close)")


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(other for other in numbers if other != number)


def _next_phase(session: Session, event: SessionEvent, row: str, *, pending: tuple[int, ...] | None = None) -> Phase:
    try:
        phase = PHASE_TABLE[row][session.phase]
    except KeyError:
        raise IllegalMove(f"{event.type}: not while session {session.id!r} is {session.phase}") from None
    if phase is not None:
        return phase
    return Phase.FINALIZING if (session.pending if pending is None else pending) else Phase.LISTENING


def _cell(row: dict[Phase, Phase | None], phase: Phase) -> str:
    if phase not in row:
        return "-"
    return row[phase] or "finalizing, or listening when no final is pending"
