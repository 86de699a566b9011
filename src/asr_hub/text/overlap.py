"""Which words two readings have in common where they heard the same audio, and whose word is the better one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from asr_hub.text.units import Unit

MOST_UNITS = 200
"""Words of either reading that are compared: nobody says as many in an overlap."""
APART_MS = 600
"""The same word may have times that are so far apart in two readings."""
BORDER_MS = 150
"""A word that lies so near to the border of its audio may be cut in half."""
NEAR_MS = 500
"""Who heard a word so near to another listened there."""
UNITS_PER_S = 5
"""Words, or characters of a writing without spaces, that somebody says in a second."""
ENOUGH = 0.4
"""How alike two readings without times must be, in long words, before anything is left out."""


class Overlap(NamedTuple):
    """What both heard, in milliseconds: the audio of the second reading begins, and that of the first ends."""

    start: int
    end: int

    @property
    def middle(self) -> int:
        return (self.start + self.end) // 2

    @property
    def length(self) -> int:
        return self.end - self.start


class Column(NamedTuple):
    """One word as the two readings have it, by the indices of its units, and what either reading of it is worth."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    worth_before: float
    worth_after: float


class _Match(NamedTuple):
    """Units of each reading that stand for the same word; none where a reading lacks it."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


def by_time(left: Sequence[Unit], right: Sequence[Unit], overlap: Overlap) -> list[Column]:
    """The words in and around the overlap in their order, matched by what they are and when they were said."""
    begin = max(_first(left, lambda unit: unit.end > overlap.start - APART_MS), len(left) - MOST_UNITS)
    end = min(_first(right, lambda unit: unit.start >= overlap.end + APART_MS), MOST_UNITS)
    near, far = left[begin:], right[:end]
    pairs = _pairs_by_time(near, far, overlap)
    columns = []
    for match in _merged(_in_order(pairs, near, far), near, far):
        worth = _timed_worth([near[at] for at in match.before], [far[at] for at in match.after], near, far, overlap)
        columns.append(Column(tuple(begin + at for at in match.before), match.after, *worth))
    return columns


def by_text(left: Sequence[Unit], right: Sequence[Unit], overlap: Overlap) -> list[Column]:
    """The end of the first reading and the beginning of the second as far as they match; nothing where they do not."""
    # A second more than the overlap: some speak faster.
    most = min(MOST_UNITS, UNITS_PER_S * (overlap.length + 1000) // 1000)
    begin = max(0, len(left) - most)
    near, far = left[begin:], right[:most]
    matches = _matches_by_text(near, far)
    columns = []
    for place, match in enumerate(matches):
        worth = _untimed_worth(match, near, far, (place + 0.5) / len(matches))
        columns.append(Column(tuple(begin + at for at in match.before), match.after, *worth))
    return columns


# With times


def _first(spelled: Sequence[Unit], is_wanted: Callable[[Unit], bool]) -> int:
    return next((at for at, unit in enumerate(spelled) if is_wanted(unit)), len(spelled))


def _pairs_by_time(near: Sequence[Unit], far: Sequence[Unit], overlap: Overlap) -> list[tuple[int, int]]:
    """The pairs, in order, with the greatest likeness together."""
    best = [[0.0] * (len(far) + 1) for _ in range(len(near) + 1)]
    for row, one in enumerate(near, 1):
        for column, other in enumerate(far, 1):
            like = _likeness(one, other, overlap)
            paired = best[row - 1][column - 1] + like if like else 0.0
            best[row][column] = max(best[row - 1][column], best[row][column - 1], paired)
    pairs = []
    row, column = len(near), len(far)
    while row and column:
        if best[row][column] == best[row - 1][column]:
            row -= 1
        elif best[row][column] == best[row][column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return pairs[::-1]


def _likeness(one: Unit, other: Unit, overlap: Overlap) -> float:
    """How much speaks for it that both are the same word; 0: nothing."""
    distance = abs(one.middle - other.middle)
    if distance > APART_MS or (one.end <= overlap.start and other.start >= overlap.end):
        return 0.0
    closeness = 1 - distance / APART_MS
    if one.key == other.key:
        return _SAME + closeness
    if _is_half(one, other, overlap):
        return _HALF + closeness
    return _AT_ONCE + closeness if _covers(one, other) else 0.0


def _is_half(one: Unit, other: Unit, overlap: Overlap) -> bool:
    """Whether a word at the border of its reading is a part of the other's word."""
    return (_is_at_end(one, overlap) and other.key.startswith(one.key)) or (
        _is_at_start(other, overlap) and one.key.endswith(other.key)
    )


