"""What the journal has gathered goes to its file at least once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

from asr_hub.store.effect import effect
from asr_hub.store.journal import Journal
from asr_hub.store.slices.system import HubStarted, HubStopped

PERIOD_S = 1.0


class JournalFlush:
    def __init__(self, journal: Callable[[], Journal]) -> None:
        self._journal = journal
        self._scheduler = AsyncIOScheduler(asyncio.get_running_loop())

    @effect(HubStarted, HubStopped, dispatch=False)
    def flush(self, events: Observable[HubStarted | HubStopped]) -> Observable[int]:
        # A flush that fails must not be the last: the beat starts again by itself.
        beat = reactivex.interval(PERIOD_S, scheduler=self._scheduler).pipe(
            ops.do_action(lambda _: self._journal().flush()), ops.retry()
        )
        none: Observable[int] = reactivex.never()
        return events.pipe(
            ops.map(lambda event: beat if isinstance(event, HubStarted) else none),
            ops.switch_latest(),
        )
