"""
What was heard as subtitles: short texts that stand on the screen while they are said, and long enough to be read.

Where they are cut is the cheapest of all ways: a cut costs little behind a sentence, a clause or a pause, more between
two words, most inside a word, and a text that cannot be read in its time costs too.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from asr_hub.model import Hypothesis
from asr_hub.text.boundaries import Writing, ends_sentence, writing_of
from asr_hub.text.marks import ends_clause
from asr_hub.text.stretches import TOUCH_MS, Stretch, by_speaker, joined

LINE_WIDTH = 42
"""Columns of one line; a wide character takes two."""
CUE_LINES = 2
CUE_MS = 7_000
"""No cue stands longer."""
READING_MS = 1_000
"""A cue stands this long where the next one leaves it the time."""
COLUMN_MS = 50
"""What it takes to read one column: 20 characters in a second, or 10 wide ones."""
PAUSE_MS = 1_500
"""A longer pause between two words begins a new cue."""
LABEL_WIDTH = 20
"""Characters of a speaker's name; the rest is left out."""


class Cue(msgspec.Struct, frozen=True):
    """Lines of text that stand on the screen for a while."""

    start: int
    """Milliseconds"""
    end: int
    lines: tuple[str, ...]
    speaker: str | None = None
    """Only where there are several. The first line leaves room for `label`."""

    @property
    def label(self) -> str:
        """What is written before the text to say who speaks."""
        return _label(self.speaker)


def cues(hypotheses: Sequence[Hypothesis], *, until: int | None = None) -> list[Cue]:
    """
    The cues in order of their beginnings: none empty, every word in exactly one, nobody's words beside another's.

    Those of one speaker never overlap. Two speakers who speak at the same time have cues at the same time, as SubRip
    and WebVTT allow: to hold one back would show it when it is not said. A cue stands longer than it is said where that
    is needed to read it and nobody else speaks, but not beyond `until` (milliseconds), where the file ends.

    Word times are used where the engine has them; otherwise an utterance's time is shared out by length of text. Ten
    hours of speech take seconds: more than an event loop has to spare.
    """
    said = by_speaker(hypotheses)
    writings = [writing_of(hypothesis) for hypothesis in hypotheses]
    are_several = len({speaker for speaker in said if speaker is not None}) > 1
    made: list[Cue] = []
    for speaker, stretches in said.items():
        made += _cues(stretches, speaker if are_several else None, writings)
    made.sort(key=lambda cue: (cue.start, cue.end))
    return list(_readable(made, until))


def columns(text: str) -> int:
    """How much of a line it takes."""
    return sum(map(_width, text))


def _cues(stretches: Sequence[Stretch], speaker: str | None, writings: Sequence[Writing]) -> Iterator[Cue]:
    at = 0
    first_width = LINE_WIDTH - columns(_label(speaker))
    for block, until in _blocks(stretches):
        page = _Page(block, until, writings, first_width=first_width)
        for begin, end in page.cuts():
            start = max(block[begin].start, at)
            at = max(block[end - 1].end, start + 1)
            yield Cue(start, min(at, start + CUE_MS), page.lines(begin, end), speaker)


def _label(speaker: str | None) -> str:
    return "" if speaker is None else f"{' '.join(speaker.split())[:LABEL_WIDTH]}: "


def _blocks(stretches: Sequence[Stretch]) -> Iterator[tuple[Sequence[Stretch], int | None]]:
    """What may share a cue, and when the next such begins."""
    begin = 0
    for at in range(1, len(stretches)):
        pause = stretches[at].start - stretches[at - 1].end
        is_same = stretches[at].utterance == stretches[at - 1].utterance
        if pause > (PAUSE_MS if is_same else TOUCH_MS):
            yield stretches[begin:at], stretches[at].start
            begin = at
    yield stretches[begin:], None


