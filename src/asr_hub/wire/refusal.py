"""What an error becomes on the wire: the one table from codes to close codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from asr_hub.errors import HubError
from asr_hub.wire.messages import Error


class Ending(NamedTuple):
    """What an error does to the connection it is told to."""

    close_code: int
    """The WebSocket close code (RFC 6455, 7.4.1) where the connection ends with it."""

    is_fatal: bool
    """Whether it ends a connection that is already attached. One that is not yet attached ends with any error."""


NORMAL = 1000
"""The close code after `closed`."""

ENDINGS: Mapping[str, Ending] = {
    # A message that cannot be read.
    "bad-frame": Ending(1002, True),
    "bad-utf8": Ending(1007, True),
    "bad-json": Ending(1007, False),
    "unknown-message": Ending(1008, False),
    "unknown-field": Ending(1008, False),
    "missing-field": Ending(1008, False),
    "wrong-type": Ending(1008, False),
    "bad-value": Ending(1008, False),
    "text-too-large": Ending(1009, True),
    # A message that is not allowed now.
    "not-started": Ending(1008, True),
    "already-started": Ending(1008, False),
    "viewer-may-not": Ending(1008, False),
    "closing": Ending(1008, False),
    "start-timeout": Ending(1008, True),
    "too-many-errors": Ending(1008, True),
    # Audio.
    "empty-audio": Ending(1008, False),
    "text-in-binary": Ending(1008, False),
    "frame-too-large": Ending(1009, True),
    "unsupported-audio": Ending(1003, True),
    "unsupported-rate": Ending(1003, True),
    "unsupported-channels": Ending(1003, True),
    "odd-byte-count": Ending(1003, True),
    "container-in-raw-audio": Ending(1003, True),
    "float32-as-int16": Ending(1003, True),
    "int16-as-float32": Ending(1003, True),
    "float32-not-normalised": Ending(1003, True),
    "wrong-byte-order": Ending(1003, True),
    # Sessions and providers.
    "unknown-session": Ending(1008, False),
    "unknown-job": Ending(1008, True),
    "jobs-unavailable": Ending(1013, True),
    "unknown-provider": Ending(1008, False),
    "unsupported-language": Ending(1008, False),
    "second-publisher": Ending(1008, False),
    "taken-over": Ending(1008, True),
    "stale-seq": Ending(1008, False),
    "resume-gap": Ending(1008, False),
    "draining": Ending(1013, True),
    # The classes of errors.py, for whatever finer code has no line of its own.
    "protocol": Ending(1008, False),
    "client": Ending(1008, False),
    "not-found": Ending(1008, False),
    "conflict": Ending(1008, False),
    "unauthorized": Ending(1008, True),
    "forbidden": Ending(1008, False),
    "too-large": Ending(1009, True),
    "rate-limited": Ending(1013, False),
    # What is on its way behind the refused audio must not be taken in its place.
    "audio-quota": Ending(1013, True),
    "overloaded": Ending(1013, True),
    "slow-client": Ending(1013, True),
    "shutting-down": Ending(1012, True),
    "provider": Ending(1011, False),
    "provider-unavailable": Ending(1013, False),
    "provider-timeout": Ending(1011, False),
    "out-of-memory": Ending(1011, False),
    "config": Ending(1011, True),
    "internal": Ending(1011, True),
}
"""Every code that a connection can be told, with what it does."""


def ending(error: HubError) -> Ending:
    """The line of the table for an error: its own code, or else the code of the nearest class above it."""
    above = [cls.code for cls in type(error).__mro__ if issubclass(cls, HubError)]
    for code in (error.code, *above):
        if found := ENDINGS.get(code):
            return found
    return ENDINGS["internal"]


def as_message(error: HubError, *, seq: int) -> Error:
    """The error as one connection is told it. `seq` is that of the message it read last: errors do not advance it."""
    return Error(
        seq=seq,
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
    )
