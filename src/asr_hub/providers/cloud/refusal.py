"""What a server says when it refuses, as one of the hub's errors: without the key, and with what to do."""

from __future__ import annotations

import math

import msgspec

from asr_hub.errors import HubError, Overloaded, ProviderError, ProviderTimeout, ProviderUnavailable, TooLarge

_LONGEST = 300
"""Characters of a server's message that are passed on."""
_LONGEST_WAIT_S = 3600.0


class Account(msgspec.Struct, frozen=True):
    """On whose behalf a server is asked."""

    name: str
    """Of the provider."""
    key: str
    """Never shown."""
    variable: str
    """The environment variable that holds the key; empty where there is none."""


def refused(
    account: Account, status: int | None, message: object = "", *, code: object = None, retry_after: object = None
) -> HubError:
    """
    The error for an HTTP status, or for an error event, which has none.

    `message`, `code` and `retry_after` are as the server gave them: text, if it kept to the protocol.
    """
    name = account.name
    said = quoted(message, account.key)
    if code == "insufficient_quota":
        return ProviderUnavailable(f"{name}: the account has no credit left{said}; look at its billing page")
    if status == 401 or code == "invalid_api_key":
        # What the server says here often quotes the key in part, so it is not passed on.
        return ProviderUnavailable(f"{name}: the server refuses the key (401); {_check_key(account)}")
    if status == 403:
        return ProviderUnavailable(f"{name}: the server forbids this (403){said}; {_check_key(account)}")
    if status == 429 or code == "rate_limit_exceeded":
        return Overloaded(f"{name}: the server's rate limit is reached{said}", retry_after=seconds(retry_after))
    if status in (408, 504):
        return ProviderTimeout(f"{name}: the server was too slow ({status}){said}")
    if status == 413:
        return TooLarge(f"{name}: the server takes no utterance of this length (413){said}; set an endpointing limit")
    if status == 404:
        return ProviderError(
            f"{name}: the server does not know this (404){said}; check `model` and `base_url`", retryable=False
        )
    where = f" ({status})" if status is not None else ""
    if status is not None and status >= 500:
        return ProviderError(f"{name}: the server failed{where}{said}", retry_after=seconds(retry_after))
    # An error event has no status, and nothing else tells whether it would be said again.
    return ProviderError(f"{name}: the server refuses the request{where}{said}", retryable=status is None)


def quoted(message: object, key: str = "") -> str:
    """`: "message"` on one line, cut short and without the key; nothing for an empty one."""
    text = message if isinstance(message, str) else ""
    if key:
        text = text.replace(key, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST]).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return f': "{text}"' if text else ""


def seconds(retry_after: object) -> float | None:
    """Seconds in a `Retry-After` header; none where it holds something else, such as a date."""
    try:
        wait = float(str(retry_after))
    except ValueError:
        return None
    return min(wait, _LONGEST_WAIT_S) if math.isfinite(wait) and wait >= 0 else None


def _check_key(account: Account) -> str:
    if not account.variable:
        return "name the environment variable with its key as `api_key_env`"
    return f"check the key in the environment variable {account.variable}"
