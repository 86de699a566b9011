"""The hub in the words of its operators, read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from asr_hub import __version__
from asr_hub.access.grant import Grant, Scope
from asr_hub.config.masked import masked
from asr_hub.config.schema import (
    MAX_HOTWORD_WEIGHT,
    MAX_TENANT_CHARS,
    MAX_TENANTS,
    MIN_HOTWORD_WEIGHT,
    Config,
)
from asr_hub.errors import Conflict, HubError, NotFound, ProtocolError
from asr_hub.hub.hub import Hub
from asr_hub.hub.names import Named, public_name
from asr_hub.hub.promotion import promote
from asr_hub.model import Hypothesis, ProviderName, SessionId
from asr_hub.protocols.facts import (
    BreakerView,
    ComparisonView,
    FailureView,
    FormatView,
    HealthView,
    ProviderView,
    ReadingView,
    ReloadView,
    ReplacementView,
    ScoreView,
    SessionDetails,
    SessionView,
    SuppressedView,
    UtteranceView,
)
from asr_hub.store.slices.breakers import Breaker, BreakerState, select_breaker
from asr_hub.store.slices.hotwords import HotwordsReplaced, select_tenants, select_word_list
from asr_hub.store.slices.providers import WELL, Health, Provider, select_providers
from asr_hub.store.slices.scores import Comparison, Score, latency_of, select_comparisons, select_score
from asr_hub.store.slices.sessions import CloseRequested, Phase, Session
from asr_hub.store.slices.system import select_system
from asr_hub.store.slices.transcripts import (
    DecisionUndone,
    Utterance,
    select_utterance,
    select_utterances,
    undoing,
)
from asr_hub.telemetry import logs
from asr_hub.wire.conversation import check_hotwords

_log = logs.get(__name__)


class Reloading(Protocol):
    """What reads the configuration again."""

    @property
    def config(self) -> Config:
        """What holds now."""
        ...

    async def __call__(self) -> ReloadView:
        """Raises Conflict, ProviderUnavailable."""
        ...


class StoreFacts:
    """Implements `HubFacts`."""

    def __init__(self, hub: Hub, reload: Reloading, *, warning: str | None = None) -> None:
        """`warning` is told to everybody who asks for the hub's health."""
        self._hub = hub
        self._named = Named(hub.record, hub.records)
        self._warning = warning
        self._reload = reload

    def health(self) -> HealthView:
        hub = self._hub
        state = hub.store.state
        system = select_system(state)
        providers = {
            str(record.name): record.health.value
            for record in select_providers(state)
            if record.health is not Health.RETIRING
        }
        all_ready = all(health in WELL for health in providers.values())
        return HealthView(
            status="draining" if hub.is_draining else "ok" if all_ready and providers else "degraded",
            version=__version__,
            sessions=hub.sessions,
            max_sessions=hub.limits.max_sessions,
            default_provider=hub.default,
            resolved=system.resolution.reason if system.resolution is not None else None,
            providers=providers,
            warning=self._warning,
        )

    def providers(self) -> list[ProviderView]:
        return [self._provider(record) for record in select_providers(self._hub.store.state)]

    def promote(self, name: str) -> ProviderView:
        promote(self._hub, ProviderName(name))
        return next(view for view in self.providers() if view.name == name)

    def sessions(self) -> list[SessionView]:
        records = sorted(self._hub.records(), key=attrgetter("opened_at"))
        return [SessionView(**_session(record), principal=record.principal or None) for record in records]

    def session(self, name: str, grant: Grant) -> SessionDetails:
        record, by_id = self._named.find(name, grant)
        if by_id:
            grant.must(Scope.WATCH)
        is_admin = Scope.ADMIN in grant.scopes
        return SessionDetails(
            **_session(record),
            principal=record.principal or None if is_admin else None,
            transcript=self._transcript(record.id) if by_id else None,
        )

    def close(self, name: str, grant: Grant) -> SessionView:
        record, is_own = self._named.commanded(name, grant)
        if record.phase is not Phase.CLOSING:
            reason = "close" if is_own else "admin"
            self._hub.dispatch(CloseRequested(at=self._hub.now(), session=record.id, reason=reason))
        return SessionView(**_session(self._hub.record(record.id) or record))

    def undo(self, name: str, utterance: int, grant: Grant) -> SessionView:
        record, _ = self._named.commanded(name, grant)
        found = select_utterance(self._hub.store.state, record.id, utterance)
        if found is None or found.final is None:
            raise NotFound(
                f"utterance {utterance} has no final yet, was never there, or is no longer kept",
                code="unknown-utterance",
            )
        if undoing(found) is None:
            raise Conflict(
                f"nothing of utterance {utterance} was kept back or replaced, or it was undone already",
                code="nothing-to-undo",
            )
        self._hub.dispatch(DecisionUndone(at=self._hub.now(), session=record.id, utterance=utterance))
        return SessionView(**_session(self._hub.record(record.id) or record))

    def hotwords(self, tenant: str = "") -> Mapping[str, float]:
        found = select_word_list(self._hub.store.state, tenant)
        return {word: found.weights.get(word, 1.0) for word in found.words}

    def tenants(self) -> tuple[str, ...]:
        return select_tenants(self._hub.store.state)

    def set_hotwords(self, words: Mapping[str, float], tenant: str = "") -> Mapping[str, float]:
        check_hotwords(tuple(words))
        self._check_tenant(tenant)
        if any(not MIN_HOTWORD_WEIGHT <= weight <= MAX_HOTWORD_WEIGHT for weight in words.values()):
            raise ProtocolError(
                f"the weight of a hotword is from {MIN_HOTWORD_WEIGHT:g} to {MAX_HOTWORD_WEIGHT:g}; 1 is usual",
                code="bad-value",
            )
        self._hub.dispatch(
            HotwordsReplaced(
                at=self._hub.now(),
                words=tuple(words),
                weights={word: float(weight) for word, weight in words.items() if weight != 1},
                tenant=tenant,
            )
        )
        _log.info("hotwords.replaced", count=len(words), tenant=tenant or None)
        return words

    def _check_tenant(self, tenant: str) -> None:
        if tenant and (len(tenant) > MAX_TENANT_CHARS or not tenant.isprintable()):
            raise ProtocolError(f"the name of a key has 1 to {MAX_TENANT_CHARS} printable characters", code="bad-value")
        there = select_tenants(self._hub.store.state)
        if tenant and tenant not in there and len(there) >= MAX_TENANTS:
            raise ProtocolError(
                f"{MAX_TENANTS} keys have hotwords of their own, and that is the most; empty the list of another",
                code="bad-value",
            )

    def config(self) -> dict[str, Any]:
        return masked(self._reload.config)

    async def reload(self) -> ReloadView:
        return await self._reload()

    def _transcript(self, session: SessionId) -> list[UtteranceView]:
        utterances = select_utterances(self._hub.store.state, session)
        return [view for utterance in utterances if (view := _utterance(utterance)) is not None]

    def _provider(self, record: Provider) -> ProviderView:
        hub, state = self._hub, self._hub.store.state
        shadow = hub.around.strategy.shadow
        fault = record.last_fault if record.health not in WELL else None
        return ProviderView(
            name=record.name,
            kind=record.kind,
            health=record.health.value,
            is_default=record.name == hub.default,
            slots_used=record.used,
            slots=record.max_streams,
            error=fault.message if fault is not None else None,
            note=record.last_note.message if record.last_note is not None else None,
            capabilities=self._capabilities(record.name),
            is_shadow=shadow is not None and shadow.provider == record.name,
            breaker=_breaker(select_breaker(state, record.name)),
            score=_score(select_score(state, record.name)),
            comparisons=[_comparison(pair) for pair in select_comparisons(state, record.name)],
        )

    def _capabilities(self, name: ProviderName) -> dict[str, object] | None:
        try:
            capabilities = self._hub.engines.get(name)
        except HubError:
            return None
        found: dict[str, object] = msgspec.to_builtins(capabilities.capabilities)
        return found