class _Page:
    """Stretches with no long pause between them, and where they are best cut into cues and lines."""

    def __init__(
        self, stretches: Sequence[Stretch], until: int | None, writings: Sequence[Writing], *, first_width: int
    ) -> None:
        self._stretches = stretches
        self._first_width = first_width
        last = stretches[-1].end
        self._begins = [*(each.start for each in stretches), last + CUE_MS if until is None else until]
        """When each begins, and when the next page does."""
        self._spaces = [int(each.is_apart) for each in stretches]
        self._columns = [0]
        """That stand before each, with the space between, and all."""
        for stretch, space in zip(stretches, self._spaces, strict=True):
            self._columns.append(self._columns[-1] + space + columns(stretch.text))
        self._sentences = [
            at
            for at, (before, after) in enumerate(pairwise(stretches), 1)
            if ends_sentence(before, after, writings[before.utterance])
        ]
        """Where they end, but the last."""
        self._cut_costs = [0.0, *(_cut_cost(before, after) for before, after in pairwise(stretches)), 0.0]
        for at in self._sentences:
            self._cut_costs[at] = 0.0

    def cuts(self) -> Iterator[tuple[int, int]]:
        """The cheapest cues, as first stretch and the one behind the last."""
        count = len(self._stretches)
        costs = [0.0] + [float("inf")] * count
        came = [0] * (count + 1)
        for begin in range(count):
            for end in range(begin + 1, self._reach(begin) + 1):
                if (cost := costs[begin] + self._cost(begin, end)) < costs[end]:
                    costs[end], came[end] = cost, begin
        found = []
        while count:
            found.append((came[count], count))
            count = came[count]
        return reversed(found)

    def lines(self, begin: int, end: int) -> tuple[str, ...]:
        """At most two, cut at the best place of those where both fit."""
        if self._fits(begin, self._first_width) >= end:
            return (joined(self._stretches[begin:end]),)
        last = self._fits(begin, self._first_width)
        # One word may be wider than a line: it has one for itself.
        cut = min(
            (at for at in range(begin + 1, last + 1) if self._fits(at, LINE_WIDTH) >= end),
            key=lambda at: self._cut_costs[at] + abs(self._width(begin, at) - self._width(at, end)) / _UNEVEN,
            default=last,
        )
        return joined(self._stretches[begin:cut]), joined(self._stretches[cut:end])

    def _width(self, begin: int, end: int) -> int:
        return self._columns[end] - self._columns[begin] - self._spaces[begin]

    def _fits(self, begin: int, width: int) -> int:
        """The end of what goes into a line that begins here: one stretch at least."""
        room = self._columns[begin] + self._spaces[begin] + width
        return max(begin + 1, bisect_right(self._columns, room) - 1)

    def _reach(self, begin: int) -> int:
        """The end of the longest cue that begins here: one stretch at least."""
        first = self._fits(begin, self._first_width)
        end = first if first == len(self._stretches) else self._fits(first, LINE_WIDTH)
        latest = self._stretches[begin].start + CUE_MS
        while end > begin + 1 and self._stretches[end - 1].end > latest:
            end -= 1
        return end

    def _cost(self, begin: int, end: int) -> float:
        start = self._begins[begin]
        width = self._width(begin, end)
        time = min(max(self._begins[end], self._stretches[end - 1].end) - start, CUE_MS)
        unread = max(0, width * COLUMN_MS - time)
        brief = max(0, READING_MS - time)
        cost = _CUE + self._cut_costs[end] + (unread * _UNREAD + brief * _BRIEF) / 1000
        # Even cues are better than a full one and a rest.
        cost += _FULL * (width / (CUE_LINES * LINE_WIDTH)) ** 2
        sentence = bisect_left(self._sentences, end) - 1
        if sentence >= 0 and self._sentences[sentence] > begin:
            cost += _SENTENCE if self._width(begin, self._sentences[sentence]) >= LINE_WIDTH // 2 else 0.0
        return cost


def _readable(made: Sequence[Cue], until: int | None) -> Iterator[Cue]:
    """Each cue for as long as it is read, until the next one of anybody."""
    starts = [cue.start for cue in made]
    for cue in made:
        following = bisect_left(starts, cue.end)
        latest = starts[following] if following < len(starts) else until
        reading = max(READING_MS, COLUMN_MS * sum(map(columns, (cue.label, *cue.lines))))
        end = cue.start + min(reading, CUE_MS)
        yield replace(cue, end=max(cue.end, end if latest is None else min(end, latest)))


def _cut_cost(before: Stretch, after: Stretch) -> float:
    """What it costs to cut a sentence between the two."""
    if after.is_inside:
        return _IN_WORD
    if ends_clause(before.trail):
        return _AT_CLAUSE
    if after.start - before.end >= _SHORT_PAUSE_MS or after.utterance != before.utterance:
        return _AT_PAUSE
    if not after.is_apart:
        return _BETWEEN_CHARACTERS
    # A short word mostly belongs to what follows: an article, a preposition, a conjunction.
    return _BETWEEN_WORDS + (_BEHIND_SHORT if _is_short(before) else -_BEFORE_SHORT if _is_short(after) else 0.0)


def _is_short(stretch: Stretch) -> bool:
    return len(stretch.text) <= _SHORT and not stretch.trail and stretch.text.isalpha()


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


# What a cue costs, and what is bad in it.

_CUE = 3.0
_FULL = 1.0
_SENTENCE = 6.0
"""A sentence that fills half a line ends inside."""
_UNREAD = 2.0
"""For each second that is missing to read it."""
_BRIEF = 3.0
"""For each second that is missing to see it."""
_UNEVEN = 14
"""Columns by which two lines may differ before it costs as much as a worse cut."""
_AT_CLAUSE = 1.0
_AT_PAUSE = 1.5
_BETWEEN_WORDS = 4.0
_BETWEEN_CHARACTERS = 5.0
_BEHIND_SHORT = 2.0
_BEFORE_SHORT = 1.0
_IN_WORD = 8.0
_SHORT_PAUSE_MS = 400
_SHORT = 3
"""Letters"""
