"""
What a codec is: the rules of one connection of a foreign dialect, without a socket, a clock or a task.

A codec turns what the client says into steps, which its shell takes in their order, and what the session says into
frames for the client. One connection may have several sessions, one after the other: each begins with a `Start`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from asr_hub.errors import HubError
from asr_hub.wire.messages import AnyServerMessage, Clear, Close, Configure, Finalize, Start


class Audio(msgspec.Struct, frozen=True):
    """Raw audio in the format of the session."""

    data: bytes


class Encoded(msgspec.Struct, frozen=True):
    """
    A piece of an audio file of any kind: what it decodes to is heard.

    Its session has been started with the usual format: 16 kHz, mono, 16 bit.
    """

    data: bytes


class Text(msgspec.Struct, frozen=True):
    """A text frame for the client."""

    data: str


class Binary(msgspec.Struct, frozen=True):
    """A binary frame for the client."""

    data: bytes


class HangUp(msgspec.Struct, frozen=True):
    """The connection ends: with a WebSocket close code (RFC 6455, 7.4.1) where it is a WebSocket."""

    code: int = 1000
    reason: str = ""


Reply = Text | Binary | HangUp
"""What a client is told."""

Step = Start | Configure | Finalize | Clear | Close | Audio | Encoded | Reply
"""
What is to be done about something the client said.

`Close` ends the session after what was sent before it, and the codec is told `Closed` then; the connection goes on
until a `HangUp`.
"""


class Codec(Protocol):
    """
    One connection. Whatever raises HubError changes nothing, and is then given to `refuse`.

    A `Start` after a `Close` waits until that session is over: what is told before its `Closed` is of that one. No
    other `Start` may come before the codec was told `Closed`.
    """

    def greet(self) -> Sequence[Step]:
        """What is done as soon as the client is connected."""
        ...

    def receive_text(self, text: str) -> Sequence[Step]:
        """A text frame of the client. Raises HubError."""
        ...

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        """A binary frame of the client. Raises HubError."""
        ...

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        """What the session says, `Ready` first and `Closed` last."""
        ...

    def refuse(self, error: HubError) -> Sequence[Reply]:
        """
        Something the client said was refused, or its session cannot go on.

        The session lives on unless a `HangUp` is among the replies, or the error came from `Start`.
        """
        ...

    def late(self) -> Sequence[Reply]:
        """The client has said nothing for as long as it may."""
        ...
