"""All slices as one: the first state, the bare reducer, and the events that may be written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from immutables import Map

from asr_hub.store.event import Event
from asr_hub.store.slice import Slice, State
from asr_hub.store.slices import access, breakers, hotwords, jobs, providers, scores, sessions, system, transcripts


class Root:
    """Slices side by side. An event goes to every slice that handles it, in the order of the slices."""

    def __init__(self, slices: Sequence[Slice[Any]]) -> None:
        names = [part.name for part in slices]
        if len(set(names)) != len(names):
            raise ValueError(f"two slices have one name: {sorted(names)}")
        self.slices = tuple(slices)
        self.initial: State = Map({part.name: part.initial for part in slices})
        self._handlers: dict[type[Event], tuple[tuple[str, Callable[[Any, Any], Any]], ...]] = {}
        for part in slices:
            for event, handle in part.handlers.items():
                self._handlers[event] = (*self._handlers.get(event, ()), (part.name, handle))

    def reduce(self, state: State, event: Event) -> State:
        """
        The state after `event`: what the store's state becomes, without a store. Raises what a handler raises.

        A new state is equal to the store's, though not always the same object.
        """
        after = state
        for name, handle in self._handlers.get(type(event), ()):
            part = state[name]
            changed = handle(part, event)
            if changed is not part:
                after = after.set(name, changed)
        return after


_MODULES: tuple[ModuleType, ...] = (sessions, transcripts, providers, hotwords, system, access, breakers, scores, jobs)

# Sessions come first: their phase table judges an event before any other slice takes it.
ROOT = Root(
    (
        sessions.sessions,
        transcripts.transcripts,
        providers.providers,
        hotwords.hotwords,
        system.system,
        access.access,
        breakers.breakers,
        scores.scores,
        jobs.jobs,
    )
)

EVENTS: tuple[type[Event], ...] = tuple(
    member
    for module in _MODULES
    for member in vars(module).values()
    if isinstance(member, type) and issubclass(member, Event) and member.__module__ == module.__name__
)
"""Every event there is, slice by slice. A journal reads these and no others."""