def _is_at_end(one: Unit, overlap: Overlap) -> bool:
    return one.end >= overlap.end - BORDER_MS


def _is_at_start(other: Unit, overlap: Overlap) -> bool:
    return other.start <= overlap.start + BORDER_MS


def _covers(one: Unit, other: Unit) -> bool:
    """Whether half of the shorter one is said during the other."""
    common = min(one.end, other.end) - max(one.start, other.start)
    return common > 0 and 2 * common >= min(one.end - one.start, other.end - other.start)


def _in_order(pairs: Sequence[tuple[int, int]], near: Sequence[Unit], far: Sequence[Unit]) -> Iterator[_Match]:
    """The pairs and what is between them, by time."""
    row = column = 0
    for to_row, to_column in (*pairs, (len(near), len(far))):
        while row < to_row or column < to_column:
            if column >= to_column or (row < to_row and near[row].middle <= far[column].middle):
                yield _Match(before=(row,))
                row += 1
            else:
                yield _Match(after=(column,))
                column += 1
        if to_row < len(near) and to_column < len(far):
            yield _Match((to_row,), (to_column,))
        row, column = to_row + 1, to_column + 1


def _merged(matches: Iterator[_Match], near: Sequence[Unit], far: Sequence[Unit]) -> list[_Match]:
    """Words that are one for the other reading, as `ice cream` and `icecream` are, become one."""
    merged: list[_Match] = []
    for match in matches:
        if merged and _are_one(merged[-1], match, near, far):
            last = merged.pop()
            merged.append(_Match(last.before + match.before, last.after + match.after))
        else:
            merged.append(match)
    return merged


def _are_one(one: _Match, other: _Match, near: Sequence[Unit], far: Sequence[Unit]) -> bool:
    single, pair = (one, other) if not (one.before and one.after) else (other, one)
    if (single.before and single.after) or not (pair.before and pair.after):
        return False
    if _spelled(near, pair.before) == _spelled(far, pair.after):
        return False
    if _spelled(near, one.before + other.before) == _spelled(far, one.after + other.after):
        return True
    if single.before:
        return any(_covers(near[single.before[0]], far[at]) for at in pair.after)
    return any(_covers(far[single.after[0]], near[at]) for at in pair.before)


def _spelled(spelled: Sequence[Unit], places: Sequence[int]) -> str:
    return "".join(spelled[at].key for at in places)


def _timed_worth(
    before: Sequence[Unit], after: Sequence[Unit], near: Sequence[Unit], far: Sequence[Unit], overlap: Overlap
) -> tuple[float, float]:
    if before and after:
        is_same = _spelled(before, range(len(before))) == _spelled(after, range(len(after)))
        worth_before = _share(overlap.end - before[-1].end, overlap)
        worth_after = _share(after[0].start - overlap.start, overlap)
        if is_same:
            return _SAME_WEIGHT * worth_before, _SAME_WEIGHT * worth_after
        # A word outside the overlap is lost with the wrong reading.
        is_kept, is_new = before[0].end <= overlap.start, after[-1].start >= overlap.end
        return worth_before + _OUTSIDE * is_kept, worth_after + _OUTSIDE * is_new
    if before:
        if before[0].end <= overlap.start:
            return _OUTSIDE, 0.0
        return (_HALF_WORD if _is_at_end(before[0], overlap) and _listened(far, before[0]) else _ALONE), 0.0
    if after[0].start >= overlap.end:
        return 0.0, _OUTSIDE
    return 0.0, (_HALF_WORD if _is_at_start(after[0], overlap) and _listened(near, after[0]) else _ALONE)


