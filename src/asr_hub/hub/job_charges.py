"""The audio in files, on the account of the keys they came with."""

from __future__ import annotations

from typing import NamedTuple

from asr_hub.access.grant import Grant, Meter
from asr_hub.store.slices.jobs import JobRecord

GUESSED_BYTES_PER_S = 32_000
"""Of a file: 16 kHz in 16 bits. What it really is shows when it is decoded, and is made good then."""


class Charges:
    """Counts a file by its size when it comes, and by its length when that is known."""

    def __init__(self) -> None:
        self._open: dict[str, _Charge] = {}

    def __len__(self) -> int:
        """Files whose length is not known yet, of keys with a limit."""
        return len(self._open)

    def check(self, grant: Grant) -> None:
        """Raises RateLimited where the key has used up its audio."""
        if grant.meter is not None:
            grant.meter.hear(0.0)

    def count(self, grant: Grant, size: int) -> float:
        """Seconds that are counted for a file of so many bytes. Raises RateLimited, and then it does not count."""
        seconds = size / GUESSED_BYTES_PER_S
        if grant.meter is not None:
            grant.meter.hear(seconds)
        return seconds

    def give_back(self, grant: Grant, seconds: float) -> None:
        """It will not be heard."""
        if grant.meter is not None:
            grant.meter.give_back(seconds)

    def open(self, job: str, grant: Grant, seconds: float) -> None:
        """So much was counted for this job, whose length is not known yet."""
        if grant.meter is not None:
            self._open[job] = _Charge(grant.meter, seconds)

    def is_open(self, job: str) -> bool:
        """It is counted by its size, as its length is not known yet."""
        return job in self._open

    def told(self, job: str, record: JobRecord | None) -> None:
        """How a job stands now; nothing where it is forgotten."""
        charge = self._open.get(job)
        if charge is None or (record is not None and record.seconds is None and not record.is_over):
            return
        del self._open[job]
        charge.meter.settle(charge.seconds, record.seconds or 0.0 if record is not None else 0.0)


class _Charge(NamedTuple):
    meter: Meter
    seconds: float
