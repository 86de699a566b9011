"""Several readings of one utterance side by side: the word transition network of ROVER."""

from __future__ import annotations

from collections.abc import Sequence

from asr_hub.errors import TooLarge

MOST_WORDS = 2_000
"""Of one reading. An utterance has a few hundred; so many cost up to a second for each reading, and 20 words a fraction
of a millisecond."""

Slot = tuple[int | None, ...]
"""For each reading, the index of its word at this place; none where it heard nothing there."""

_SUBSTITUTE = 4
_INSERT = 3
_DELETE = 3
_DELETE_AGAIN = 2
"""Where a reading before heard nothing either. Measured: fewer errors than with 3 or 0."""
_REACH = 128
"""Words that two readings may be apart at one place, over their difference in length."""
_FAR = 1 << 40
_ACROSS, _DOWN, _ALONG = range(3)


def network(readings: Sequence[Sequence[str]]) -> tuple[Slot, ...]:
    """
    The places of an utterance, and what each reading has there.

    The first reading is the beginning; each other one is aligned with what is there, its words next to the same words,
    and a place is added where it has one more. The order of each reading's words is kept. `TooLarge` beyond
    `MOST_WORDS`.
    """
    longest = max(map(len, readings), default=0)
    if longest > MOST_WORDS:
        raise TooLarge(f"a vote over {longest} words: cut the utterance to {MOST_WORDS} or fewer")
    slots: list[Slot] = []
    for number, reading in enumerate(readings):
        heard = [{readings[of][at] for of, at in enumerate(slot) if at is not None} for slot in slots]
        again = [None in slot for slot in slots]
        nothing: Slot = (None,) * number
        slots = [(*(nothing if place is None else slots[place]), at) for place, at in _aligned(heard, again, reading)]
    return tuple(slots)


def _aligned(
    heard: Sequence[set[str]], again: Sequence[bool], reading: Sequence[str]
) -> list[tuple[int | None, int | None]]:
    """The cheapest way through both, as pairs of a place and a word of the reading."""
    moves = _moves(heard, again, reading)
    place, at = len(heard), len(reading)
    pairs: list[tuple[int | None, int | None]] = []
    while place or at:
        move = moves[place][at]
        place -= move != _ALONG
        at -= move != _DOWN
        pairs.append((None if move == _ALONG else place, None if move == _DOWN else at))
    return pairs[::-1]


def _moves(heard: Sequence[set[str]], again: Sequence[bool], reading: Sequence[str]) -> list[bytearray]:
    """How the cheapest way comes to each pair of a place and a word; only near the diagonal."""
    width = len(reading) + 1
    low = min(0, len(reading) - len(heard)) - _REACH
    high = max(0, len(reading) - len(heard)) + _REACH
    above = [_INSERT * at for at in range(width)]
    moves = [bytearray([_ALONG]) * width]
    for row, (same, is_again) in enumerate(zip(heard, again, strict=True), 1):
        delete = _DELETE_AGAIN if is_again else _DELETE
        costs = [_FAR] * width
        move = bytearray([_DOWN]) * width
        costs[0] = left = above[0] + delete if row + low <= 0 else _FAR
        for at in range(max(1, row + low), min(width, row + high + 1)):
            cheapest = above[at - 1] + (0 if reading[at - 1] in same else _SUBSTITUTE)
            came = _ACROSS
            if above[at] + delete < cheapest:
                cheapest = above[at] + delete
                came = _DOWN
            if left + _INSERT < cheapest:
                cheapest = left + _INSERT
                came = _ALONG
            costs[at] = left = cheapest
            move[at] = came
        above = costs
        moves.append(move)
    return moves
