"""A slice of the state: pure functions from one part of the state and an event to that part afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

from immutables import Map

from asr_hub.errors import ProtocolError
from asr_hub.store.event import Event

State: TypeAlias = Map[str, Any]  # Any: every part has its own type, which the selectors of its slice know
"""The whole state: the part of each slice by the slice's name."""

P = TypeVar("P")
K = TypeVar("K")
R = TypeVar("R")
E = TypeVar("E", bound=Event)


class IllegalMove(ProtocolError):
    """A fact that cannot follow from the state. It changes nothing, and nobody but `on_error` is told."""


class Slice(Generic[P]):
    """
    One named part of the state, and the one handler of each event that changes it.

    A handler is pure: it returns the part it was given where nothing changes, and raises IllegalMove where the event
    cannot follow. `part_type` is the part's full type; a journal reads a stored state with it.
    """

    def __init__(self, name: str, initial: P, *, part_type: object) -> None:
        self.name = name
        self.initial = initial
        self.part_type = part_type
        self.handlers: dict[type[Event], Callable[[Any, Any], Any]] = {}  # Any: each takes the event it is keyed by

    def on(self, *events: type[E]) -> Callable[[Callable[[P, E], P]], Callable[[P, E], P]]:
        """Decorate `(part, event) -> part`. Raises ValueError for an event this slice handles already."""

        def register(handle: Callable[[P, E], P]) -> Callable[[P, E], P]:
            self._register(events, handle)
            return handle

        return register

    def part(self, state: State) -> P:
        part: P = state[self.name]
        return part

    # pystorex 0.2.1 keeps the last of two handlers of one type and says nothing (defect 16).
    def _register(self, events: tuple[type[E], ...], handle: Callable[[P, E], P]) -> None:
        for event in events:
            if event in self.handlers:
                raise ValueError(f"slice {self.name!r} handles {event.__name__} twice: put both into one handler")
            self.handlers[event] = handle


class EntitySlice(Slice[Map[K, R]]):
    """A part that is a collection of records by key. `key` reads the key out of an event."""

    def __init__(self, name: str, *, key: Callable[[Any], K], part_type: object) -> None:
        super().__init__(name, Map(), part_type=part_type)
        self._key = key

    def adds(self, *events: type[E]) -> Callable[[Callable[[E], R]], Callable[[E], R]]:
        """Decorate `event -> record`. The event is an IllegalMove where the key is taken."""
        key = self._key

        def register(make: Callable[[E], R]) -> Callable[[E], R]:
            def handle(records: Map[K, R], event: E) -> Map[K, R]:
                if key(event) in records:
                    raise IllegalMove(f"{event.type}: {key(event)!r} is in {self.name!r} already; use a new id")
                return records.set(key(event), make(event))

            self._register(events, handle)
            return make

        return register

    def updates(
        self, *events: type[E], ignore_missing: bool = False
    ) -> Callable[[Callable[[R, E], R]], Callable[[R, E], R]]:
        """Decorate `(record, event) -> record`. Without a record the event is an IllegalMove, or ignored on wish."""
        key = self._key

        def register(update: Callable[[R, E], R]) -> Callable[[R, E], R]:
            def handle(records: Map[K, R], event: E) -> Map[K, R]:
                record = records.get(key(event))
                if record is None:
                    if ignore_missing:
                        return records
                    raise IllegalMove(
                        f"{event.type}: no {key(event)!r} in {self.name!r}; it was never there or is gone"
                    )
                updated = update(record, event)
                return records if updated is record else records.set(key(event), updated)

            self._register(events, handle)
            return update

        return register

    def removes(self, *events: type[E]) -> None:
        """These events remove the record. One that is gone already stays gone."""
        key = self._key

        def handle(records: Map[K, R], event: E) -> Map[K, R]:
            return records.delete(key(event)) if key(event) in records else records

        self._register(events, handle)

    def get(self, state: State, key: K) -> R | None:
        return self.part(state).get(key)

    def all(self, state: State) -> Iterator[R]:
        return iter(self.part(state).values())

    def count(self, state: State) -> int:
        return len(self.part(state))
