"""Scores: how fast each provider answers, and how one on trial compares with those that are heard."""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import attrgetter
from typing import TypeVar

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.model import ProviderName
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.slice import Slice, State
from asr_hub.store.slices.providers import ProviderRemoved
from asr_hub.store.slices.transcripts import UtteranceFinalized

LATENCIES_KEPT = 100
"""Of the finals of one provider; the latest stay."""

LATENCIES_NEEDED = 20
"""Fewer say nothing about the slow ones."""

PROVIDERS_KEPT = 64
"""One more takes the place of the one of which nothing was heard for the longest time."""

PAIRS_KEPT = 64
"""Likewise, of a provider on trial and one that is heard."""


class FinalHedged(SessionEvent, frozen=True, tag="[Hedge] FinalHedged"):
    """The final of `provider` is late; `to` hears the utterance too."""

    utterance: int
    provider: ProviderName
    to: ProviderName


class HedgeWon(SessionEvent, frozen=True, tag="[Hedge] Won"):
    """The engine that was asked besides answered first."""

    utterance: int
    provider: ProviderName
    over: ProviderName
    latency_ms: int | None = None
    """
    From the end of the utterance to this answer. `over` would have taken at least as long; where that is not counted,
    its slowest finals are missing in its latencies, and finals seem late sooner and sooner.
    """


class ShadowCompared(SessionEvent, frozen=True, tag="[Shadow] Compared"):
    """A provider on trial heard what `primary` heard. Errors are edits that turn the one's words into the other's."""

    utterance: int
    provider: ProviderName
    primary: ProviderName
    words: int
    """Of the primary's final"""
    errors: int
    characters: int
    character_errors: int
    latency_ms: int
    primary_latency_ms: int


class ShadowSkipped(SessionEvent, frozen=True, tag="[Shadow] Skipped"):
    """A provider on trial did not hear this utterance, or failed in it."""

    utterance: int
    provider: ProviderName
    reason: str


