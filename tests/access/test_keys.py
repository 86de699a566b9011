"""Keys: made, recognised, refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr_hub.access.grant import Allowance, Scope
from asr_hub.access.keys import Key, Keyring, digest, id_of, new_key
from asr_hub.errors import RateLimited, Unauthorized

pytestmark = pytest.mark.unit

KEY = new_key()
SCOPES = frozenset({Scope.SPEAK})


def known(**fields: object) -> Key:
    return Key(**{"name": "phone", "id": KEY.id, "sha256": KEY.sha256, "scopes": SCOPES, **fields})  # type: ignore[arg-type]


def ring(*keys: Key, now: float = 1000.0, former: Keyring | None = None) -> Keyring:
    return Keyring(keys, now=lambda: now, monotonic=lambda: 0.0, former=former)


def test_a_key_can_be_recognised_and_holds_256_bits_of_chance() -> None:
    low, high = new_key(lambda size: bytes(size)), new_key(lambda size: b"\xff" * size)
    assert low.secret == "ah_000000000000_" + "0" * 43
    assert re.fullmatch(r"ah_f{12}_[0-9A-Za-z]{43}", high.secret)
    assert new_key().secret != new_key().secret
    assert id_of(KEY.secret) == KEY.id
    assert KEY.sha256 == digest(KEY.secret)


def test_what_the_hub_keeps_does_not_hold_the_key() -> None:
    secret = KEY.secret.rpartition("_")[2]
    assert secret not in repr(known())


def test_the_owner_is_let_in() -> None:
    grant = ring(known()).grant(KEY.secret)
    assert (grant.name, grant.scopes, grant.session) == ("phone", SCOPES, None)


def test_a_key_with_a_known_id_and_another_secret_is_refused() -> None:
    forged = f"ah_{KEY.id}_{new_key().secret.rpartition('_')[2]}"
    with pytest.raises(Unauthorized) as refused:
        ring(known()).grant(forged)
    assert refused.value.code == "unauthorized"
    assert forged not in str(refused.value)


def test_a_hash_is_no_key() -> None:
    with pytest.raises(Unauthorized):
        ring(known()).grant(KEY.sha256)


def test_a_key_is_good_until_it_expires() -> None:
    assert ring(known(expires_at=1000.1)).grant(KEY.secret).expires_at == 1000.1
    with pytest.raises(Unauthorized) as refused:
        ring(known(expires_at=1000.0)).grant(KEY.secret)
    assert refused.value.code == "expired"


def test_what_was_used_is_remembered_by_the_next_ring_where_the_allowance_is_the_same() -> None:
    allowance = Allowance(requests_per_minute=1)
    first = ring(known(allowance=allowance))
    meter = first.grant(KEY.secret).meter
    assert meter is not None
    meter.count_request()
    same = ring(known(allowance=allowance, scopes=frozenset(Scope)), former=first).grant(KEY.secret)
    assert same.meter is meter
    with pytest.raises(RateLimited):
        same.meter.count_request()
    other = ring(known(allowance=Allowance(requests_per_minute=2)), former=first).grant(KEY.secret)
    assert other.meter is not None
    other.meter.count_request()


@given(st.text() | st.from_regex(r"ah_[0-9a-f]{12}_[0-9A-Za-z]{43}", fullmatch=True))
@example("\ud800")
@example(KEY.secret + "\n")
@example(KEY.secret.upper())
@example("")
def test_any_text_that_is_not_the_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        ring(known()).grant(text)
    assert refused.value.code == "unauthorized"
