"""One log line for each beginning, end and failure."""

from __future__ import annotations

from typing import Any

from reactivex import Observable
from reactivex import operators as ops

from asr_hub.store.effect import effect
from asr_hub.store.event import Event
from asr_hub.store.slices.access import AccessRefused
from asr_hub.store.slices.breakers import BreakerClosed, BreakerOpened
from asr_hub.store.slices.providers import ProviderFailed, ProviderNoted, ProviderReady, ProviderUnloaded
from asr_hub.store.slices.scores import FinalHedged, ProviderPromoted, ShadowSkipped
from asr_hub.store.slices.sessions import SessionClosed, SessionOpened, SessionWarned
from asr_hub.store.slices.system import ProviderResolved, SessionRefused
from asr_hub.store.slices.transcripts import (
    PassFailed,
    RecognitionFailed,
    TextSuppressed,
    UtteranceFinalized,
    UtteranceHandedOn,
)
from asr_hub.telemetry import logs

_log = logs.get("asr_hub")


class LogLines:
    @effect(
        SessionOpened,
        SessionClosed,
        ProviderReady,
        ProviderResolved,
        ProviderUnloaded,
        ProviderPromoted,
        BreakerClosed,
        TextSuppressed,
        dispatch=False,
    )
    def lives(self, events: Observable[Event]) -> Observable[Event]:
        return events.pipe(ops.do_action(_tell_life))

    @effect(
        AccessRefused,
        SessionRefused,
        SessionWarned,
        ProviderFailed,
        ProviderNoted,
        BreakerOpened,
        PassFailed,
        RecognitionFailed,
        UtteranceHandedOn,
        dispatch=False,
    )
    def failures(self, events: Observable[Event]) -> Observable[Event]:
        return events.pipe(ops.do_action(_tell_failure))

    @effect(FinalHedged, ShadowSkipped, dispatch=False)
    def details(self, events: Observable[Event]) -> Observable[Event]:
        return events.pipe(ops.do_action(_tell_detail))

    @effect(UtteranceFinalized, dispatch=False)
    def utterances(self, events: Observable[UtteranceFinalized]) -> Observable[UtteranceFinalized]:
        return events.pipe(ops.do_action(_tell_utterance))


def _tell_life(event: Event) -> None:
    _log.info(_NAMES[type(event)], **_fields(event))


def _tell_failure(event: Event) -> None:
    _log.warning(_NAMES[type(event)], **_fields(event))


def _tell_detail(event: Event) -> None:
    _log.debug(_NAMES[type(event)], **_fields(event))


def _tell_utterance(event: UtteranceFinalized) -> None:
    _log.debug(
        "utterance.finalized",
        session=event.session[:6],
        utterance=event.utterance,
        latency_ms=event.latency_ms,
        text=event.hypothesis.text,
    )


_NAMES: dict[type[Event], str] = {
    SessionOpened: "session.opened",
    SessionClosed: "session.closed",
    SessionRefused: "session.refused",
    AccessRefused: "access.refused",
    SessionWarned: "session.warned",
    ProviderReady: "provider.ready",
    ProviderFailed: "provider.failed",
    ProviderNoted: "provider.noted",
    ProviderUnloaded: "provider.unloaded",
    UtteranceHandedOn: "utterance.handed_on",
    ProviderResolved: "provider.resolved",
    ProviderPromoted: "provider.promoted",
    BreakerOpened: "breaker.opened",
    BreakerClosed: "breaker.closed",
    TextSuppressed: "text.suppressed",
    PassFailed: "pass.failed",
    FinalHedged: "final.hedged",
    ShadowSkipped: "shadow.skipped",
    RecognitionFailed: "recognition.failed",
}


def _fields(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in ("at", "self_test")}
    if "session" in fields:
        # Whoever has the whole id can attach to the session.
        fields["session"] = fields["session"][:6]
    if "took" in fields:
        fields["took"] = round(fields["took"], 3)
    # `message` belongs to the log record itself; hotwords are words of the user, and so is what was kept back.
    for name in ("hotwords", "text", "hypothesis"):
        fields.pop(name, None)
    if "message" in fields:
        fields["detail"] = fields.pop("message")
    return fields
