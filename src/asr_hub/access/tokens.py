"""
Short-lived tokens that the hub makes for its callers: what a browser may hold, and what may stand in a URL.

A token is `aht_` and a JSON Web Token (RFC 7519), signed with a secret of the hub. `sub` is the id of the key that it
was made with, or the name of a foreign subject. It is good for what its maker was good for and still is, or less, and
uses up the allowance of its maker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

import jwt

from asr_hub.access.claims import Claims, read_claims
from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import ProtocolError
from asr_hub.model import SessionId

PREFIX = "aht_"
AUDIENCE = "asr-hub"
ALGORITHM = "HS256"


class Token(NamedTuple):
    """A token that was just made."""

    secret: str
    expires_at: int
    """Seconds since the epoch"""


class Tokens:
    """Makes and reads the hub's own tokens. It keeps none of them, and so cannot take one back."""

    def __init__(self, secret: bytes, *, max_ttl: float, now: Callable[[], float]) -> None:
        self._secret = secret
        self.max_ttl = max_ttl
        """Seconds"""
        self._now = now

    def issue(self, grant: Grant, *, scopes: Collection[Scope], session: SessionId | None, ttl: float) -> Token:
        """
        A token for `ttl` seconds, for less where the grant ends sooner.

        Raises Forbidden for a scope or a session that the grant does not have, ProtocolError for a `ttl` out of bounds.
        """
        if not 1 <= ttl <= self.max_ttl:
            raise ProtocolError(f"ttl_s must be 1 to {self.max_ttl:g}; ask again when it is over", code="bad-value")
        for scope in scopes:
            grant.must(scope)
        if session is None:
            session = None if grant.session is None else SessionId(grant.session)
        else:
            grant.must_reach(session)
        now = self._now()
        expires_at = math.floor(min(now + ttl, math.inf if grant.expires_at is None else grant.expires_at))
        claims: dict[str, object] = {
            "aud": AUDIENCE,
            # A name can be given to another key, an id cannot. An open hub has neither, and "" is the id of no key.
            "sub": grant.key or grant.name,
            "scope": " ".join(sorted(scopes)),
            "exp": expires_at,
        }
        if session is not None:
            claims["session"] = session
        return Token(PREFIX + jwt.encode(claims, self._secret, ALGORITHM), expires_at)

    def read(self, token: str) -> Claims:
        """Raises Unauthorized for a token that is not of this hub or has expired."""
        return read_claims(
            token.removeprefix(PREFIX),
            self._secret,
            algorithm=ALGORITHM,
            audience=AUDIENCE,
            issuer=None,
            leeway=0.0,
            now=self._now,
        )
