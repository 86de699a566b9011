"""Which provider is asked first for an utterance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from asr_hub.effects.strategy import Route
from asr_hub.model import ProviderName


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an utterance before it is heard."""

    language: str | None
    """BCP 47: what the client said, or what was identified."""
    sample_rate: int
    """Hertz of the session's audio."""
    waiting: int
    """Utterances that wait for a slot of the default provider."""
    waiting_s: float = 0.0
    """How long the first of them waits, in seconds."""


class Place(NamedTuple):
    """How a provider stands that could be asked."""

    hears: bool
    """It is ready, its breaker is closed, and it knows the language."""
    free: int
    """Slots."""


class Choice(NamedTuple):
    provider: ProviderName
    reason: str


def choose(
    routes: Sequence[Route],
    situation: Situation,
    places: Mapping[ProviderName, Place],
    costs: Mapping[ProviderName, float],
) -> Choice | None:
    """
    The provider of the first route that fits and has one that hears; none where there is none.

    A provider without a cost is taken for free of charge.
    """
    for route in routes:
        if (why := _fits(route, situation)) is None:
            continue
        able = [name for name in route.providers if name in places and places[name].hears]
        if not able:
            continue
        if route.prefer == "load":
            # The first of those that are equal: the order is the wish of whoever wrote it.
            return Choice(max(able, key=lambda name: places[name].free), f"{why}, the most free slots")
        if route.prefer == "cost":
            return Choice(min(able, key=lambda name: costs.get(name, 0.0)), f"{why}, the cheapest")
        return Choice(able[0], why)
    return None


def _fits(route: Route, situation: Situation) -> str | None:
    """Why the route is taken; none where it is not."""
    reasons = []
    if route.languages:
        language = _base(situation.language)
        if language not in {_base(tag) for tag in route.languages}:
            return None
        reasons.append(f"language {situation.language}")
    if route.max_sample_rate is not None:
        if situation.sample_rate > route.max_sample_rate:
            return None
        reasons.append(f"audio of {situation.sample_rate} Hz")
    if route.min_waiting:
        if situation.waiting < route.min_waiting:
            return None
        reasons.append(f"{situation.waiting} utterances wait")
    if route.min_waiting_s:
        if situation.waiting_s < route.min_waiting_s:
            return None
        reasons.append(f"an utterance waits for {situation.waiting_s:.1f} s")
    return ", ".join(reasons) or "the route for everything"


def _base(language: str | None) -> str | None:
    return language.split("-")[0].lower() if language is not None else None
