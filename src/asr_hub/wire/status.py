"""What an error is in HTTP and in gRPC: the one table from the classes of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from asr_hub.errors import (
    ClientError,
    ConfigError,
    Conflict,
    CorrectionFailed,
    Forbidden,
    HubError,
    NotFound,
    OutOfMemory,
    Overloaded,
    PassLate,
    PassRefused,
    ProtocolError,
    ProviderDied,
    ProviderError,
    ProviderGarbled,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    SessionClosing,
    SlowClient,
    TooLarge,
    Unauthorized,
    UnsupportedAudio,
)


class Status(NamedTuple):
    """One error in the words of two protocols."""

    http: int
    """RFC 9110, 15"""
    grpc: str
    """The name of the code in google.rpc.Code."""


STATUS: Mapping[type[HubError], Status] = {
    HubError: Status(500, "INTERNAL"),
    ConfigError: Status(500, "FAILED_PRECONDITION"),
    ClientError: Status(400, "INVALID_ARGUMENT"),
    ProtocolError: Status(400, "INVALID_ARGUMENT"),
    SessionClosing: Status(400, "FAILED_PRECONDITION"),
    UnsupportedAudio: Status(415, "INVALID_ARGUMENT"),
    NotFound: Status(404, "NOT_FOUND"),
    Conflict: Status(409, "FAILED_PRECONDITION"),
    Unauthorized: Status(401, "UNAUTHENTICATED"),
    Forbidden: Status(403, "PERMISSION_DENIED"),
    TooLarge: Status(413, "INVALID_ARGUMENT"),
    RateLimited: Status(429, "RESOURCE_EXHAUSTED"),
    Overloaded: Status(503, "RESOURCE_EXHAUSTED"),
    SlowClient: Status(503, "RESOURCE_EXHAUSTED"),
    ProviderError: Status(502, "UNAVAILABLE"),
    ProviderUnavailable: Status(503, "UNAVAILABLE"),
    ProviderTimeout: Status(504, "DEADLINE_EXCEEDED"),
    ProviderDied: Status(502, "UNAVAILABLE"),
    ProviderGarbled: Status(502, "UNAVAILABLE"),
    PassLate: Status(504, "DEADLINE_EXCEEDED"),
    PassRefused: Status(502, "FAILED_PRECONDITION"),
    OutOfMemory: Status(503, "RESOURCE_EXHAUSTED"),
    CorrectionFailed: Status(502, "UNAVAILABLE"),
}
"""Every class of errors.py."""


def status(error: HubError) -> Status:
    """The line of the nearest class that has one."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