def _session(record: Session) -> dict[str, Any]:  # Any: fields of several types
    """The fields of a SessionView that everybody may see who may see the session."""
    format = record.format
    return {
        "name": public_name(record.id),
        "phase": record.phase.value,
        "provider": record.provider,
        "protocol": record.protocol,
        "format": FormatView(sample_rate=format.sample_rate, channels=format.channels, encoding=format.encoding.value),
        "language": record.language,
        "hotwords": len(record.hotwords),
        "opened_at": record.opened_at,
        "updated_at": record.updated_at,
        "audio_seconds": record.audio_offset / format.sample_rate,
        "heard_seconds": record.heard_ms / 1000,
        "utterances": record.utterance,
        "pending": len(record.pending),
        "has_publisher": record.has_publisher,
        "viewers": record.viewers,
        "warnings": record.warnings,
    }


def _utterance(utterance: Utterance) -> UtteranceView | None:
    """None where it has no final."""
    reading = utterance.latest
    if reading is None:
        return None
    return UtteranceView(
        number=utterance.number,
        text=reading.text,
        start_ms=reading.start,
        end_ms=reading.end,
        language=reading.language,
        provider=reading.provider,
        reason=utterance.reason.value if utterance.reason is not None else None,
        latency_ms=utterance.latency_ms,
        speaker=reading.speaker,
        routed=utterance.routed or None,
        suppressed=_suppressed(utterance),
        replacements=_replacements(utterance),
        readings=[_reading(one) for one in (utterance.final, *utterance.revisions) if one is not None],
        failures=[
            FailureView(provider=it.provider, code=it.code, message=it.message, retryable=it.retryable)
            for it in utterance.failures
        ],
    )


