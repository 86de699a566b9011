"""
When the tokens of a Paraformer were said, from the frames where its predictor fired.

Continuous integrate-and-fire (Dong and Xu, 2020, arXiv:1905.11235) fires once for each token, soon after the token
begins; the span of a token reaches from its own firing to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAD = 1.5
"""Frames that a token begins before it fires."""

LONGEST = 12
"""Frames. A longer gap before the next token is silence."""


def spans(fires: Sequence[int], end: int, frame_ms: int) -> list[tuple[int, int]]:
    """
    Start and end of each token in milliseconds; `fires` are the frames in which the tokens fired, ascending.

    `end` is that of the audio, in milliseconds: the bound of all times.
    """
    starts = [(fire - LEAD) * frame_ms for fire in fires]
    ends = [min(after, start + LONGEST * frame_ms) for start, after in zip(starts, [*starts[1:], end], strict=False)]
    return [(_within(start, end), _within(stop, end)) for start, stop in zip(starts, ends, strict=True)]


def _within(time: float, end: int) -> int:
    return round(min(max(time, 0.0), end))
