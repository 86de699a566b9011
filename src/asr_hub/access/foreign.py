"""Tokens that another service signs: who its users are, and what they may do here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import jwt
from jwt.algorithms import get_default_algorithms

from asr_hub.access.claims import read_claims
from asr_hub.access.grant import Allowance, Grant, Meter
from asr_hub.errors import ConfigError

Algorithm = Literal["HS256", "RS256", "ES256"]

MIN_SECRET = 32
"""Bytes of a secret for HS256 (RFC 7518, 3.2)."""
MAX_SUBJECTS = 4096
"""Subjects whose use is remembered. Of more, those not seen for longest begin anew."""
PREFIX = "jwt:"
"""Of the name of a subject, so that none can be called like a key."""


class Issuer:
    """One service whose tokens are taken. The algorithm is the configuration's, never the token's."""

    def __init__(
        self,
        key: bytes,
        *,
        algorithm: Algorithm,
        audience: str | None = None,
        issuer: str | None = None,
        leeway: float = 10.0,
        allowance: Allowance | None = None,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """
        `key` is the secret for HS256, and else the public key, PEM. The allowance holds for each subject.

        Raises ConfigError.
        """
        self._key = _prepared(key, algorithm)
        self._algorithm = algorithm
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._allowance = allowance or Allowance()
        self._now = now
        self._monotonic = monotonic
        self._meters: OrderedDict[str, Meter] = OrderedDict()

    def grant(self, token: str) -> Grant:
        """What the bearer of the token may do. Raises Unauthorized."""
        claims = read_claims(
            token,
            self._key,
            algorithm=self._algorithm,
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            now=self._now,
        )
        name = PREFIX + claims.subject
        return Grant(
            name=name,
            scopes=claims.scopes,
            session=claims.session,
            allowance=self._allowance,
            expires_at=claims.expires_at + self._leeway,
            meter=self._meter(name),
        )

    def grant_to_maker(self, name: str) -> Grant:
        """The allowance of the subject of this name, for a token that it made. What it may do stands in that token."""
        return Grant(name=name, allowance=self._allowance, meter=self._meter(name))

    def _meter(self, name: str) -> Meter:
        meter = self._meters.pop(name, None) or Meter(self._allowance, now=self._monotonic)
        self._meters[name] = meter
        if len(self._meters) > MAX_SUBJECTS:
            self._meters.popitem(last=False)
        return meter


def _prepared(key: bytes, algorithm: Algorithm) -> Any:  # what PyJWT takes for this algorithm
    if algorithm == "HS256" and len(key) < MIN_SECRET:
        raise ConfigError(f"the secret for HS256 must have {MIN_SECRET} bytes at least; take `openssl rand -hex 32`")
    found = get_default_algorithms().get(algorithm)
    if found is None:
        raise ConfigError(f"{algorithm} needs the package cryptography; do: pip install 'asr-hub[tls]'")
    try:
        return found.prepare_key(key)
    except (jwt.InvalidKeyError, ValueError, TypeError):
        raise ConfigError(f"the key for {algorithm} is none; give the file of the public key, PEM") from None
