"""The default namespace of Socket.IO: a recording client, which knows nothing of the native protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from asr_hub.access.grant import Grant
from asr_hub.errors import HubError, Overloaded, ProtocolError, RateLimited
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.port import HubPort
from asr_hub.protocols.socket_io.packets import BROKEN
from asr_hub.protocols.socket_io.recording import Recording, State, decode
from asr_hub.protocols.socket_io.refusals import Refusals, broken
from asr_hub.protocols.socket_io.seat import Event, Seat
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import Close, Closed

NAMESPACE = "/"


class Recorder:
    """
    One connection of a recording client. A session is opened for each recording, so that who only connects costs none.

    `admit` lets the client in anew for each of them, as it would with a new connection: it raises Unauthorized where
    the key is not good any more, RateLimited.

    `take` is one event of the client, and returns what its acknowledgement says; `write` tells the client everything.
    The owner runs both, and calls `leave` when the client is gone: its session is then closed.
    """

    def __init__(
        self,
        seat: Seat,
        hub: HubPort,
        *,
        protocol: str,
        admit: Callable[[], Grant],
        limits: Limits,
        new_id: Callable[[], str],
    ) -> None:
        self._seat = seat
        self._admit = admit
        self._open = partial(Dialogue, hub, protocol=protocol, limits=limits)
        self._refuse = Refusals(seat, most=limits.max_errors)
        self._id = new_id()
        self._recording = Recording()
        self._dialogue: Dialogue | None = None
        self._began = asyncio.Event()

    async def take(self, event: str, args: tuple[Any, ...]) -> dict[str, Any]:
        self._seat.keep_alive()
        try:
            await self._obey(event, args)
        except HubError as error:
            return await self._refuse(error)
        except Exception as exc:  # noqa: BLE001  the edge: one client's defect is told to it, and no other feels it
            return await self._refuse(broken(exc))
        return {"ok": True}

    async def write(self) -> None:
        await self._seat.tell(Event(name, {"session_id": self._id}) for name in ("connected", "session"))
        while True:
            await self._began.wait()
            self._began.clear()
            if (dialogue := self._dialogue) is not None:
                await self._follow(dialogue)

    async def dismiss(self) -> None:
        """The hub stops: say so and disconnect."""
        await self._refuse(Overloaded("the hub restarts; connect again", code="shutting-down", retry_after=1.0))
        await self._seat.hang_up()

    def leave(self) -> None:
        """The client is gone. What it recorded is heard to its end, and nobody can come back to it."""
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            with suppress(HubError):
                dialogue.take(Close())
            dialogue.leave()

    async def _obey(self, event: str, args: tuple[Any, ...]) -> None:
        match event:
            case "start_recording":
                self._start(args[0] if args else None)
            case "audio_data":
                if (audio := self._recording.audio(args[0] if args else None)) is not None:
                    await self._hear(audio)
            case "stop_recording":
                await self._stop()
            case _ if event == BROKEN:
                raise ProtocolError("this is no packet of Socket.IO 5; use a library", code="bad-frame")
            case _:
                raise ProtocolError(
                    f"there is no event {event[:32]!r}; emit `start_recording`, `audio_data` or `stop_recording`, or "
                    "use the namespace /v1/stream",
                    code="unknown-message",
                )

    def _start(self, options: object) -> None:
        start = self._recording.start(options)
        try:
            dialogue = self._open(grant=self._admit())
            dialogue.take(start)
        except BaseException:
            self._recording.refused()
            raise
        self._dialogue = dialogue
        self._began.set()

    async def _hear(self, audio: bytes) -> None:
        if self._dialogue is None:
            return
        try:
            await self._seat.during(self._dialogue.hear(audio))
        except RateLimited:
            # Every further event would be refused as well: what was heard is worth more than the errors.
            await self._stop("rate-limited")
            raise
        except ProtocolError as error:
            # The session is closing by itself; its end is on the way, and a recording client hangs up at an `error`.
            if error.code != "closing":
                raise

    async def _stop(self, reason: str = "close") -> None:
        if not (events := self._recording.stop(reason)):
            return
        dialogue = self._dialogue
        await self._seat.tell(events)
        if dialogue is not None:
            # A session that is closing by itself says so with `closed` as well.
            with suppress(HubError):
                dialogue.take(Close())

    async def _follow(self, dialogue: Dialogue) -> None:
        """Tell what a session says, to its end."""
        failure: HubError | None = None
        try:
            while True:
                await self._seat.room()
                if not (messages := await dialogue.read()):
                    break
                await self._seat.tell([event for it in messages for event in self._recording.hear(decode(it))])
        except HubError as error:
            failure = error
        except Exception as exc:  # noqa: BLE001  the edge, as in take
            failure = broken(exc)
        if self._dialogue is dialogue:
            await self._finish(failure)

    async def _finish(self, failure: HubError | None) -> None:
        """The session is over, or can be followed no further: then what there is is the result, and the error last."""
        self.leave()
        if self._recording.state is not State.IDLE:
            reason = "internal" if failure is None else failure.code
            await self._seat.tell(self._recording.hear(Closed(reason=reason)))
        if failure is not None:
            await self._refuse(failure)
