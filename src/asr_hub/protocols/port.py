"""The hub as a protocol sees it. From here there is no way to the store, a provider or an audio operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.model import Role, SessionId
from asr_hub.wire.messages import AnyClientMessage, Attach, Clear, Close, Configure, Finalize, Reset, Start


class AttachmentPort(Protocol):
    """One connection's hold on one session. Every call returns at once; none may be made after `detach`."""

    session: SessionId
    role: Role

    def push(self, audio: bytes) -> bool:
        """
        Take raw audio in the session's format.

        Returns whether there is room for more. After `False` the connection stops reading from its peer until
        `on_room` is called: that wait is the back-pressure. Raises UnsupportedAudio, ProtocolError (a viewer sends no
        audio), TooLarge (the peer went on sending regardless); the audio of a call that raises is not taken.
        """
        ...

    def configure(self, message: Configure) -> None:
        """Raises NotFound for an unknown provider, ProtocolError for a viewer."""
        ...

    def finalize(self) -> None: ...

    def clear(self) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None:
        """
        End the session now: nobody waits for what it has not heard, and its slot is freed.

        Nothing where it is over. Raises ProtocolError for a viewer, Conflict where the session was taken over.
        """
        ...

    def read(self) -> list[bytes]:
        """
        The encoded server messages not read yet, in order, `ready` first.

        Raises SlowClient when the session no longer keeps what this connection has yet to read.
        """
        ...

    def check(self) -> None:
        """Raises what a command would now: Conflict where the session was taken over, ProtocolError where it closes."""
        ...

    @property
    def is_over(self) -> bool:
        """`closed` has been read: nothing follows."""
        ...

    @property
    def last_seq(self) -> int:
        """The `seq` of the message read last."""
        ...

    def detach(self) -> None:
        """The connection is gone; the session lives on for its resume window. May be called twice."""
        ...


class HubPort(Protocol):
    """Opens sessions and attaches connections to them. `on_messages` and `on_room` are called on the event loop."""

    def open(
        self,
        start: Start,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> AttachmentPort:
        """Raises Overloaded, NotFound, UnsupportedAudio, ProviderUnavailable, Forbidden, RateLimited."""
        ...

    def attach(
        self,
        attach: Attach,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> AttachmentPort:
        """
        Raises NotFound (unknown or expired), Conflict (a second publisher), ProtocolError (a `seq` not yet said),
        Forbidden (not granted, or the session of somebody else).
        """
        ...

    def snapshot(self, session: SessionId) -> Reset:
        """
        Where a session stands, for a reader that lost its place. Attach with its `seq` before anything else happens.

        Raises NotFound. Asks for no grant: it is for those who are let in to the session already.
        """
        ...


class DoorPort(Protocol):
    """Where every caller of every protocol is let in."""

    def admit(self, secret: str | None) -> Grant:
        """
        Who brings this key or token, or nothing; counts as one request of theirs.

        Raises Unauthorized (no key, a wrong one, an expired token), RateLimited.
        """
        ...


def join(
    hub: HubPort,
    message: Start | Attach,
    *,
    protocol: str,
    on_messages: Callable[[], None],
    on_room: Callable[[], None],
    grant: Grant = ANYBODY,
) -> AttachmentPort:
    """Open a session or attach to one, as the first message of a connection asks. Raises what those raise."""
    if isinstance(message, Start):
        return hub.open(message, protocol=protocol, on_messages=on_messages, on_room=on_room, grant=grant)
    return hub.attach(message, protocol=protocol, on_messages=on_messages, on_room=on_room, grant=grant)


def obey(attachment: AttachmentPort, message: AnyClientMessage) -> None:
    """Do what a message of an attached connection asks. Raises what the call raises."""
    match message:
        case Configure():
            attachment.configure(message)
        case Finalize():
            attachment.finalize()
        case Clear():
            attachment.clear()
        case Close():
            attachment.close()
        case _:
            pass
