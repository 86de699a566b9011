"""Where every caller of every protocol is let in, or not."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from asr_hub.access import foreign, keys, tokens
from asr_hub.access.foreign import Issuer
from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.access.keys import Keyring
from asr_hub.access.tokens import Tokens
from asr_hub.errors import Unauthorized


class Door(Protocol):
    """What lets callers in."""

    def admit(self, secret: str | None) -> Grant:
        """
        Who brings this key or token, or nothing; counts as one request of theirs.

        Raises Unauthorized (no key, a wrong one, an expired token), RateLimited.
        """
        ...

    def admit_owner(self, name: str) -> Grant:
        """The owner of the key of this name, who brings none; one request. Raises Unauthorized, RateLimited."""
        ...


class OpenDoor:
    """Access control is off: everybody may do everything."""

    def admit(self, secret: str | None) -> Grant:
        return ANYBODY

    def admit_owner(self, name: str) -> Grant:
        return ANYBODY


class LockedDoor:
    """
    Lets in who brings a key of the ring, a token of the hub, or a token of the issuer.

    What it is decided by its shape: `ah_` is a key, `aht_` a token of the hub, and the rest is for the issuer.
    """

    def __init__(self, ring: Keyring, own: Tokens, issuer: Issuer | None = None) -> None:
        self._ring = ring
        self._own = own
        self._issuer = issuer

    def admit(self, secret: str | None) -> Grant:
        if not secret:
            raise Unauthorized("this hub wants a key; send it as `Authorization: Bearer KEY`")
        return _counted(self._known(secret))

    def admit_owner(self, name: str) -> Grant:
        return _counted(self._ring.grant_to_owner(name))

    def _known(self, secret: str) -> Grant:
        if secret.startswith(tokens.PREFIX):
            return self._of_token(secret)
        if self._issuer is not None and not secret.startswith(keys.PREFIX):
            return self._issuer.grant(secret)
        return self._ring.grant(secret)

    def _of_token(self, secret: str) -> Grant:
        """What its maker may do now, and no more than it was made for."""
        claims = self._own.read(secret)
        maker = self._maker(claims.subject)
        return replace(
            maker,
            scopes=maker.scopes & claims.scopes,
            session=claims.session,
            expires_at=min(claims.expires_at, maker.expires_at or claims.expires_at),
        )

    def _maker(self, subject: str) -> Grant:
        """Raises Unauthorized where the maker of a token is not known here any more."""
        if self._issuer is not None and subject.startswith(foreign.PREFIX):
            return self._issuer.grant_to_maker(subject)
        return self._ring.grant_to_maker(subject)


def _counted(grant: Grant) -> Grant:
    if grant.meter is not None:
        grant.meter.count_request()
    return grant
