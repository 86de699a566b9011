"""What a session needs of a connection, whatever its protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from asr_hub_client.messages import AnyServerMessage, Attach, Command, Ready, Start, Unknown

MAX_AUDIO_BYTES = 64 * 1024
"""Of one piece of audio: two seconds of 16 kHz."""


@dataclass(frozen=True)
class Address:
    """Where a hub is, and who comes."""

    url: str
    """`http://` or `https://`, without a slash at its end"""
    grpc: str | None
    """`HOST:PORT` of its gRPC server."""
    key: str | None = field(repr=False)
    ca: Path | None
    """The certificates to trust, PEM. By default those of the system."""
    connect_timeout: float
    """Seconds until the hub must have answered."""

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}


class Link(Protocol):
    """
    One connection that is attached to a session.

    One task sends and another receives. Both raise LinkBroken when the connection is gone and Refused when the hub
    ended it with a reason.
    """

    ready: Ready

    async def send_audio(self, offset: int, data: bytes) -> int | None:
        """Send audio that begins at `offset`. Returns how far the hub has it, where the protocol says so at once."""
        ...

    async def send(self, command: Command) -> None: ...

    async def receive(self) -> AnyServerMessage | Unknown:
        """The next message. May be cancelled."""
        ...

    async def aclose(self) -> None:
        """Leave the session, which lives on."""
        ...


class Transport(Protocol):
    """Makes connections of one protocol to one hub."""

    async def open(self, first: Start | Attach) -> Link:
        """Raises Unreachable, Refused."""
        ...

    async def aclose(self) -> None: ...
