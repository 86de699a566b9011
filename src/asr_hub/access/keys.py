"""
Keys: what they look like, and the ring of those that a hub knows.

A key is `ah_`, twelve hexadecimal digits that name it, `_`, and 256 random bits. The hub keeps its SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from asr_hub.access.grant import Allowance, Grant, Meter, Scope
from asr_hub.errors import Unauthorized

PREFIX = "ah_"
"""So that a key that leaked is found by whoever looks for it."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the hub knows it. The key itself is only with its owner."""

    name: str
    id: str
    """12 hexadecimal digits, the part of the key that is no secret."""
    sha256: str
    """Of the whole key, 64 hexadecimal digits."""
    scopes: frozenset[Scope]
    allowance: Allowance = Allowance()
    expires_at: float | None = None
    """Seconds since the epoch"""


class NewKey(NamedTuple):
    """A key that was just made."""

    secret: str
    """The key itself: shown once, and kept nowhere."""
    id: str
    sha256: str


def new_key(random: Callable[[int], bytes] = secrets.token_bytes) -> NewKey:
    """A fresh key. `random` gives that many bytes nobody can guess."""
    id = random(6).hex()
    # Letters and digits only: with the `-` of base64 a double click would not take the whole key.
    secret = f"{PREFIX}{id}_{_base62(random(32))}"
    return NewKey(secret, id, digest(secret))


def digest(secret: str) -> str:
    """The SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(secret: str) -> str | None:
    """The part of a key that names it; none where this is no key."""
    found = _SHAPE.fullmatch(secret)
    return found[1] if found else None


class Keyring:
    """
    The keys of one hub. A key is found by its id, whatever their number.

    Keys that were in the `former` ring with the same allowance go on with what they had left there.
    """

    def __init__(
        self,
        keys: Iterable[Key],
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        former: Keyring | None = None,
    ) -> None:
        self._now = now
        self._by_id: dict[str, tuple[Key, Meter | None]] = {}
        for key in keys:
            known, meter = former._by_id.get(key.id, _NOBODY) if former is not None else _NOBODY
            if meter is None or known.allowance != key.allowance:
                meter = Meter(key.allowance, now=monotonic)
            self._by_id[key.id] = key, meter

    def __len__(self) -> int:
        return len(self._by_id)

    def grant(self, secret: str) -> Grant:
        """
        What the owner of the key may do.

        Raises Unauthorized. An id that is not known takes as long as a key that is wrong.
        """
        key, meter = self._by_id.get(id_of(secret) or "", _NOBODY)
        is_right = hmac.compare_digest(digest(secret), key.sha256)
        if not is_right or meter is None:
            raise Unauthorized("this key is not known; check that it is whole, or ask for a new one")
        return self._of(key, meter)

    def grant_to_maker(self, id: str) -> Grant:
        """What the key of this id may do, for a token that was made with it. Raises Unauthorized."""
        key, meter = self._by_id.get(id, _NOBODY)
        if meter is None:
            raise Unauthorized("the key that this token was made with is gone; ask for a new one")
        return self._of(key, meter)

    def grant_to_owner(self, name: str) -> Grant:
        """What the key of this name may do, for who comes where no key can be brought. Raises Unauthorized."""
        for key, meter in self._by_id.values():
            if key.name == name and meter is not None:
                return self._of(key, meter)
        raise Unauthorized(f"the key `{name}`, as whose owner callers are let in here, is gone")

    def _of(self, key: Key, meter: Meter) -> Grant:
        """Raises Unauthorized."""
        if key.expires_at is not None and self._now() >= key.expires_at:
            raise Unauthorized(f"the key `{key.name}` has expired; ask for a new one", code="expired")
        return Grant(
            name=key.name,
            key=key.id,
            scopes=key.scopes,
            allowance=key.allowance,
            expires_at=key.expires_at,
            meter=meter,
        )


_SHAPE = re.compile(r"ah_([0-9a-f]{12})_[0-9A-Za-z]{43}", re.ASCII)

_NOBODY: tuple[Key, Meter | None] = (Key(name="", id="", sha256="0" * 64, scopes=frozenset()), None)

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _base62(raw: bytes) -> str:
    """43 digits for 32 bytes."""
    number, digits = int.from_bytes(raw), ""
    while len(digits) < 43:
        number, digit = divmod(number, 62)
        digits += _DIGITS[digit]
    return digits
