"""Socket.IO packets, read so that whatever a client sends becomes an event, an error or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from socketio import packet

BROKEN = "\0broken"
"""The event that a packet becomes which is none. A client that sends it as its own is told the same."""


class StrictPacket(packet.Packet):  # type: ignore[misc]  # the library has no types
    """
    A packet that the server can act on, whatever came.

    The library trusts the counts and places in a packet: a client that announces more binary attachments than it sends
    is collected for ever, and one that names a place outside of them blocks its connection. Nor does it keep a client
    from sending `connect` and `disconnect` as events of its own. All of that is read as the event `BROKEN`.

    Socket.IO protocol, revision 5. No event of the hub has more than one attachment.
    """

    def decode(self, encoded_packet: object) -> int:
        try:
            attachments = super().decode(encoded_packet) or 0
            is_sound = _is_sound(self.packet_type, self.data, attachments)
        except _MALFORMED:
            is_sound = False
        if is_sound:
            return attachments
        self._break()
        return 0

    def add_attachment(self, attachment: object) -> bool:
        if isinstance(attachment, bytes):
            try:
                return bool(super().add_attachment(attachment))
            except _MALFORMED:
                pass
        self._break()
        return True

    def _break(self) -> None:
        self.packet_type = packet.EVENT if not self.attachment_count else packet.BINARY_EVENT
        self.data = [BROKEN]
        self.id = None


def is_connect(data: object) -> bool:
    """Whether a message of Engine.IO asks for a namespace, however oddly its first digit is written."""
    return isinstance(data, str) and data[:1].isdecimal() and int(data[:1]) == packet.CONNECT


def _is_sound(packet_type: object, data: object, attachments: int) -> bool:
    match packet_type:
        case packet.CONNECT | packet.DISCONNECT:
            return attachments == 0
        case packet.EVENT:
            return attachments == 0 and _is_event(data)
        case packet.BINARY_EVENT:
            return attachments == 1 and _is_event(data)
        case packet.ACK:
            return attachments == 0 and isinstance(data, list)
        case _:
            return False


def _is_event(data: object) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in _RESERVED


_RESERVED: Sequence[str] = ("connect", "disconnect", "*")
"""What the library calls its own handlers by."""

_MALFORMED = (ValueError, TypeError, LookupError, OverflowError, RecursionError)
