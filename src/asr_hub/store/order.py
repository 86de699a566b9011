"""One action after another: each is reduced, told and reacted to before the next one begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from pystorex import Action

from asr_hub.store.event import Event

BURST_LIMIT = 10_000
"""Actions that one dispatch may set off. More is taken for a loop of effects."""

Report = Callable[[Exception, Event], None]


class EventAction(Action[Event]):
    """
    A pystorex action whose payload is an event.

    Made without `create_action`, whose pool keeps every number, string or tuple payload for ever and confuses equal
    ones (defect 7), and without the Map that `Action` wraps its two fields in, which costs 1.5 µs.
    """

    __slots__ = ("payload", "type")
    payload: Event
    type: str

    def __init__(self, event: Event) -> None:
        kind = type(event)
        self.type = _TYPES.get(kind) or _TYPES.setdefault(kind, event.type)
        self.payload = event


class InOrder:
    """
    pystorex middleware, the outermost: a queue in place of recursion.

    pystorex handles an action dispatched from an observer or effect at once, in the middle of the one before it: later
    observers are told the newest state first (defect 2), effects see an answer before its cause (3), and a chain of 78
    effects exhausts the stack (4). What a reducer raises comes out of an innocent dispatcher (1); here it goes to
    `report`. A `report` that raises ends the burst; what still waits is handled with the next action.
    """

    def __init__(self, report: Report, *, burst_limit: int = BURST_LIMIT) -> None:
        self.current: Event = Event()
        """The event being handled, or the last one."""
        self._report = report
        self._burst_limit = burst_limit
        self._waiting: deque[EventAction] = deque()
        self._is_busy = False

    def __call__(self, store: object) -> Callable[[Callable[[Any], Any]], Callable[[EventAction], None]]:
        return self._wrap

    def _wrap(self, handle: Callable[[Any], Any]) -> Callable[[EventAction], None]:
        waiting = self._waiting

        def dispatch(action: EventAction) -> None:
            waiting.append(action)
            if self._is_busy:
                return
            self._is_busy = True
            left = self._burst_limit
            try:
                while waiting:
                    action = waiting.popleft()
                    self.current = action.payload
                    if left == 0:
                        self._cut(action.payload)
                        return
                    left -= 1
                    try:
                        handle(action)
                    except Exception as error:  # noqa: BLE001  the edge of the store: one bad fact stops no other
                        self._report(error, action.payload)
            finally:
                self._is_busy = False

        return dispatch

    def _cut(self, event: Event) -> None:
        dropped = 1 + len(self._waiting)
        self._waiting.clear()
        self._report(
            RecursionError(
                f"{self._burst_limit} actions followed from one, the last {event.type}: effects answer each other "
                f"without end; {dropped} waiting actions were dropped"
            ),
            event,
        )


_TYPES: dict[type[Event], str] = {}
