"""
Does the store keep up? At least 20,000 actions per second on one core with 1,000 watched sessions, the journal and
30 effects; and an action at 10,000 watched sessions costs less than twice one at 100.

CPU time of this process, in rounds that take turns, so that a busy machine slows all rows alike. Figures are medians,
with the smallest and largest round. Exits with 1 where the question is answered with no.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import count
from typing import Any

from reactivex import Observable
from reactivex import operators as ops

from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, ProviderName, SessionId
from asr_hub.store.event import Event
from asr_hub.store.kernel import Change, HubStore, effect
from asr_hub.store.root import EVENTS, ROOT
from asr_hub.store.slices.sessions import AudioTaken, SessionOpened, SpeechEnded, SpeechStarted, select_live_count
from asr_hub.store.slices.transcripts import HypothesisRevised, UtteranceFinalized

ROUNDS = 7
ACTIONS = 9_000
WANTED_RATE = 20_000
"""Actions per second of one core"""
WANTED_GROWTH = 2.0


class Row:
    """One set-up, measured round by round."""

    def __init__(self, name: str, sessions: int, handle: Callable[[Event], object]) -> None:
        self.name = name
        self.sessions = sessions
        self.costs: list[float] = []
        """Microseconds of CPU per action, one per round"""
        self._handle = handle
        self._events = _utterances(_ids(sessions))

    def round(self) -> None:
        handle, events = self._handle, [next(self._events) for _ in range(ACTIONS)]
        gc.collect()
        start = time.process_time()
        for event in events:
            handle(event)
        self.costs.append((time.process_time() - start) / ACTIONS * 1e6)

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)

    def __str__(self) -> str:
        spread = f"{min(self.costs):.1f} to {max(self.costs):.1f}"
        return (
            f"| {self.name:<42} | {self.sessions:>8,} | {self.cost:>6.1f} | {spread:>14} | {1e6 / self.cost:>9,.0f} |"
        )


def store_row(name: str, sessions: int, *, watched: bool = True, effects: int = 30, views: int = 0) -> Row:
    store = HubStore([_one_effect(index) for index in range(effects)], on_error=_give_up)
    for session in _ids(sessions):
        store.dispatch(_opened(session))
        if watched:
            store.watch(session, _told)
    for _ in range(views):
        store.select(select_live_count).subscribe()
    return Row(name, sessions, store.dispatch)


def bare_row(sessions: int) -> Row:
    """The reducers without a store around them: the least that an action can cost."""
    state = ROOT.initial
    for session in _ids(sessions):
        state = ROOT.reduce(state, _opened(session))

    def handle(event: Event) -> None:
        nonlocal state
        state = ROOT.reduce(state, event)

    return Row("reducers alone", sessions, handle)


def main() -> int:
    rows = [
        bare_row(1_000),
        store_row("nobody watches, no effects", 1_000, watched=False, effects=0),
        store_row("watched", 1_000, effects=0),
        small := store_row("watched, 30 effects", 100),
        middle := store_row("watched, 30 effects", 1_000),
        large := store_row("watched, 30 effects", 10_000),
        store_row("watched, 30 effects, 5 global views", 1_000, views=5),
    ]
    for _ in range(ROUNDS):
        for row in rows:
            row.round()
    growth = statistics.median(big / little for big, little in zip(large.costs, small.costs, strict=True))
    rate = 1e6 / middle.cost
    fast, flat = rate >= WANTED_RATE, growth < WANTED_GROWTH

    print(__doc__)
    print(_surroundings(), end="\n\n")
    print("| store with journal                         | sessions | CPU µs | spread         | actions/s |")
    print("|--------------------------------------------|---------:|-------:|---------------:|----------:|")
    print(*rows, sep="\n", end="\n\n")
    print(f"{_word(fast)}: {rate:,.0f} actions/s at 1,000 watched sessions (wanted: {WANTED_RATE:,})")
    print(f"{_word(flat)}: 10,000 sessions cost {growth:.2f} times 100 sessions (wanted: below {WANTED_GROWTH})")
    return 0 if fast and flat else 1


def _utterances(ids: list[SessionId]) -> Iterator[Event]:
    """Without end: an utterance of nine events in each of 100 sessions side by side, then in the next 100."""
    for number in count(1):
        for first in range(0, len(ids), 100):
            for step in range(9):
                for session in ids[first : first + 100]:
                    yield _step(session, number, step)


def _step(session: SessionId, number: int, step: int) -> Event:
    at = float(number * 9 + step)
    if step == 0:
        return AudioTaken(session=session, audio_offset=number * 16_000, at=at)
    if step == 1:
        return SpeechStarted(session=session, utterance=number, audio_ms=number * 1_000, at=at)
    if step < 7:
        hypothesis = Hypothesis(text="turn on the light", start=0, end=step * 100, revision=step - 1)
        return HypothesisRevised(session=session, utterance=number, hypothesis=hypothesis, at=at)
    if step == 7:
        return SpeechEnded(session=session, utterance=number, audio_ms=700, reason=EndpointReason.SILENCE, at=at)
    final = Hypothesis(text="turn on the light", start=0, end=700, is_final=True, revision=6)
    return UtteranceFinalized(session=session, utterance=number, hypothesis=final, reason=EndpointReason.SILENCE, at=at)


def _opened(session: SessionId) -> SessionOpened:
    return SessionOpened(session=session, provider=ProviderName("stub"), format=AudioFormat(), protocol="websocket")


def _ids(sessions: int) -> list[SessionId]:
    return [SessionId(f"session-{number:05d}") for number in range(sessions)]


def _one_effect(index: int) -> object:
    """An object with one effect for one type of event, as the hub has about thirty of."""

    class OneEffect:
        @effect(EVENTS[index % len(EVENTS)], dispatch=False)
        def react(self, events: Observable[Any]) -> Observable[Any]:
            return events.pipe(ops.do_action(_seen))

    return OneEffect()


def _told(_: Change) -> None:
    pass


def _seen(_: Event) -> None:
    pass


def _give_up(error: Exception, event: Event) -> None:
    raise error


def _surroundings() -> str:
    names = ("pystorex", "reactivex", "immutables", "msgspec")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    load = ", ".join(f"{load:.2f}" for load in os.getloadavg())
    return (
        f"CPython {platform.python_version()}, {versions}; {os.cpu_count()} cores, load {load}; "
        f"{ROUNDS} rounds of {ACTIONS:,} actions"
    )


def _word(is_met: bool) -> str:
    return "yes" if is_met else "NO"


if __name__ == "__main__":
    sys.exit(main())
