"""The places in an engine: a bounded number at once, one more waits in line, and nobody waits without end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from asr_hub.errors import Overloaded


class Slots:
    """
    `max_streams` places, given in the order they were asked for.

    `async with slots:` takes one and frees it on success, error and cancel alike. It waits at most `wait_s` seconds,
    then raises Overloaded. One object serves every stream of a provider.
    """

    def __init__(
        self,
        max_streams: int,
        wait_s: float,
        *,
        name: str = "the provider",
        on_taken: Callable[[], None] | None = None,
        on_freed: Callable[[], None] | None = None,
    ) -> None:
        self.max_streams = max_streams
        self.on_taken = on_taken
        self.on_freed = on_freed
        self._wait_s = wait_s
        self._name = name
        self._used = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def used(self) -> int:
        return self._used

    @property
    def waiting(self) -> int:
        return sum(not place.done() for place in self._line)

    async def __aenter__(self) -> Slots:
        if self._used < self.max_streams and not self.waiting:
            self._used += 1
        else:
            await self._stand_in_line()
        if self.on_taken is not None:
            self.on_taken()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._hand_on()
        if self.on_freed is not None:
            self.on_freed()

    async def _stand_in_line(self) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            # Not wait_for: a slot that is handed over in the very moment of the timeout must not be lost.
            await asyncio.wait((place,), timeout=self._wait_s)
        except asyncio.CancelledError:
            if place.done():
                self._hand_on()
            else:
                self._line.remove(place)
            raise
        if not place.done():
            self._line.remove(place)
            raise Overloaded(
                f"{self._name}: all {self.max_streams} streams stayed in use for {self._wait_s:g} s; "
                "come back later, or raise `max_streams`",
                retry_after=max(1.0, self._wait_s),
            )

    def _hand_on(self) -> None:
        if self._line:
            self._line.popleft().set_result(None)
        else:
            self._used -= 1
