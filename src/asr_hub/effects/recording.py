"""Every fact goes past whoever records sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reactivex import Observable
from reactivex import operators as ops

from asr_hub.store.effect import effect
from asr_hub.store.event import Event


class Recorder(Protocol):
    """Whoever records sessions."""

    def take(self, event: Event) -> None:
        """A fact of the hub, about whichever session."""
        ...


class Recording:
    """Registered only where something may be recorded: it costs a call for each fact."""

    def __init__(self, recorder: Callable[[], Recorder]) -> None:
        self._recorder = recorder

    @effect(dispatch=False)
    def take(self, events: Observable[Event]) -> Observable[Event]:
        def take(event: Event) -> None:
            self._recorder().take(event)

        return events.pipe(ops.do_action(take))
