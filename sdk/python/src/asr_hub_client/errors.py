"""
Every error that this package raises on purpose.

* HubClientError
  + Refused           the hub said no: `code` and the message say why and what to do
    - Unauthorized      no key, the wrong one, or one that is not good for this
  + Unreachable       no hub answers at this address
  + SessionLost       not to be taken up again after a break, or ended by the hub before it took all audio
  + SessionOver       audio or a command came after the end of the session
  + MissingExtra      an optional package is not installed
  + UnreadableAudio   a file that cannot be decoded here
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from asr_hub_client.state import SessionState


class HubClientError(Exception):
    """Base of the tree. The message is for people and says what to do."""


class Refused(HubClientError):
    """The hub said no."""

    def __init__(
        self, message: str, *, code: str, is_retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        """One of the codes of docs/reference/protocol.md."""
        self.is_retryable = is_retryable
        """Whether the same request may succeed later."""
        self.retry_after = retry_after
        """Seconds"""


class Unauthorized(Refused):
    """No key, the wrong one, or one that is not good for this."""


class Unreachable(HubClientError):
    """No hub answers at this address."""


class SessionLost(HubClientError):
    """
    The connection broke and the session could not be taken up again, or the hub ended it before it took all audio.

    `audio` is what was said and not acknowledged, with what was given to the call that raised this: send it in a new
    session to have it heard.
    """

    def __init__(self, message: str, *, state: SessionState, reason: str | None = None) -> None:
        super().__init__(message)
        self.state = state
        self.reason = reason
        """That of `Closed`, such as `shutdown`, where the hub ended the session."""

    @property
    def audio(self) -> bytes:
        """Raw audio in the session's format."""
        return self.state.audio

    def with_more(self, audio: bytes) -> SessionLost:
        """The same, for a call that had more to say."""
        return SessionLost(str(self), state=replace(self.state, audio=self.state.audio + audio), reason=self.reason)


class SessionOver(HubClientError):
    """Audio or a command came after the end of the session."""


class MissingExtra(HubClientError):
    """An optional package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a package that is not installed: pip install 'asr-hub-client[{extra}]'")
        self.extra = extra


class UnreadableAudio(HubClientError):
    """A file that cannot be decoded here."""


class LinkBroken(Exception):
    """The connection ended before the session did. Never reaches a caller of this package."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds"""


def refused(code: str, message: str, *, is_retryable: bool = False, retry_after: float | None = None) -> Refused:
    """The error for a code of the hub."""
    kind = Unauthorized if code in _ACCESS else Refused
    return kind(message, code=code, is_retryable=is_retryable, retry_after=retry_after)


def refused_over_http(status: int, body: bytes, headers: Mapping[str, str]) -> Refused:
    """The error in an HTTP answer: the hub's own, or what a proxy before it says."""
    retry_after = _seconds(headers.get("retry-after"))
    try:
        error = msgspec.json.decode(body, type=_Answer).error
    except msgspec.MsgspecError:
        codes = {401: "unauthorized", 403: "forbidden", 404: "not-found", 429: "rate-limited"}
        return refused(
            codes.get(status, "http"),
            f"the hub answered {status}; is the address that of an ASR Hub?",
            is_retryable=status in _PASSING,
            retry_after=retry_after,
        )
    return refused(error.code, error.message, is_retryable=error.retryable, retry_after=retry_after)


class _Reason(msgspec.Struct, frozen=True):
    code: str
    message: str
    retryable: bool = False


class _Answer(msgspec.Struct, frozen=True):
    error: _Reason


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(float(text), 0.0)
    except ValueError:
        return None


_ACCESS = frozenset({"unauthorized", "forbidden", "missing-scope", "foreign-session", "foreign-origin"})

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may be gone at the next try."""