def _suppressed(utterance: Utterance) -> SuppressedView | None:
    it = utterance.suppressed
    return SuppressedView(text=it.text, reason=it.reason, is_undone=it.is_undone) if it is not None else None


def _replacements(utterance: Utterance) -> list[ReplacementView]:
    matched = utterance.matched
    if matched is None:
        return []
    return [
        ReplacementView(
            heard=it.heard,
            hotword=it.hotword,
            similarity=it.similarity,
            position=it.position,
            is_undone=matched.is_undone,
        )
        for it in matched.replacements
    ]


def _reading(it: Hypothesis) -> ReadingView:
    return ReadingView(text=it.text, provider=it.provider, pass_name=it.pass_.value, revision=it.revision)


def _breaker(it: Breaker | None) -> BreakerView | None:
    if it is None:
        return None
    is_open = it.state is BreakerState.OPEN and it.opened_at is not None
    return BreakerView(
        state=it.state.value,
        until=(it.opened_at or 0.0) + it.open_s if is_open else None,
        reason=it.reason or None,
        last_code=it.last_code or None,
        openings=it.openings,
    )


def _score(it: Score | None) -> ScoreView | None:
    if it is None:
        return None
    return ScoreView(
        finals=it.finals,
        p50_ms=latency_of(it.latencies_ms, 0.5),
        p95_ms=latency_of(it.latencies_ms, 0.95),
        hedged=it.hedged,
        lost=it.lost,
        won=it.won,
        skipped=it.skipped,
        promoted_at=it.promoted_at,
    )


def _comparison(it: Comparison) -> ComparisonView:
    return ComparisonView(
        primary=it.primary,
        utterances=it.utterances,
        words=it.words,
        wer=it.wer,
        cer=it.cer,
        latency_ms=it.latency_ms,
        primary_latency_ms=it.primary_latency_ms,
    )
