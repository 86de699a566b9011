"""
What the hub and its engine processes say to each other, and how it is put on a socket.

A frame is a 4-byte big-endian length and one msgpack message of a tagged union. Both ends refuse a length over
`MAX_FRAME`, so neither can be made to hold more than that.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec

MAX_FRAME = 1 << 20
"""Bytes of one message."""

HEADER = struct.Struct(">I")


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin", omit_defaults=True):
    """An utterance begins. Everything the engine needs to know about it."""

    sample_rate: int
    language: str | None = None
    hotwords: tuple[str, ...] = ()
    hotword_weights: dict[str, float] = {}
    """Those other than 1, by hotword."""
    wake_words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    """Only one of these can have been said, whatever the settings say."""
    partials: bool = True
    memory: dict[str, Any] = {}
    """What the session's former utterance left."""


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    pcm: bytes


class End(msgspec.Struct, frozen=True, tag="end"):
    """The utterance is over."""


class HeardWord(msgspec.Struct, frozen=True, array_like=True):
    text: str
    start: int
    """Milliseconds since the utterance began."""
    end: int
    confidence: float | None = None


class HeardAlternative(msgspec.Struct, frozen=True, array_like=True):
    """Another thing that may have been said."""

    text: str
    confidence: float | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True, tag="heard", omit_defaults=True):
    """What was understood so far."""

    text: str
    end: int = 0
    """Milliseconds since the utterance began."""
    start: int = 0
    stable: int = 0
    """Characters at the beginning of `text` that will not change."""
    words: tuple[HeardWord, ...] = ()
    confidence: float | None = None
    language: str | None = None
    """BCP 47, where the engine found out which one it is."""
    tags: dict[str, str] = {}
    """What else the engine says of the utterance: `emotion`, `event` …"""
    alternatives: tuple[HeardAlternative, ...] = ()
    """The best one first; `text` is not among them."""
    is_final: bool = False
    memory: dict[str, Any] = {}
    """For the session's next utterance. Only with the final."""
    suppressed: str = ""
    """Text that was heard and is taken for no speech. Only with a final, whose text is without it."""
    suppressed_because: str = ""
    warnings: tuple[str, ...] = ()
    """What was asked for and cannot be done."""


class Took(msgspec.Struct, frozen=True, tag="took"):
    """So many bytes of audio have been through the engine: as many more may be sent."""

    audio: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The engine cannot go on. `code` is one of the codes of `errors.py`. The process ends after it."""

    code: str
    message: str


class Load(msgspec.Struct, frozen=True, tag="load"):
    """The zygote's first message: which engine, and how."""

    target: str
    """`module:function`, called with the settings, returns an Engine."""
    settings: dict[str, Any]


class Fork(msgspec.Struct, frozen=True, tag="fork"):
    """Make a worker. The socket it shall speak over comes with this message."""

    ticket: int


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """End this worker at once."""

    pid: int


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model is in memory: workers can be forked."""

    version: str


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """A worker stands, or, with no pid, could not be made."""

    ticket: int
    pid: int | None
    message: str = ""


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """A worker has ended and left nothing behind. `status` as `os.waitstatus_to_exitcode` gives it."""

    pid: int
    status: int


ToWorker = Begin | Audio | End
FromWorker = Heard | Took | Failed
ToZygote = Load | Fork | Kill
FromZygote = Loaded | Failed | Forked | Exited

_encoder = msgspec.msgpack.Encoder()


def frame(message: msgspec.Struct) -> bytes:
    """`message` as it goes over a worker's socket. Raises ValueError where it is too large."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise ValueError(f"a message of {len(body)} bytes; the limit is {MAX_FRAME}")
    return HEADER.pack(len(body)) + body


def body_size(header: bytes) -> int:
    """The length a header announces. Raises ValueError where it is too large."""
    (size,) = HEADER.unpack(header)
    if size > MAX_FRAME:
        raise ValueError(f"a message of {size} bytes is announced; the limit is {MAX_FRAME}")
    return int(size)


def receive(sock: socket.socket) -> bytes | None:
    """Block for the body of the next frame; none where the other end has gone."""
    header = _exactly(sock, HEADER.size)
    return None if header is None else _exactly(sock, body_size(header))


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    got = bytearray()
    while len(got) < size:
        piece = sock.recv(size - len(got))
        if not piece:
            return None
        got += piece
    return bytes(got)
