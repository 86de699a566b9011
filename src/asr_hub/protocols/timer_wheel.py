"""One timer for many connections."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol


class Timed(Protocol):
    def on_time(self) -> float | None:
        """The time is up. Returns the seconds until the next call, or nothing to stop. Called on the event loop."""
        ...


class TimerWheel:
    """
    Calls each of its members after its own delay, all from one timer of the event loop.

    Setting a member's delay moves it from one set to another: nothing is allocated in the loop, so that thousands of
    connections may re-arm their keepalive. Members are called up to one `resolution` late, never early. The timer runs
    only while there are members; an empty wheel leaves nothing behind in the loop.

    Hashed timing wheel: Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987, scheme 6.
    """

    def __init__(self, *, resolution: float = 0.25, slots: int = 256) -> None:
        self._resolution = resolution
        """Seconds"""
        self._slots: list[set[Timed]] = [set() for _ in range(slots)]
        self._due: dict[Timed, int] = {}
        """The tick at which each member is called."""
        self._tick = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def put(self, member: Timed, delay: float) -> None:
        """Call `member` after `delay` seconds, instead of whenever it was to be called before."""
        self.remove(member)
        due = self._tick + 1 + max(1, math.ceil(delay / self._resolution))
        self._due[member] = due
        self._slots[due % len(self._slots)].add(member)
        if self._timer is None:
            self._arm()

    def remove(self, member: Timed) -> None:
        """Do not call `member`. Does nothing for a stranger."""
        if (due := self._due.pop(member, None)) is not None:
            self._slots[due % len(self._slots)].discard(member)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._resolution, self._turn)

    def _turn(self) -> None:
        self._tick += 1
        loop = asyncio.get_running_loop()
        for member in self._slots[self._tick % len(self._slots)]:
            # Each in a callback of its own: one that fails takes neither the others nor the wheel with it.
            if (due := self._due[member]) <= self._tick:
                loop.call_soon(self._call, member, due)
        if self._due:
            self._arm()
        else:
            self._timer = None

    def _call(self, member: Timed, due: int) -> None:
        # It may have been removed or re-armed since.
        if self._due.get(member) != due:
            return
        self.remove(member)
        delay = member.on_time()
        if delay is not None:
            self.put(member, delay)
