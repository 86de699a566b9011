"""Breakers: which providers fail again and again, and are passed over until they hear a known clip."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from operator import attrgetter

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.model import ProviderName
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.slice import EntitySlice, IllegalMove, State
from asr_hub.store.slices.providers import ProviderRemoved, ProviderRetired

FAILURES_KEPT = 100
"""Times of failures in a row, of one provider; the latest stay."""


class BreakerState(StrEnum):
    """Whether utterances go to a provider. Kept here and nowhere else."""

    CLOSED = "closed"
    """They do."""
    OPEN = "open"
    """They do not, for a pause."""
    HALF_OPEN = "half-open"
    """They do not: the pause is over, and its self-test decides."""


class AttemptFailed(SessionEvent, frozen=True, tag="[Breaker] AttemptFailed"):
    """One try of an engine at one utterance failed, and it was the engine's fault."""

    provider: ProviderName
    utterance: int
    code: str
    message: str


class AttemptSucceeded(Event, frozen=True, tag="[Breaker] AttemptSucceeded"):
    """
    An engine heard an utterance.

    Said only where the breaker has something to forget: in a hub that is well, no utterance costs an action for it.
    """

    provider: ProviderName


class BreakerOpened(Event, frozen=True, tag="[Breaker] Opened"):
    provider: ProviderName
    reason: str
    open_s: float
    """Seconds until the self-test."""


class BreakerHalfOpened(Event, frozen=True, tag="[Breaker] HalfOpened"):
    """The pause is over; the self-test has begun."""

    provider: ProviderName


class BreakerClosed(Event, frozen=True, tag="[Breaker] Closed"):
    """The self-test was passed."""

    provider: ProviderName


class BreakerReset(Event, frozen=True, tag="[Breaker] Reset"):
    """Another engine goes by this name now, and has passed its own self-test."""

    provider: ProviderName


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """What is held against one provider, since it first failed."""

    provider: ProviderName
    state: BreakerState = BreakerState.CLOSED
    failures: tuple[float, ...] = ()
    """Seconds since the epoch, each: the failures in a row, at most `FAILURES_KEPT`. None while it is not closed."""
    opened_at: float | None = None
    """Seconds since the epoch: the last opening, or none while it is closed."""
    open_s: float = 0.0
    """Seconds of the last pause; 0 once an utterance has been heard after it."""
    openings: int = 0
    reason: str = ""
    """Of the last opening"""
    last_code: str = ""
    last_message: str = ""
    """Of the last failure, whether it counted or not."""

    @property
    def has_to_forget(self) -> bool:
        """A success would change it."""
        return self.state is BreakerState.CLOSED and bool(self.failures or self.open_s)


_NONE_LEAVES = {state: state for state in BreakerState}

BREAKER_TABLE: dict[str, dict[BreakerState, BreakerState]] = {
    "AttemptFailed": _NONE_LEAVES,
    "AttemptSucceeded": _NONE_LEAVES,
    "BreakerOpened": {
        BreakerState.CLOSED: BreakerState.OPEN,
        BreakerState.HALF_OPEN: BreakerState.OPEN,
    },
    "BreakerHalfOpened": {BreakerState.OPEN: BreakerState.HALF_OPEN},
    "BreakerClosed": {BreakerState.HALF_OPEN: BreakerState.CLOSED},
    "BreakerReset": dict.fromkeys(BreakerState, BreakerState.CLOSED),
}
"""
(event, state) -> state. What is not in it is an IllegalMove.

Attempts move nothing by themselves: those of utterances that were given out before it opened end later, and count no
more. A provider without a record is closed, and its breaker opens only after a failure.
"""


def breaker_table() -> str:
    """The table as Markdown, for the documentation. A dash marks an illegal move."""
    rows = [
        ["event", *BreakerState],
        ["---"] * (len(BreakerState) + 1),
        *([name, *(row.get(state, "-") for state in BreakerState)] for name, row in BREAKER_TABLE.items()),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


breakers: EntitySlice[ProviderName, Breaker] = EntitySlice(
    "breakers", key=attrgetter("provider"), part_type=Map[ProviderName, Breaker]
)


def select_breaker(state: State, provider: ProviderName) -> Breaker | None:
    """None where nothing is held against it."""
    return breakers.get(state, provider)


def select_breakers(state: State) -> Iterator[Breaker]:
    """Of the providers that ever failed, in no order."""
    return breakers.all(state)


def select_is_open(state: State, provider: ProviderName) -> bool:
    """Utterances are kept from it: its breaker is open, or half-open while the self-test runs."""
    breaker = breakers.get(state, provider)
    return breaker is not None and breaker.state is not BreakerState.CLOSED


def select_failures_since(state: State, provider: ProviderName, since: float) -> int:
    """Failures in a row at or after `since`, seconds since the epoch."""
    breaker = breakers.get(state, provider)
    return 0 if breaker is None else sum(at >= since for at in breaker.failures)


@breakers.on(AttemptFailed)
def _failed(records: Map[ProviderName, Breaker], event: AttemptFailed) -> Map[ProviderName, Breaker]:
    known = records.get(event.provider) or Breaker(provider=event.provider)
    failures = known.failures
    if known.state is BreakerState.CLOSED:
        failures = (*failures, event.at)[-FAILURES_KEPT:]
    failed = replace(known, failures=failures, last_code=event.code, last_message=event.message)
    return records.set(event.provider, failed)


@breakers.updates(AttemptSucceeded, ignore_missing=True)
def _succeeded(breaker: Breaker, event: AttemptSucceeded) -> Breaker:
    return replace(breaker, failures=(), open_s=0.0) if breaker.has_to_forget else breaker


@breakers.updates(BreakerOpened)
def _opened(breaker: Breaker, event: BreakerOpened) -> Breaker:
    return replace(
        breaker,
        state=_next_state(breaker, event, "BreakerOpened"),
        failures=(),
        opened_at=event.at,
        open_s=event.open_s,
        openings=breaker.openings + 1,
        reason=event.reason,
    )


@breakers.updates(BreakerHalfOpened)
def _half_opened(breaker: Breaker, event: BreakerHalfOpened) -> Breaker:
    return replace(breaker, state=_next_state(breaker, event, "BreakerHalfOpened"))


@breakers.updates(BreakerClosed)
def _closed(breaker: Breaker, event: BreakerClosed) -> Breaker:
    return replace(breaker, state=_next_state(breaker, event, "BreakerClosed"), opened_at=None)


# One that is retired is given nothing any more, so there is nothing to keep from it.
breakers.removes(BreakerReset, ProviderRetired, ProviderRemoved)


def _next_state(breaker: Breaker, event: Event, row: str) -> BreakerState:
    try:
        return BREAKER_TABLE[row][breaker.state]
    except KeyError:
        raise IllegalMove(f"{event.type}: not while the breaker of {breaker.provider!r} is {breaker.state}") from None
