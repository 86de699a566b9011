"""A token bucket: how much of something may be used, evened out over time."""

from __future__ import annotations

from collections.abc import Callable


class Bucket:
    """
    Holds `capacity` at most, is full at the start, and fills at `rate` per second of the clock that it is given.

    One use that is larger than the whole bucket is let through when the bucket is full, and paid off afterwards:
    otherwise nobody could ever make it.
    """

    __slots__ = ("_at", "_capacity", "_level", "_now", "_rate")

    def __init__(self, capacity: float, rate: float, *, now: Callable[[], float]) -> None:
        self._capacity = capacity
        self._rate = rate
        self._now = now
        self._at = now()
        self._level = capacity

    def take(self, amount: float = 1.0) -> float:
        """
        Seconds until so much is there; 0 says that it has been taken. What is refused is not taken.

        A clock that goes back adds nothing and takes nothing away.
        """
        now = self._now()
        if now > self._at:
            self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
            self._at = now
        missing = min(amount, self._capacity) - self._level
        # What the filling adds up to differs from the amount by rounding: a billionth of the bucket is nothing.
        if missing > self._capacity * 1e-9:
            return missing / self._rate
        self._level -= amount
        return 0.0

    def put_back(self, amount: float) -> None:
        """What was taken and not used."""
        self._level = min(self._capacity, self._level + amount)
