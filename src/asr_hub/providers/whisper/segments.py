"""The pieces of a text that was decoded with timestamps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

TICK_S = 0.02
"""Seconds between two timestamp tokens."""

LEAST_S = 1.0
"""Seconds: less is not worth another decoding, neither before the place where it would begin nor after it."""


class Timed(NamedTuple):
    """What was decoded of a clip."""

    tokens: tuple[int, ...]
    """Without timestamps."""
    start: float
    """Seconds since the clip's first sample."""
    end: float
    rest: float | None
    """Seconds: from here on, the clip is to be decoded again. The model saw that more was said, and did not hear it."""


def timed(tokens: Sequence[int], *, first_timestamp: int, seconds: float) -> Timed:
    """
    Take the timestamps out of `tokens`, which are those of a clip of `seconds`.

    Two timestamps in a row end one segment and begin the next. Where the text does not end in a single timestamp, the
    last segment is not whole: what follows its beginning is left for another decoding. The rule is that of Whisper's
    own `transcribe`, "Robust Speech Recognition via Large-Scale Weak Supervision", 2022, section 3.8.
    """
    times = [
        (place, min(seconds, (token - first_timestamp) * TICK_S))
        for place, token in enumerate(tokens)
        if token >= first_timestamp
    ]
    text = tuple(token for token in tokens if token < first_timestamp)
    if not times:
        return Timed(text, 0.0, seconds, None)
    start = min(time for _, time in times)
    end = max(time for _, time in times)
    last, rest = times[-1]
    is_double = len(times) > 1 and times[-2][0] == last - 1
    is_whole = last == len(tokens) - 1 and not is_double
    doubles = [(at, time) for (before, _), (at, time) in pairwise(times) if at == before + 1]
    if is_whole or not doubles:
        return Timed(text, start, end, None)
    place, rest = doubles[-1]
    if not LEAST_S <= rest <= seconds - LEAST_S:
        return Timed(text, start, end, None)
    return Timed(tuple(token for token in tokens[:place] if token < first_timestamp), start, rest, rest)
