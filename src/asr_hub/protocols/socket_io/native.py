"""The native protocol in a namespace of Socket.IO: `message` carries its JSON, `audio` its audio."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from asr_hub.errors import HubError, Overloaded, ProtocolError
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.socket_io.packets import BROKEN
from asr_hub.protocols.socket_io.seat import Event, Seat
from asr_hub.telemetry import logs
from asr_hub.wire.refusal import as_message

NAMESPACE = "/v1/stream"

MESSAGE = "message"
AUDIO = "audio"


class NativeClient:
    """
    One connection of the native protocol.

    `take` is one event of the client, and returns what its acknowledgement says; `write` tells the client everything
    and disconnects it at the end. The owner runs both, and calls `leave` when the client is gone.
    """

    def __init__(self, seat: Seat, dialogue: Dialogue, *, start_timeout: float) -> None:
        self._seat = seat
        self._dialogue = dialogue
        self._start_timeout = start_timeout

    async def take(self, event: str, args: tuple[Any, ...]) -> dict[str, Any]:
        if self._dialogue.is_over:
            return _plain(ProtocolError("the connection is over; open a new one", code="closing"))
        self._seat.keep_alive()
        try:
            await self._obey(event, args)
        except HubError as error:
            return await self._refuse(error)
        except Exception as exc:  # noqa: BLE001  the edge: one client's defect is told to it, and no other feels it
            return await self._break_down(exc)
        return {"ok": True}

    async def write(self) -> None:
        try:
            await self._greet()
            while True:
                await self._seat.room()
                if not (messages := await self._dialogue.read()):
                    break
                await self._tell(messages)
        except HubError as error:
            await self._refuse(error)
        except Exception as exc:  # noqa: BLE001  the edge, as in take
            await self._break_down(exc)
        await self._seat.hang_up()

    async def dismiss(self) -> None:
        """The hub stops: say so and disconnect."""
        if not self._dialogue.is_over:
            await self._refuse(
                Overloaded("the hub restarts; come back with `attach`", code="shutting-down", retry_after=1.0)
            )
        await self._seat.hang_up()

    def leave(self) -> None:
        """The client is gone. Its session lives on for the resume window."""
        self._dialogue.leave()

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(self._start_timeout):
                messages = await self._dialogue.read()
        except TimeoutError:
            raise ProtocolError(
                f"no `start` or `attach` came in {self._start_timeout:g} s; connect when it is needed",
                code="start-timeout",
            ) from None
        await self._tell(messages)

    async def _obey(self, event: str, args: tuple[Any, ...]) -> None:
        match event, args:
            case "message", (message,):
                self._dialogue.tell(_encoded(message))
            case "audio", (bytes() as audio,):
                await self._seat.during(self._dialogue.hear(audio))
            case "audio", _:
                raise ProtocolError("`audio` carries bytes, and nothing else", code="wrong-type")
            case "message", _:
                raise ProtocolError("`message` carries one message of the native protocol", code="wrong-type")
            case _ if event == BROKEN:
                raise ProtocolError("this is no packet of Socket.IO 5; use a library", code="bad-frame")
            case _:
                raise ProtocolError(
                    f"there is no event {event[:32]!r} here; emit `message` or `audio`", code="unknown-message"
                )

    async def _tell(self, messages: list[bytes]) -> None:
        await self._seat.tell([Event(MESSAGE, msgspec.json.decode(message)) for message in messages])

    async def _refuse(self, error: HubError) -> dict[str, Any]:
        refusal = self._dialogue.refuse(error)
        payload: dict[str, Any] = msgspec.to_builtins(refusal.message)
        await self._seat.tell([Event(MESSAGE, payload)])
        if refusal.close_code is not None:
            self._dialogue.leave()
        return payload

    async def _break_down(self, exc: Exception) -> dict[str, Any]:
        _log.exception("socketio.defect", exc)
        return await self._refuse(HubError("the hub failed; its log has the details"))


def _encoded(message: object) -> bytes:
    """The message as JSON, for those who read it: an object as the client emitted it, or JSON text."""
    if isinstance(message, bytes):
        raise ProtocolError("`message` carries an object; emit `audio` for audio", code="wrong-type")
    if isinstance(message, str):
        return message.encode(errors="replace")
    try:
        return msgspec.json.encode(message)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ProtocolError("the message holds what no message of v1 does", code="bad-value") from None


def _plain(error: HubError) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(as_message(error, seq=0))
    return plain


_log = logs.get(__name__)
