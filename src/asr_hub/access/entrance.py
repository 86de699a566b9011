"""Who may come in, as the configuration says it: the doors of all protocols, and the tokens that the hub makes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from pathlib import Path

from asr_hub.access.door import Door, LockedDoor, OpenDoor
from asr_hub.access.foreign import MIN_SECRET, Issuer
from asr_hub.access.grant import Allowance, Grant, Scope
from asr_hub.access.keys import Key, Keyring
from asr_hub.access.refusals import Refusals
from asr_hub.access.tokens import Token, Tokens
from asr_hub.config import schema
from asr_hub.errors import ConfigError, HubError
from asr_hub.model import SessionId


class Entrance:
    """
    One for each hub. Keys that are taken out of the configuration are good no more from the next `admit` on.

    `tell(code, protocol, times)` hears of those who are turned away, no faster than somebody can read. Raises
    ConfigError.
    """

    def __init__(
        self,
        access: schema.Access,
        *,
        tell: Callable[[str, str, int], None],
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._monotonic = monotonic
        self._refusals = Refusals(tell, monotonic=monotonic)
        self._secret = secrets.token_bytes(MIN_SECRET)
        self._ring: Keyring | None = None
        self._tokens: Tokens
        self._door: Door
        self.prepare(access)()

    def door(self, protocol: str, *, keyless: str | None = None) -> Door:
        """
        The door of one protocol, by the name that its sessions carry.

        `keyless` names a key: who brings none is let in as its owner.
        """
        return _DoorOf(self, protocol, keyless)

    def admit(self, secret: str | None, protocol: str, *, keyless: str | None = None) -> Grant:
        """Raises Unauthorized, RateLimited."""
        try:
            if not secret and keyless is not None:
                return self._door.admit_owner(keyless)
            return self._door.admit(secret)
        except HubError as error:
            self._refusals.note(error, protocol)
            raise

    @property
    def is_locked(self) -> bool:
        """Nobody gets in without a key, but where a dialect lets in those who bring none."""
        return isinstance(self._door, LockedDoor)

    @property
    def max_ttl(self) -> float:
        """Seconds: the longest life of a token."""
        return self._tokens.max_ttl

    def issue(self, grant: Grant, *, scopes: Collection[Scope], session: SessionId | None, ttl: float) -> Token:
        """A token for somebody who is in. Raises Forbidden, ProtocolError."""
        return self._tokens.issue(grant, scopes=scopes, session=session, ttl=ttl)

    def prepare(self, access: schema.Access) -> Callable[[], None]:
        """What puts another configuration in force. Raises ConfigError, and then nothing has changed."""
        own = Tokens(_token_secret(access.tokens) or self._secret, max_ttl=access.tokens.max_ttl_s, now=self._now)
        ring = Keyring(
            [_key(name, it) for name, it in access.keys.items()],
            now=self._now,
            monotonic=self._monotonic,
            former=self._ring,
        )
        issuer = self._issuer(access.jwt) if access.jwt is not None else None

        def commit() -> None:
            self._tokens, self._ring = own, ring
            self._door = LockedDoor(ring, own, issuer) if access.is_on else OpenDoor()

        return commit

    def flush(self) -> None:
        """Tell of everybody who was turned away and not told of yet."""
        self._refusals.flush()

    def _issuer(self, jwt: schema.Jwt) -> Issuer:
        if jwt.public_key is None:
            key = (jwt.secret or "").encode()
        else:
            try:
                key = Path(jwt.public_key).read_bytes()
            except OSError as exc:
                raise ConfigError(
                    f"access.jwt.public_key: {jwt.public_key} cannot be read: {exc.strerror}; name a PEM file"
                ) from None
        try:
            return Issuer(
                key,
                algorithm=jwt.algorithm,
                audience=jwt.audience,
                issuer=jwt.issuer,
                leeway=jwt.leeway_s,
                allowance=_allowance(jwt),
                now=self._now,
                monotonic=self._monotonic,
            )
        except ConfigError as exc:
            raise ConfigError(f"access.jwt: {exc}") from None


def check_access(access: schema.Access) -> None:
    """Raises ConfigError where a hub could not start with it."""
    Entrance(access, tell=lambda code, protocol, times: None)


class _DoorOf:
    """A door that knows which protocol comes through it."""

    def __init__(self, entrance: Entrance, protocol: str, keyless: str | None) -> None:
        self._entrance = entrance
        self._protocol = protocol
        self._keyless = keyless

    def admit(self, secret: str | None) -> Grant:
        return self._entrance.admit(secret, self._protocol, keyless=self._keyless)

    def admit_owner(self, name: str) -> Grant:
        return self._entrance.admit(None, self._protocol, keyless=name)


def _key(name: str, key: schema.Key) -> Key:
    return Key(
        name=name,
        id=key.id,
        sha256=key.hash,
        scopes=frozenset(map(Scope, key.scopes)),
        allowance=_allowance(key),
        expires_at=key.expires_at.timestamp() if key.expires_at is not None else None,
    )


def _allowance(limits: schema.Limits) -> Allowance:
    return Allowance(
        sessions=limits.sessions,
        audio_s_per_hour=limits.audio_s_per_hour,
        requests_per_minute=limits.requests_per_minute,
    )


def _token_secret(tokens: schema.Tokens) -> bytes | None:
    if tokens.secret is None:
        return None
    secret = tokens.secret.encode()
    if len(secret) < MIN_SECRET:
        raise ConfigError(f"access.tokens.secret: must have {MIN_SECRET} bytes at least; take `openssl rand -hex 32`")
    return secret
