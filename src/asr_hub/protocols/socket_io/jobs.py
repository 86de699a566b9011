"""How jobs go on, in a namespace of Socket.IO: `watch_job` is acknowledged with how one stands, and `job` tells on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from asr_hub.access.grant import Grant
from asr_hub.bell import Bell
from asr_hub.errors import HubError, Overloaded, ProtocolError, RateLimited
from asr_hub.protocols.jobs_live import JobsLivePort, JobWatch
from asr_hub.protocols.socket_io.packets import BROKEN
from asr_hub.protocols.socket_io.refusals import Refusals, broken
from asr_hub.protocols.socket_io.seat import Event, Seat
from asr_hub.wire.jobs import JobProgress, UnwatchJob, WatchJob

NAMESPACE = "/v1/jobs"

MAX_WATCHES = 64
"""Jobs that one connection watches at the same time."""


class JobsClient:
    """
    One connection that watches jobs.

    `admit` says who the client is now, for each job it asks for, as it would with a new connection: it raises
    Unauthorized where the key is not good any more, RateLimited.

    `take` is one event of the client, and returns what its acknowledgement says; `write` tells the client everything.
    The owner runs both, and calls `leave` when the client is gone. Nothing is queued: how many changes a job had while
    the client did not read, it is told the last.
    """

    def __init__(
        self,
        seat: Seat,
        jobs: JobsLivePort,
        *,
        admit: Callable[[], Grant],
        max_errors: int,
        max_watches: int = MAX_WATCHES,
    ) -> None:
        self._seat = seat
        self._jobs = jobs
        self._admit = admit
        self._refuse = Refusals(seat, most=max_errors)
        self._max_watches = max_watches
        self._watches: dict[str, JobWatch] = {}
        self._changed: dict[str, None] = {}
        """Jobs with news, in the order of their news."""
        self._bell = Bell()
        self._asking: Bell | None = None
        """Wakes the event of the client that waits to know how a job stands."""
        self._is_gone = False

    def __len__(self) -> int:
        """Jobs that are watched."""
        return len(self._watches)

    async def take(self, event: str, args: tuple[Any, ...]) -> dict[str, Any]:
        self._seat.keep_alive()
        try:
            return await self._obey(event, args)
        except HubError as error:
            return await self._refuse(error)
        except Exception as exc:  # noqa: BLE001  the edge: one client's defect is told to it, and no other feels it
            return await self._refuse(broken(exc))

    async def write(self) -> None:
        while True:
            await self._bell.wait()
            while self._changed:
                await self._seat.room()
                changed, self._changed = self._changed, {}
                for job in changed:
                    await self._tell(job)

    async def dismiss(self) -> None:
        """The hub stops: say so and disconnect."""
        await self._refuse(Overloaded("the hub restarts; connect again", code="shutting-down", retry_after=1.0))
        await self._seat.hang_up()

    def leave(self) -> None:
        """The client is gone."""
        self._is_gone = True
        if self._asking is not None:
            self._asking.ring()
        for job in tuple(self._watches):
            self._unwatch(job)

    async def _obey(self, event: str, args: tuple[Any, ...]) -> dict[str, Any]:
        match event:
            case "watch_job":
                return {"ok": True, "job": await self._watch(_read(args, WatchJob).id)}
            case "unwatch_job":
                self._unwatch(_read(args, UnwatchJob).id)
                return {"ok": True}
            case _ if event == BROKEN:
                raise ProtocolError("this is no packet of Socket.IO 5; use a library", code="bad-frame")
            case _:
                raise ProtocolError(
                    f"there is no event {event[:32]!r} here; emit `watch_job` or `unwatch_job`", code="unknown-message"
                )

    async def _watch(self, job: str) -> dict[str, Any]:
        """How the job stands now. A job that is watched already is looked at anew."""
        self._unwatch(job)
        if len(self._watches) >= self._max_watches:
            raise RateLimited(
                f"this connection watches {self._max_watches} jobs, all it may; `unwatch_job` one, or open another",
                code="too-many-watches",
                retryable=False,
            )
        self._asking = Bell()
        news = _News(self._asking.ring)
        watch = self._jobs.watch(job, grant=self._admit(), on_change=news)
        told: list[JobProgress] = []
        try:
            await self._seat.during(self._asked(watch, self._asking, told))
            if not told:
                raise ProtocolError("the connection is over; open a new one", code="closing")
        except BaseException:
            watch.close()
            raise
        if watch.is_over:
            watch.close()
        else:
            self._watches[job] = watch
            news.wake = partial(self._news, job)
        return _plain(told[0])

    async def _asked(self, watch: JobWatch, bell: Bell, told: list[JobProgress]) -> None:
        """Wait until it is known how the job stands; nothing is told where the client is gone before."""
        while not self._is_gone:
            if (message := watch.read()) is not None:
                told.append(message)
                return
            await bell.wait()

    def _news(self, job: str) -> None:
        self._changed[job] = None
        self._bell.ring()

    async def _tell(self, job: str) -> None:
        if (watch := self._watches.get(job)) is None:
            return
        try:
            message = watch.read()
        except HubError as error:
            self._unwatch(job)
            await self._refuse(error)
            return
        if watch.is_over:
            self._unwatch(job)
        if message is not None:
            await self._seat.tell([Event("job", _plain(message))])

    def _unwatch(self, job: str) -> None:
        if (watch := self._watches.pop(job, None)) is not None:
            watch.close()
        self._changed.pop(job, None)


class _News:
    """Wakes whoever is to be told of a job: first the one who asked, then the one who tells on."""

    __slots__ = ("wake",)

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def __call__(self) -> None:
        self.wake()


_Wish = TypeVar("_Wish", WatchJob, UnwatchJob)


def _read(args: tuple[Any, ...], kind: type[_Wish]) -> _Wish:
    """Raises ProtocolError."""
    try:
        return msgspec.convert(args[0] if len(args) == 1 else None, kind)
    except (msgspec.ValidationError, RecursionError):
        raise ProtocolError('the event carries {"id": "…"}, the `task_id` of a job', code="wrong-type") from None


def _plain(message: JobProgress) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(message)
    return plain
