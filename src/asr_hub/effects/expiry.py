"""Sessions that nobody comes back to, or that say nothing for too long, are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import reactivex
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

from asr_hub.store.effect import effect
from asr_hub.store.slices.sessions import CloseRequested, Phase, Session
from asr_hub.store.slices.system import HubStarted, HubStopped

SWEEP_S = 0.5
"""How often the sessions are looked through: one timer for all of them."""


class Expiry:
    """
    `expired`: the publisher has been away for the resume window. `idle`: it is here and has sent nothing for too long.

    Decided from the records in the store alone. The limits, in seconds, are asked for at every sweep: they may change.
    """

    def __init__(
        self,
        sessions: Callable[[], Iterable[Session]],
        *,
        resume_window: Callable[[], float],
        idle_timeout: Callable[[], float],
        now: Callable[[], float],
        scheduler: abc.SchedulerBase | None = None,
    ) -> None:
        self._sessions = sessions
        self._resume_window = resume_window
        self._idle_timeout = idle_timeout
        self._now = now
        self._scheduler = scheduler or AsyncIOScheduler(asyncio.get_running_loop())

    @effect(HubStarted, HubStopped)
    def sweep(self, events: Observable[HubStarted | HubStopped]) -> Observable[CloseRequested]:
        none: Observable[CloseRequested] = reactivex.never()
        return events.pipe(
            ops.map(lambda event: self._beat() if isinstance(event, HubStarted) else none),
            ops.switch_latest(),
        )

    def _beat(self) -> Observable[CloseRequested]:
        period = min(SWEEP_S, max(self._resume_window() / 2, 0.01))
        # A sweep that fails must not be the last: the beat starts again by itself.
        return reactivex.interval(period, scheduler=self._scheduler).pipe(
            ops.flat_map(lambda _: reactivex.from_iterable(self._due())), ops.retry()
        )

    def _due(self) -> list[CloseRequested]:
        now = self._now()
        resume_window, idle_timeout = self._resume_window(), self._idle_timeout()
        due: list[CloseRequested] = []
        for record in self._sessions():
            if record.phase is Phase.CLOSING:
                continue
            if record.publisher_left_at is not None:
                if now - record.publisher_left_at >= resume_window:
                    due.append(CloseRequested(at=now, session=record.id, reason="expired"))
            elif now - record.updated_at >= idle_timeout:
                due.append(CloseRequested(at=now, session=record.id, reason="idle"))
        return due