class ProviderPromoted(Event, frozen=True, tag="[Client] ProviderPromoted"):
    """Somebody decided that a provider on trial hears in the place of another one."""

    provider: ProviderName
    instead_of: ProviderName


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of how one provider does."""

    provider: ProviderName
    finals: int = 0
    latencies_ms: tuple[int, ...] = ()
    """From the end of an utterance to its first reading, oldest first, at most `LATENCIES_KEPT`."""
    hedged: int = 0
    """Finals for which another one was asked besides"""
    lost: int = 0
    """Of these, those in which the other one answered first."""
    won: int = 0
    """Finals of others in which this one was asked besides and answered first."""
    skipped: int = 0
    """Utterances that it should have heard on trial and did not."""
    promoted_at: float | None = None
    """Seconds since the epoch"""
    promoted_over: ProviderName | None = None
    scored_at: float = 0.0
    """Seconds since the epoch: the last event that changed this record."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One provider on trial beside one that is heard. Sums go from the first utterance that both heard."""

    provider: ProviderName
    primary: ProviderName
    utterances: int = 0
    words: int = 0
    errors: int = 0
    characters: int = 0
    character_errors: int = 0
    latencies_ms: tuple[int, ...] = ()
    """Of the one on trial, oldest first, at most `LATENCIES_KEPT`."""
    primary_latencies_ms: tuple[int, ...] = ()
    scored_at: float = 0.0
    """Seconds since the epoch: the last event that changed this record."""

    @property
    def wer(self) -> float | None:
        """Word errors per word of the primary; none before it has said a word."""
        return self.errors / self.words if self.words else None

    @property
    def cer(self) -> float | None:
        """Likewise, of characters."""
        return self.character_errors / self.characters if self.characters else None

    @property
    def latency_ms(self) -> float | None:
        """The mean of those kept."""
        return _mean(self.latencies_ms)

    @property
    def primary_latency_ms(self) -> float | None:
        return _mean(self.primary_latencies_ms)


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Counts go from the start of the process."""

    providers: Map[ProviderName, Score] = Map()
    """At most `PROVIDERS_KEPT`"""
    pairs: Map[str, Comparison] = Map()
    """By the two names, at most `PAIRS_KEPT`."""


scores: Slice[Scores] = Slice("scores", Scores(), part_type=Scores)


def select_score(state: State, provider: ProviderName) -> Score | None:
    return scores.part(state).providers.get(provider)


def select_scores(state: State) -> Iterator[Score]:
    """In no order."""
    return iter(scores.part(state).providers.values())


def select_latency(state: State, provider: ProviderName, share: float = 0.95) -> int | None:
    """
    Milliseconds within which `share` of its last finals came; none where fewer than `LATENCIES_NEEDED` are known.

    Sorts at most `LATENCIES_KEPT` numbers: once for an utterance, not for every action.
    """
    score = scores.part(state).providers.get(provider)
    return None if score is None else latency_of(score.latencies_ms, share)


def latency_of(latencies_ms: tuple[int, ...], share: float) -> int | None:
    """The smallest of them that `share` of them do not exceed; none where they are fewer than `LATENCIES_NEEDED`."""
    if len(latencies_ms) < LATENCIES_NEEDED:
        return None
    rank = math.ceil(share * len(latencies_ms))
    return sorted(latencies_ms)[min(max(rank, 1), len(latencies_ms)) - 1]


def select_comparison(state: State, provider: ProviderName, primary: ProviderName) -> Comparison | None:
    return scores.part(state).pairs.get(_pair(provider, primary))


def select_comparisons(state: State, provider: ProviderName) -> tuple[Comparison, ...]:
    """Those of one provider on trial, by the name of the primary. Walks all pairs."""
    pairs = scores.part(state).pairs.values()
    return tuple(sorted((pair for pair in pairs if pair.provider == provider), key=attrgetter("primary")))


@scores.on(UtteranceFinalized)
def _finalized(part: Scores, event: UtteranceFinalized) -> Scores:
    # What a final is held back for, a later pass or the name of a speaker, says nothing of the engine that heard it.
    name = event.hypothesis.provider if event.heard_by is None else event.heard_by
    if not name:
        return part
    score = part.providers.get(name) or Score(provider=name)
    latencies = _ring(score.latencies_ms, event.latency_ms if event.heard_ms is None else event.heard_ms)
    return _put(part, replace(score, finals=score.finals + 1, latencies_ms=latencies, scored_at=event.at))


@scores.on(FinalHedged)
def _hedged(part: Scores, event: FinalHedged) -> Scores:
    score = _score(part, event.provider)
    return _put(part, replace(score, hedged=score.hedged + 1, scored_at=event.at))


@scores.on(HedgeWon)
def _hedge_won(part: Scores, event: HedgeWon) -> Scores:
    winner = _score(part, event.provider)
    part = _put(part, replace(winner, won=winner.won + 1, scored_at=event.at))
    loser = _score(part, event.over)
    latencies = _ring(loser.latencies_ms, event.latency_ms)
    return _put(part, replace(loser, lost=loser.lost + 1, latencies_ms=latencies, scored_at=event.at))


@scores.on(ShadowCompared)
def _compared(part: Scores, event: ShadowCompared) -> Scores:
    if not (event.provider and event.primary):
        return part
    key = _pair(event.provider, event.primary)
    known = part.pairs.get(key) or Comparison(provider=event.provider, primary=event.primary)
    pair = replace(
        known,
        utterances=known.utterances + 1,
        words=known.words + event.words,
        errors=known.errors + event.errors,
        characters=known.characters + event.characters,
        character_errors=known.character_errors + event.character_errors,
        latencies_ms=_ring(known.latencies_ms, event.latency_ms),
        primary_latencies_ms=_ring(known.primary_latencies_ms, event.primary_latency_ms),
        scored_at=event.at,
    )
    return replace(part, pairs=_bounded(part.pairs.set(key, pair), key, PAIRS_KEPT))


@scores.on(ShadowSkipped)
def _skipped(part: Scores, event: ShadowSkipped) -> Scores:
    score = _score(part, event.provider)
    return _put(part, replace(score, skipped=score.skipped + 1, scored_at=event.at))


@scores.on(ProviderPromoted)
def _promoted(part: Scores, event: ProviderPromoted) -> Scores:
    score = _score(part, event.provider)
    return _put(part, replace(score, promoted_at=event.at, promoted_over=event.instead_of, scored_at=event.at))


@scores.on(ProviderRemoved)
def _removed(part: Scores, event: ProviderRemoved) -> Scores:
    name = event.provider
    gone = [key for key, pair in part.pairs.items() if name in (pair.provider, pair.primary)]
    if name not in part.providers and not gone:
        return part
    pairs = part.pairs
    for key in gone:
        pairs = pairs.delete(key)
    providers = part.providers.delete(name) if name in part.providers else part.providers
    return Scores(providers=providers, pairs=pairs)


def _score(part: Scores, name: ProviderName) -> Score:
    return part.providers.get(name) or Score(provider=name)


def _put(part: Scores, score: Score) -> Scores:
    """Nobody goes by the empty name: it is that of finals which no engine said."""
    if not score.provider:
        return part
    providers = _bounded(part.providers.set(score.provider, score), score.provider, PROVIDERS_KEPT)
    return replace(part, providers=providers)


_K = TypeVar("_K", bound=str)
_R = TypeVar("_R", Score, Comparison)


def _bounded(records: Map[_K, _R], newest: _K, most: int) -> Map[_K, _R]:
    """Without the one of which nothing was heard for the longest time, where they are more than `most`."""
    if len(records) <= most:
        return records
    others = ((record.scored_at, key) for key, record in records.items() if key != newest)
    return records.delete(min(others)[1])


def _ring(latencies_ms: tuple[int, ...], latency_ms: int | None) -> tuple[int, ...]:
    return latencies_ms if latency_ms is None else (*latencies_ms, latency_ms)[-LATENCIES_KEPT:]


def _pair(provider: ProviderName, primary: ProviderName) -> str:
    return f"{provider} / {primary}"


def _mean(latencies_ms: tuple[int, ...]) -> float | None:
    return sum(latencies_ms) / len(latencies_ms) if latencies_ms else None
