"""
How events of Wyoming stand in a stream of bytes: a line of JSON, then data, then a payload.

    {"type": …, "data": {…}?, "data_length": n?, "payload_length": m?}\\n   n bytes of JSON   m bytes

The data after the line is merged into that of the line. Checked with the package `wyoming` 1.10.2.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from asr_hub.errors import ProtocolError, TooLarge

MAX_HEADER = 64 * 1024
"""Bytes of the line."""

MAX_DATA = 256 * 1024
"""Bytes of the data after it."""

MAX_PAYLOAD = 2 * 2**20
"""Bytes: a minute of audio at 16 kHz."""


class Event(msgspec.Struct, frozen=True):
    """One event, of the client or of the hub."""

    type: str
    data: dict[str, Any] = {}
    payload: bytes = b""


class Frames:
    """
    The bytes of a connection, cut into those of single events.

    Where a line does not say how its event ends, that line is the last frame; `read` says what is wrong with it.
    """

    __slots__ = ("_buffer", "_searched", "_wanted", "is_broken")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        """Bytes in which there is no end of a line."""
        self._wanted = 0
        """Bytes of the event that is coming in; 0 before its line is whole."""
        self.is_broken = False
        """The next event could begin anywhere: no more of them are found."""

    def feed(self, data: bytes) -> None:
        """What came next."""
        if not self.is_broken:
            self._buffer += data

    def next(self) -> bytes | None:
        """The next whole event; None where more must come first."""
        if not self._wanted and not self._measure():
            return None
        if len(self._buffer) < self._wanted:
            return None
        frame = bytes(self._buffer[: self._wanted])
        del self._buffer[: self._wanted]
        self._wanted = self._searched = 0
        if self.is_broken:
            self._buffer.clear()
        return frame

    def _measure(self) -> bool:
        """Look for the line, which says how long the event is."""
        at = self._buffer.find(b"\n", self._searched, MAX_HEADER)
        if at < 0 and len(self._buffer) < MAX_HEADER:
            self._searched = len(self._buffer)
            return False
        line = bytes(self._buffer[: at + 1 or MAX_HEADER])
        self._wanted = len(line)
        try:
            header = _header(line)
        except (ProtocolError, TooLarge):
            self.is_broken = True
        else:
            self._wanted += header.of_data + header.of_payload
        return True


def read(frame: bytes) -> Event:
    """What an event of a client says. Raises ProtocolError, TooLarge."""
    at = frame.find(b"\n") + 1
    header = _header(frame[:at] if at else frame)
    if len(frame) != at + header.of_data + header.of_payload:
        raise ProtocolError("an event ended before its data and its payload", code="bad-json")
    data = header.data or {}
    if header.of_data:
        try:
            data = {**data, **_data(frame[at : at + header.of_data])}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ProtocolError(
                f"the data of `{header.type[:_SHOWN]}` is no JSON object: {exc}", code="bad-json"
            ) from None
    return Event(header.type, data, frame[at + header.of_data :])


def write(event: Event) -> bytes:
    """An event as its bytes. The data stands after the line: some readers take lines of 64 KiB at most."""
    data = msgspec.json.encode(event.data) if event.data else b""
    header: dict[str, Any] = {"type": event.type, "version": VERSION}
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return b"".join((msgspec.json.encode(header), b"\n", data, event.payload))


VERSION = "1.10.2"
"""Of the protocol, which has that of its package."""


class _Header(msgspec.Struct, frozen=True):
    """With `null` where a client leaves something out."""

    type: str
    data: dict[str, Any] | None = None
    data_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    payload_length: Annotated[int, msgspec.Meta(ge=0)] | None = None

    @property
    def of_data(self) -> int:
        """Bytes that follow the line"""
        return self.data_length or 0

    @property
    def of_payload(self) -> int:
        """Bytes that follow the data"""
        return self.payload_length or 0


def _header(line: bytes) -> _Header:
    if not line.endswith(b"\n"):
        raise TooLarge(f"the line of an event has at most {MAX_HEADER} bytes; put its data after the line")
    try:
        header = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolError(
            f"an event begins with a line of JSON that has a `type`: {exc}. This port speaks Wyoming", code="bad-json"
        ) from None
    if header.of_data > MAX_DATA or header.of_payload > MAX_PAYLOAD:
        raise TooLarge(
            f"an event has at most {MAX_DATA} bytes of data and {MAX_PAYLOAD} bytes of payload; send audio in pieces"
        )
    return header


_SHOWN = 64
"""Characters of what a client said that are told back."""

_decode = msgspec.json.Decoder(_Header).decode
_data: Any = msgspec.json.Decoder(dict[str, Any]).decode
