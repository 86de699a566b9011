"""Counts those who were turned away, and tells of them no faster than somebody can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from asr_hub.access.bucket import Bucket
from asr_hub.errors import HubError


class Refusals:
    """
    Calls `tell(code, protocol, times)`: at once for the first ones, once a second while more come.

    What was counted in between goes with the next one told, and what is left at the end with `flush`. It keeps a number
    for each code and protocol, and nothing of who came.
    """

    def __init__(
        self,
        tell: Callable[[str, str, int], None],
        *,
        monotonic: Callable[[], float],
        burst: int = 20,
        rate: float = 1.0,
    ) -> None:
        self._tell = tell
        self._bucket = Bucket(burst, rate, now=monotonic)
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, error: HubError, protocol: str) -> None:
        """Somebody was turned away."""
        self._counts[error.code, protocol] += 1
        if not self._bucket.take():
            self.flush()

    def flush(self) -> None:
        """Tell what has been counted."""
        counts, self._counts = self._counts, Counter()
        for (code, protocol), times in counts.items():
            self._tell(code, protocol, times)
