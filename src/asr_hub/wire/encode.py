"""Server messages as bytes."""

from __future__ import annotations

import msgspec

from asr_hub.wire.messages import ServerMessage


def encode(message: ServerMessage) -> bytes:
    """One message as one line of UTF-8 JSON. A message is encoded once, however many connections are told."""
    return _encoder.encode(message)


def with_skipped(encoded: bytes, skipped: int) -> bytes:
    """
    Note in an encoded message how many messages just before it this one reader is not told.

    The rest of the bytes stays shared with the readers that missed nothing. `encoded` must come from `encode` and carry
    no `skipped` of its own.
    """
    return b'%b,"skipped":%d}' % (encoded[:-1], skipped)


_encoder = msgspec.json.Encoder()
