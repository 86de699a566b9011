"""How long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable

BASE = 0.25
"""Seconds"""

CAP = 5.0
"""Seconds"""


def delay(attempt: int, *, retry_after: float | None, chance: Callable[[], float]) -> float:
    """
    Seconds before try number `attempt`, from 0: at once, then a random part of a time that doubles up to `CAP`.

    All of it is random so that the clients of a hub that restarts do not come back together. Never less than the hub
    asked for. `chance` gives numbers from 0 to 1.
    """
    spread = 0.0 if attempt <= 0 else float(min(CAP, BASE * 2 ** min(attempt, 16)))
    return max(spread * chance(), retry_after or 0.0)
