"""What one client is told of what the hub refuses."""

from __future__ import annotations

from typing import Any

from asr_hub.errors import HubError, ProtocolError
from asr_hub.protocols.socket_io.seat import Event, Seat
from asr_hub.telemetry import logs

HANGING_UP = ("too-many-errors", "bad-frame")
"""Codes after which nothing more of the client is heard."""

_log = logs.get(__name__)


class Refusals:
    """Of one connection, which ends with one more than `most`."""

    def __init__(self, seat: Seat, *, most: int) -> None:
        self._seat = seat
        self._most = most
        self._count = 0

    async def __call__(self, error: HubError) -> dict[str, Any]:
        """Tell the client, and return what an acknowledgement says."""
        self._count += 1
        if self._count > self._most:
            error = ProtocolError(
                f"{self._most} events were refused on this connection; the last one because: {error}",
                code="too-many-errors",
            )
        payload: dict[str, Any] = {
            "code": error.code,
            "message": str(error),
            "retryable": error.retryable,
            "retry_after": error.retry_after,
        }
        await self._seat.tell([Event("error", payload)])
        if error.code in HANGING_UP:
            await self._seat.hang_up()
        return payload


def broken(exc: Exception) -> HubError:
    """What a client is told of a defect; the log has the rest."""
    _log.exception("socketio.defect", exc)
    return HubError("the hub failed; its log has the details")
