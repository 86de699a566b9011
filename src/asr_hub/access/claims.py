"""What a signed token says, and whether to believe it (RFC 7519, and RFC 8725 on what goes wrong there)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jwt
import msgspec

from asr_hub.access.grant import Scope
from asr_hub.errors import Unauthorized

MAX_BYTES = 4096
"""Of a token. A longer one is not looked at."""
MAX_NAME = 128
"""Characters of a subject or a session."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub reads of a token."""

    subject: str
    scopes: frozenset[Scope]
    session: str | None
    expires_at: float
    """Seconds since the epoch"""


def read_claims(
    token: str,
    key: Any,  # whatever PyJWT prepared from the secret or the public key
    *,
    algorithm: str,
    audience: str | None,
    issuer: str | None,
    leeway: float,
    now: Callable[[], float],
) -> Claims:
    """
    The claims of a token that `key` signed with `algorithm`, whatever the token itself says of that.

    Raises Unauthorized: not signed so, not for this hub, not yet or no longer good, or without `exp` and `sub`.
    Scopes that the hub does not know are left out. The times are judged by `now`.
    """
    if len(token) > MAX_BYTES:
        raise Unauthorized(f"this token is longer than {MAX_BYTES} bytes; send a smaller one")
    try:
        said: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            options={
                "require": ["exp", "sub"],
                "verify_aud": audience is not None,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        return _believed(said, leeway=leeway, now=now())
    except jwt.InvalidAudienceError:
        raise Unauthorized("this token is for another audience; ask for one for this hub") from None
    except jwt.InvalidIssuerError:
        raise Unauthorized("this token is of another issuer; ask the one that the hub is set up for") from None
    except jwt.MissingRequiredClaimError as exc:
        raise Unauthorized(f"this token has no `{exc.claim}`; ask for one with it") from None
    # The parts of a token are read before the signature is: they may be anything that JSON can say.
    except (jwt.PyJWTError, RecursionError, ValueError, TypeError, OverflowError):
        raise Unauthorized("this token is not good here; ask for a new one") from None


def _believed(said: dict[str, Any], *, leeway: float, now: float) -> Claims:
    """Raises Unauthorized, TypeError, ValueError."""
    expires_at, begins_at = float(said["exp"]), float(said.get("nbf", -math.inf))
    if not expires_at > now - leeway:
        raise Unauthorized("this token has expired; ask for a new one", code="expired")
    if not begins_at <= now + leeway:
        raise Unauthorized("this token is not good yet; check the clocks of this machine and of its issuer")
    subject, session, scope = said["sub"], said.get("session"), said.get("scope", "")
    words = scope.split() if isinstance(scope, str) else scope
    if not isinstance(words, list) or not _is_name(subject) or not (session is None or _is_name(session)):
        raise ValueError("a claim of another type")
    return Claims(
        subject=subject,
        scopes=frozenset(known for known in Scope if known.value in words),
        session=session,
        expires_at=expires_at,
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_NAME
