"""One client in one namespace: what it is told, and whether it is still there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from engineio import packet

from asr_hub.protocols.timer_wheel import TimerWheel


class Event(NamedTuple):
    """What is emitted to one client."""

    name: str
    payload: dict[str, Any]  # JSON


class Seat:
    """
    The place of one client: everything it is told goes through here, to it alone.

    `tell` keeps the order of those who call it, and nothing comes after `hang_up`. `room` waits until the client has
    taken what it was told: who says much waits for it before each batch, so that at most two are on their way.
    """

    def __init__(
        self,
        sio: Any,  # socketio.AsyncServer has no types
        namespace: str,
        sid: str,
        *,
        wheel: TimerWheel,
        ping_timeout: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sio = sio
        self._namespace = namespace
        self._sid = sid
        self._link: str = sio.manager.eio_sid_from_sid(sid, namespace)
        self._turn = asyncio.Lock()
        self._wheel = wheel
        self._patience = ping_timeout / 2
        self._now = now

    async def tell(self, events: Iterable[Event]) -> None:
        """Emit these, one after the other, after what others have told before. Does not wait for the client."""
        async with self._turn:
            for name, payload in events:
                await self._sio.emit(name, payload, to=self._sid, namespace=self._namespace)

    async def room(self) -> None:
        """Wait until the transport has taken what was emitted. A client that is gone may leave this waiting."""
        if (link := self._sio.eio.sockets.get(self._link)) is not None:
            await link.queue.join()

    async def hang_up(self) -> None:
        """Disconnect the client from this namespace, after what it was told."""
        async with self._turn:
            await self._sio.disconnect(self._sid, namespace=self._namespace)

    async def during(self, wait: Awaitable[None]) -> None:
        """Await something that may hold up all the client sends, and so its answers to pings."""
        self._wheel.put(self, self._patience)
        try:
            await wait
        finally:
            self._wheel.remove(self)
            self.keep_alive()

    def keep_alive(self) -> None:
        """
        Do not take the client for dead while its answer to a ping stands behind its audio; ask it again instead.

        A client hangs up by itself where no ping comes for long, so not to look at the answer is not enough.
        """
        link = self._sio.eio.sockets.get(self._link)
        if link is None or link.closed or not link.last_ping:
            return
        if (now := self._now()) - link.last_ping > self._patience:
            link.last_ping = now
            link.queue.put_nowait(packet.Packet(packet.PING))

    def on_time(self) -> float:
        """Called by the wheel while the client is waited for."""
        self.keep_alive()
        return self._patience