def _listened(others: Sequence[Unit], unit: Unit) -> bool:
    """Whether a word of the other reading is near."""
    return any(each.start - NEAR_MS < unit.end and unit.start < each.end + NEAR_MS for each in others)


def _share(distance: int, overlap: Overlap) -> float:
    return min(max(distance / overlap.length, 0.0), 1.0)


# Without times


def _matches_by_text(near: Sequence[Unit], far: Sequence[Unit]) -> list[_Match]:
    """
    The best alignment of an end of `near` with a beginning of `far`; empty where too little is the same.

    The last word of `near` and the first of `far` may be halves: it costs little that they have no match.
    """
    rows, columns = len(near), len(far)
    worths = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    steps = [[""] * (columns + 1) for _ in range(rows + 1)]
    for column in range(1, columns + 1):
        worths[0][column], steps[0][column] = worths[0][column - 1] - _gap(is_half=column == 1), "after"
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            worths[row][column], steps[row][column] = max(
                (worths[row - 1][column - 1] + _worth_of_pair(near, far, row - 1, column - 1), "pair"),
                (worths[row - 1][column] - _gap(is_half=row == rows), "before"),
                (worths[row][column - 1] - _gap(is_half=column == 1), "after"),
            )
    end = max(range(columns + 1), key=lambda column: worths[rows][column])
    return _walked(steps, rows, end) if worths[rows][end] >= ENOUGH else []


def _walked(steps: Sequence[Sequence[str]], row: int, column: int) -> list[_Match]:
    matches = []
    while column:
        step = steps[row][column]
        row, column = row - (step != "after"), column - (step != "before")
        matches.append(_Match((row,) if step != "after" else (), (column,) if step != "before" else ()))
    return matches[::-1]


def _worth_of_pair(near: Sequence[Unit], far: Sequence[Unit], row: int, column: int) -> float:
    one, other = near[row], far[column]
    if one.key == other.key:
        return _CHARACTER if one.is_unspaced else _WORDS[min(len(one.key), len(_WORDS) - 1)]
    is_last, is_first = row == len(near) - 1, column == 0
    if is_last and other.key.startswith(one.key):
        return _PART if len(one.key) < _LONG_PART else _WORDS[-1]
    if is_first and one.key.endswith(other.key):
        return _PART if len(other.key) < _LONG_PART else _WORDS[-1]
    return -_gap(is_half=is_last or is_first)


def _gap(*, is_half: bool) -> float:
    return _HALF_GAP if is_half else _GAP


def _untimed_worth(match: _Match, near: Sequence[Unit], far: Sequence[Unit], place: float) -> tuple[float, float]:
    """`place`, 0 to 1: how far into the overlap."""
    is_last, is_first = match.before == (len(near) - 1,), match.after == (0,)
    if not match.after:
        return (_HALF_WORD if is_last else _ALONE), 0.0
    if not match.before:
        return 0.0, (_HALF_WORD if is_first else _ALONE)
    one, other = near[match.before[0]].key, far[match.after[0]].key
    if one == other:
        return _SAME_WEIGHT * (1 - place), _SAME_WEIGHT * place
    if is_last and is_first:
        # Both may be halves: the longer one is more of the word.
        return (1.0, 0.0) if len(one) > len(other) else (0.0, 1.0)
    if is_last or is_first:
        return float(is_first), float(is_last)
    return 1 - place, place


_SAME = 2.0
_HALF = 1.5
_AT_ONCE = 0.5

_OUTSIDE = 100.0
_ALONE = 1.0
_HALF_WORD = -0.5
_SAME_WEIGHT = 0.25
"""It matters little which of two equal words is taken."""

# Without times. Found on English transcripts that were cut, with words misheard and half words at the borders: these
# lose and repeat the fewest words.
_CHARACTER = 0.45
_WORDS = (0.5, 0.5, 0.55, 0.6, 0.8, 1.0)
"""By letters: the longer a word, the less it is there by chance."""
_PART = 0.5
_LONG_PART = 4
_GAP = 0.6
_HALF_GAP = 0.1
