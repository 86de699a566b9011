"""
What the hub and a process that decodes files for clients say to each other.

They are framed as what engine processes say is.
"""

from __future__ import annotations

import msgspec

from asr_hub.audio.files import Limits
from asr_hub.providers.file_messages import Done, Failed


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """The first message to a process."""

    limits: Limits
    memory_bytes: int
    """What it may take beyond what it has when it begins."""
    cpu_s: float
    """Seconds of a processor that one file may take. It is for a process that nobody watches any more."""


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """A file is to be decoded."""

    path: str


class Live(msgspec.Struct, frozen=True, tag="live"):
    """A file begins whose pieces follow."""


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    data: bytes


class End(msgspec.Struct, frozen=True, tag="end"):
    """No piece follows."""


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The process is ready for its first file."""


class Samples(msgspec.Struct, frozen=True, tag="samples"):
    pcm: bytes


class Took(msgspec.Struct, frozen=True, tag="took"):
    """So many bytes of pieces have been read since the last of these."""

    size: int


ToDecoding = Begin | Whole | Live | Piece | End
FromDecoding = Loaded | Samples | Took | Done | Failed
