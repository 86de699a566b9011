"""
Every error the hub raises on purpose.

* HubError
  + ConfigError             a setting is missing or wrong
  + ClientError             the peer broke a rule; the same request will fail again
    - ProtocolError           a message that cannot be parsed or is not allowed now
      * SessionClosing          it crossed the news that the session closes
    - UnsupportedAudio        audio the hub cannot take
    - NotFound                no such session, provider or file
    - Conflict                somebody else holds what was asked for
    - Unauthorized            no key, or the wrong one
    - Forbidden               known, and not allowed this
    - TooLarge                more bytes or seconds than are allowed
    - RateLimited             too many requests
  + Overloaded              no room now; come back after `retry_after`
    - SlowClient              this client reads too slowly to be told everything
  + ProviderError           the engine failed
    - ProviderUnavailable     not installed, no weights, or not started
    - ProviderTimeout         no answer in time
    - ProviderDied            the engine's process ended in the middle
    - ProviderGarbled         what the engine says cannot be speech
    - OutOfMemory             the device has no memory left
    - PassLate                a later look at an utterance that came too late to be told
    - PassRefused             one that must not be told

A `ClientError` carries a finer `code` than its class where a client can act on it: the code is the name on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class HubError(Exception):
    """Base of the tree. `code` goes on the wire and stays; the message is for people and says what to do."""

    code: str = "internal"
    retryable: bool = False
    """Whether the same request may succeed later. An error may know better than its class."""
    retry_after: float | None = None
    """Seconds"""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if retry_after is not None:
            self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable


class ConfigError(HubError):
    code = "config"


class ClientError(HubError):
    code = "client"


class ProtocolError(ClientError):
    code = "protocol"


class SessionClosing(ProtocolError):
    """Nobody's fault: the hub closes the session, and what the client says meanwhile is not taken."""

    code = "closing"


class UnsupportedAudio(ClientError):
    code = "unsupported-audio"


class NotFound(ClientError):
    code = "not-found"


class Conflict(ClientError):
    code = "conflict"


class Unauthorized(ClientError):
    code = "unauthorized"


class Forbidden(ClientError):
    code = "forbidden"


class TooLarge(ClientError):
    code = "too-large"


class RateLimited(ClientError):
    code = "rate-limited"
    retryable = True


class Overloaded(HubError):
    code = "overloaded"
    retryable = True
    retry_after = 5.0


class SlowClient(Overloaded):
    code = "slow-client"
    retry_after = 0.0


class ProviderError(HubError):
    code = "provider"
    retryable = True


class ProviderUnavailable(ProviderError):
    code = "provider-unavailable"


class ProviderTimeout(ProviderError):
    code = "provider-timeout"


class ProviderDied(ProviderError):
    """Whoever was being heard then is told this, whoever's audio it was that ended the process."""


class ProviderGarbled(ProviderError):
    code = "provider-garbled"


class OutOfMemory(ProviderError):
    code = "out-of-memory"


class CorrectionFailed(ProviderError):
    """A final stays as it was heard. `reason` is one word, to be counted: `slow`, `unreachable` …"""

    code = "correction"

    def __init__(
        self, message: str, *, reason: str = "failed", retry_after: float | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after, retryable=retryable)
        self.reason = reason


class PassLate(ProviderError):
    code = "pass-late"


class PassRefused(ProviderError):
    code = "pass-refused"
    retryable = False


def error_of(code: str, message: str) -> HubError:
    """The error that an engine's process told by its code: a ProviderError where the code says nothing more."""
    for kind in (ConfigError, ProviderUnavailable, ProviderTimeout, OutOfMemory, Overloaded, UnsupportedAudio):
        if kind.code == code:
            return kind(message)
    if code == "unsupported-language":
        return NotFound(message, code=code)
    return ProviderError(message)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise the first error of an exception group, so that callers of a task group can name what they catch."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
