"""What is done with a file once it is cut: its segments are heard, and what was heard becomes one text."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby

from msgspec.structs import replace

from asr_hub.errors import HubError, unwrapped
from asr_hub.jobs.job import HeardSegment, Result, Segment, Wish
from asr_hub.jobs.ports import Cut, Hear, Spool
from asr_hub.model import Hypothesis
from asr_hub.text.joining import Piece, join_all


async def hear_segment(spool: Spool, segment: Segment, wish: Wish, principal: str, hear: Hear) -> HeardSegment:
    """One segment, with times since the file began. Raises what `hear` raises, and OSError without its spool."""
    pcm = await asyncio.to_thread(spool.read, segment)
    heard = await hear(pcm, spool.rate, wish, principal)
    hypothesis = _moved(heard.hypothesis, segment.start * 1000 // spool.rate)
    return HeardSegment(segment=segment, hypothesis=hypothesis, warnings=heard.warnings)


async def hear_all(
    cut: Cut,
    wish: Wish,
    principal: str,
    hear: Hear,
    *,
    on_done: Callable[[Segment], None],
    on_error: Callable[[HubError], None],
) -> Sequence[HeardSegment]:
    """
    Every segment of a file, as many at the same time as `hear` allows, in their order.

    One that cannot be heard is told to `on_error` and left out. Raises OSError without the spool.
    """
    turns = asyncio.Semaphore(hear.at_once(wish))

    async def one(segment: Segment) -> HeardSegment | None:
        async with turns:
            try:
                return await hear_segment(cut.spool, segment, wish, principal, hear)
            except HubError as exc:
                on_error(exc)
                return None
            finally:
                on_done(segment)

    with unwrapped():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(segment), name=f"segment {segment.number}") for segment in cut.segments]
    return [heard for task in tasks if (heard := task.result()) is not None]


def result_of(
    duration_ms: int, heard: Sequence[HeardSegment], wish: Wish, warnings: Sequence[str] = (), *, rate: int
) -> Result:
    """
    The text of a file: segments of each channel joined where they overlap, and all in order of their beginnings.

    `rate` is the spool's, in Hertz.
    """
    by_channel = sorted(heard, key=lambda one: (one.segment.channel, one.segment.start))
    channels = {one.segment.channel for one in heard}
    hypotheses: list[Hypothesis] = []
    for channel, group in groupby(by_channel, key=lambda one: one.segment.channel):
        joined = join_all([_piece(one, rate) for one in group])
        spoken = (one for one in joined if one.text)
        hypotheses += (replace(one, speaker=str(channel + 1)) for one in spoken) if len(channels) > 1 else spoken
    hypotheses.sort(key=lambda one: one.start)
    told = dict.fromkeys([*warnings, *(warning for one in heard for warning in one.warnings)])
    return Result(
        duration_ms=duration_ms,
        hypotheses=tuple(hypotheses),
        language=wish.language or _language(hypotheses),
        warnings=tuple(told),
    )


def _piece(one: HeardSegment, rate: int) -> Piece:
    segment = one.segment
    if not segment.overlap:
        return Piece(one.hypothesis)
    return Piece(one.hypothesis, segment.start * 1000 // rate, (segment.start + segment.overlap) * 1000 // rate)


def _moved(hypothesis: Hypothesis, ms: int) -> Hypothesis:
    words = tuple(replace(word, start=word.start + ms, end=word.end + ms) for word in hypothesis.words)
    return replace(hypothesis, start=hypothesis.start + ms, end=hypothesis.end + ms, words=words)


def _language(hypotheses: Sequence[Hypothesis]) -> str | None:
    """That of most of what was said."""
    lengths: Counter[str] = Counter()
    for one in hypotheses:
        if one.language:
            lengths[one.language] += one.end - one.start
    return lengths.most_common(1)[0][0] if lengths else None
