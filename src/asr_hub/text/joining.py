"""What two readings of one stretch of audio say, once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from asr_hub.model import Hypothesis
from asr_hub.text.overlap import Column, Overlap, by_text, by_time
from asr_hub.text.units import Unit, units


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
    """
    The two readings, so that each word of `start` to `end` (milliseconds), which both heard, is in one of them.

    At one place the first reading ends and the second goes on. Each word is of the reading in which it lies further
    from the border of its audio, so that a word cut in half at one border gives way to the whole one of the other; a
    word that only one of them has stays, unless it is at its border and the other heard something else there. Words
    outside the overlap stay in any case, and where nothing is heard twice both come back as they are.

    The words are matched by what they are and when they were said; where a reading has no word times, by their order
    alone, and only where enough of them match. Alternatives are dropped with a word: they are of the whole.
    """
    if start >= end or before.end <= after.start:
        return before, after
    left, right = units(before), units(after)
    if not left or not right:
        return before, after
    overlap = Overlap(start, end)
    are_timed = left[0].is_timed and right[0].is_timed
    columns = by_time(left, right, overlap) if are_timed else by_text(left, right, overlap)
    place = _best_place(columns)
    # Units before the first column and behind the last are outside the overlap.
    kept = [at for column in columns[place:] for at in column.before]
    given = [at for column in columns[place:] for at in column.after]
    lost = [at for column in columns[:place] for at in column.after]
    count = kept[0] if kept else len(left)
    skip = given[0] if given else lost[-1] + 1 if lost else 0
    if count == len(left) and not skip:
        return before, after
    border = _border(left, count, right, skip, overlap)
    return _head(before, left, count, border), _tail(after, right, skip, border)


def _best_place(columns: Sequence[Column]) -> int:
    """Where to go over from the first reading to the second; of equally good places, the one in the middle."""
    worth = sum(column.worth_after for column in columns)
    worths = [worth]
    for column in columns:
        worth += column.worth_before - column.worth_after
        worths.append(worth)
    best = max(worths)
    middle = len(columns) / 2
    return min(
        (at for at, each in enumerate(worths) if each > best - _EQUAL), key=lambda at: abs(at - middle), default=0
    )


def _border(left: Sequence[Unit], count: int, right: Sequence[Unit], skip: int, overlap: Overlap) -> int:
    """When the first reading ends and the second goes on, inside the overlap."""
    ends = left[count - 1].end if count and left[0].is_timed else None
    begins = right[skip].start if skip < len(right) and right[0].is_timed else None
    known = [each for each in (ends, begins) if each is not None]
    border = sum(known) // len(known) if known else overlap.middle
    return min(max(border, overlap.start), overlap.end)


def _head(hypothesis: Hypothesis, spelled: Sequence[Unit], count: int, border: int) -> Hypothesis:
    text, words = hypothesis.text, hypothesis.words
    if count < len(spelled):
        text = text[: spelled[count].at].rstrip()
        words = words[: spelled[count].first] if spelled[0].is_timed else tuple(w for w in words if w.start < border)
    if not count:
        text, words = "", ()
    # A word that reaches over the border ends there, unless it begins behind it.
    words = tuple(replace(word, end=max(word.start, min(word.end, border))) for word in words)
    end = max(hypothesis.start, min(hypothesis.end, border), *(word.end for word in words))
    stable = len(text) if hypothesis.stable >= len(hypothesis.text) else min(hypothesis.stable, len(text))
    return _with(hypothesis, text, replace(hypothesis, end=end, words=words, stable=stable))


def _tail(hypothesis: Hypothesis, spelled: Sequence[Unit], skip: int, border: int) -> Hypothesis:
    text, words, gone = hypothesis.text, hypothesis.words, 0
    if skip >= len(spelled):
        text, words = "", ()
    elif skip:
        gone = spelled[skip].at
        text = text[gone:]
        words = words[spelled[skip].first :] if spelled[0].is_timed else tuple(w for w in words if w.end > border)
    words = tuple(replace(word, start=min(word.end, max(word.start, border))) for word in words)
    start = min(max(hypothesis.start, border), hypothesis.end, *(word.start for word in words))
    stable = (
        len(text) if hypothesis.stable >= len(hypothesis.text) else min(max(0, hypothesis.stable - gone), len(text))
    )
    return _with(hypothesis, text, replace(hypothesis, start=start, words=words, stable=stable))


def _with(was: Hypothesis, text: str, now: Hypothesis) -> Hypothesis:
    return replace(now, text=text, alternatives=now.alternatives if text == was.text else ())


_EQUAL = 1e-9
