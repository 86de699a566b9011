"""How many utterances may share one call of the engine: as many as the device has memory for."""

from __future__ import annotations

TRUST_AFTER = 200
"""Full batches without trouble after which twice as many are tried again."""


class Room:
    """The size of a batch: halved when the device has no memory for it, doubled again after a long while."""

    def __init__(self, most: int, first: int | None = None) -> None:
        self.limit = min(most, first or most)
        self._most = most
        self._good = 0

    def went_well(self, size: int) -> None:
        """A batch of `size` was heard."""
        if self.limit == self._most or size < self.limit:
            return
        self._good += 1
        if self._good >= TRUST_AFTER:
            self.limit = min(self._most, 2 * self.limit)
            self._good = 0

    def ran_out(self, size: int) -> str:
        """There was no memory for a batch of `size`, which is more than one. Says what is done about it."""
        self.limit = max(1, size // 2)
        self._good = 0
        return f"no memory for {size} utterances at once; {self.limit} at a time from here on"
