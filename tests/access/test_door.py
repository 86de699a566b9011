"""Who is let in by a key, by a token of the hub, by a token of somebody else."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from asr_hub.access.entrance import Entrance, check_access
from asr_hub.access.foreign import MAX_SUBJECTS
from asr_hub.access.grant import ANYBODY, Grant, Scope
from asr_hub.access.keys import new_key
from asr_hub.config.schema import Access
from asr_hub.errors import ConfigError, Forbidden, ProtocolError, RateLimited, Unauthorized
from asr_hub.model import SessionId

pytestmark = pytest.mark.unit

KEY, ADMIN = new_key(), new_key()
SECRET = "s" * 32
ISSUER = {"algorithm": "HS256", "secret": SECRET, "leeway_s": 10}
NOW = 1_800_000_000.0
KEYS = {
    "phone": {"id": KEY.id, "hash": KEY.sha256},
    "boss": {"id": ADMIN.id, "hash": ADMIN.sha256, "scopes": ["admin"]},
}


class Hall:
    """An entrance with clocks that a test can turn."""

    def __init__(self, **access: Any) -> None:
        self.now, self.monotonic = NOW, 0.0
        self.told: list[tuple[str, str, int]] = []
        self.entrance = Entrance(
            Access.model_validate({"keys": KEYS, **access}),
            tell=lambda *what: self.told.append(what),
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    def admit(self, secret: str | None) -> Grant:
        return self.entrance.door("http").admit(secret)

    def reload(self, **access: Any) -> None:
        self.entrance.prepare(Access.model_validate(access))()

    def refusal(self, secret: str | None) -> str:
        with pytest.raises((Unauthorized, RateLimited)) as refused:
            self.admit(secret)
        return refused.value.code

    def token(self, by: str = KEY.secret, *scopes: Scope, session: str | None = None, ttl: float = 60) -> str:
        wanted = SessionId(session) if session is not None else None
        return self.entrance.issue(self.admit(by), scopes=scopes, session=wanted, ttl=ttl).secret


def issued(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    said = {"sub": "alice", "exp": NOW + 60, "scope": "speak watch", **claims}
    return jwt.encode({name: it for name, it in said.items() if it is not None}, key, algorithm, headers)


def hall_of_issuer(**settings: Any) -> Hall:
    return Hall(jwt={**ISSUER, **settings})


# Whether anybody is asked.


def test_without_keys_everybody_may_do_everything() -> None:
    hall = Hall(keys={})
    assert hall.admit(None) is hall.admit("anything") is ANYBODY


def test_keys_that_are_switched_off_are_not_asked_for() -> None:
    assert Hall(required="off").admit(None) is ANYBODY


def test_with_keys_a_caller_without_one_is_refused() -> None:
    assert Hall().refusal(None) == Hall().refusal("") == "unauthorized"


# Protocols whose clients can bring no key.


def test_who_can_bring_no_key_is_let_in_as_the_owner_of_one() -> None:
    hall = Hall(keys={**KEYS, "phone": {**KEYS["phone"], "requests_per_minute": 1}})
    door = hall.entrance.door("wyoming", keyless="phone")
    grant = door.admit(None)
    assert (grant.name, grant.key) == ("phone", KEY.id)
    # It is their allowance that is used up, and nobody else's.
    assert hall.refusal(KEY.secret) == "rate-limited"
    with pytest.raises(RateLimited):
        door.admit(None)
    assert door.admit(ADMIN.secret).name == "boss"


def test_a_wrong_key_is_refused_also_where_none_is_needed() -> None:
    with pytest.raises(Unauthorized):
        Hall().entrance.door("vosk", keyless="phone").admit("ah_wrong")


def test_the_owner_of_a_key_that_is_gone_or_expired_is_nobody() -> None:
    hall = Hall(keys={**KEYS, "boss": {**KEYS["boss"], "expires_at": "2027-01-01T00:00:00Z"}})
    with pytest.raises(Unauthorized) as refused:
        hall.entrance.door("vosk", keyless="boss").admit(None)
    assert refused.value.code == "expired"
    hall.reload(keys={"boss": KEYS["boss"]})
    with pytest.raises(Unauthorized, match="phone"):
        hall.entrance.door("vosk", keyless="phone").admit(None)
    assert hall.told[-1][1] == "vosk"


def test_without_keys_nobody_needs_to_be_the_owner_of_one() -> None:
    assert Hall(keys={}).entrance.door("vosk", keyless="phone").admit(None) is ANYBODY


# Tokens of the hub.


def test_a_token_is_good_for_what_was_asked_and_for_nothing_else() -> None:
    hall = Hall()
    grant = hall.admit(hall.token(KEY.secret, Scope.WATCH, session="s1"))
    assert (grant.name, grant.scopes, grant.session) == ("phone", {Scope.WATCH}, "s1")
    grant.must_reach(SessionId("s1"))
    with pytest.raises(Forbidden) as refused:
        grant.must_reach(SessionId("s2"))
    assert refused.value.code == "foreign-session"
    with pytest.raises(Forbidden) as refused:
        grant.must_open()
    assert refused.value.code == "missing-scope"


def test_a_token_for_one_session_opens_no_other() -> None:
    hall = Hall()
    with pytest.raises(Forbidden) as refused:
        hall.admit(hall.token(KEY.secret, Scope.SPEAK, session="s1")).must_open()
    assert refused.value.code == "foreign-session"


def test_only_a_grant_for_any_session_may_roam() -> None:
    hall = Hall()
    hall.admit(ADMIN.secret).must_roam()
    hall.admit(hall.token(ADMIN.secret, Scope.ADMIN)).must_roam()
    with pytest.raises(Forbidden) as refused:
        hall.admit(hall.token(ADMIN.secret, Scope.ADMIN, session="s1")).must_roam()
    assert refused.value.code == "foreign-session"


def test_nobody_gets_a_token_for_more_than_they_may_do() -> None:
    hall = Hall()
    with pytest.raises(Forbidden):
        hall.token(KEY.secret, Scope.ADMIN)
    narrow = hall.token(KEY.secret, Scope.WATCH, session="s1")
    with pytest.raises(Forbidden):
        hall.token(narrow, Scope.SPEAK)
    with pytest.raises(Forbidden):
        hall.token(narrow, Scope.WATCH, session="s2")
    assert hall.admit(hall.token(narrow, Scope.WATCH)).session == "s1"


def test_a_token_of_a_token_lives_no_longer() -> None:
    hall = Hall()
    short = hall.token(KEY.secret, Scope.WATCH, ttl=30)
    assert hall.admit(hall.token(short, Scope.WATCH, ttl=3600)).expires_at == NOW + 30


@pytest.mark.parametrize("ttl", [0.5, -1, 3601, float("nan"), float("inf")])
def test_a_token_lives_as_long_as_the_configuration_allows(ttl: float) -> None:
    with pytest.raises(ProtocolError):
        Hall().token(KEY.secret, Scope.WATCH, ttl=ttl)


def test_a_token_expires() -> None:
    hall = Hall()
    token = hall.token(KEY.secret, Scope.WATCH, ttl=60)
    hall.now += 59
    hall.admit(token)
    hall.now += 1
    assert hall.refusal(token) == "expired"


def test_a_token_of_another_hub_is_refused_unless_they_share_their_secret() -> None:
    token = Hall().token(KEY.secret, Scope.WATCH)
    assert Hall().refusal(token) == "unauthorized"
    shared = {"tokens": {"secret": SECRET}}
    assert Hall(**shared).admit(Hall(**shared).token(KEY.secret, Scope.WATCH)).name == "phone"


@pytest.mark.parametrize("settings", [{}, {"jwt": ISSUER}], ids=["keys", "keys and an issuer"])
def test_a_token_ends_with_its_key(settings: dict[str, Any]) -> None:
    hall = Hall(**settings)
    token = hall.token(KEY.secret, Scope.WATCH)
    of_token = hall.token(token, Scope.WATCH)
    hall.reload(keys={"boss": KEYS["boss"]}, **settings)
    assert hall.refusal(KEY.secret) == hall.refusal(token) == hall.refusal(of_token) == "unauthorized"


@pytest.mark.parametrize("settings", [{}, {"jwt": ISSUER}], ids=["keys", "keys and an issuer"])
def test_a_new_key_of_the_same_name_ends_the_tokens_of_the_former(settings: dict[str, Any]) -> None:
    hall, fresh = Hall(**settings), new_key()
    token = hall.token(KEY.secret, Scope.WATCH)
    hall.reload(keys={"phone": {"id": fresh.id, "hash": fresh.sha256}}, **settings)
    assert hall.refusal(token) == "unauthorized"
    assert hall.admit(hall.token(fresh.secret, Scope.WATCH)).name == "phone"


def test_a_token_may_do_what_its_key_may_do_now() -> None:
    hall = Hall()
    token = hall.token(KEY.secret, Scope.SPEAK, Scope.WATCH)
    of_token = hall.token(token, Scope.SPEAK)
    hall.reload(keys={"tablet": {**KEYS["phone"], "scopes": ["watch", "admin"], "sessions": 3}})
    grant = hall.admit(token)
    assert (grant.name, grant.scopes, grant.allowance.sessions) == ("tablet", {Scope.WATCH}, 3)
    assert hall.admit(of_token).scopes == frozenset()


def test_a_token_expires_with_its_key_when_that_is_to_end_sooner() -> None:
    hall = Hall()
    token = hall.token(KEY.secret, Scope.WATCH, ttl=60)
    end = datetime.datetime.fromtimestamp(NOW + 30, datetime.UTC).isoformat()
    hall.reload(keys={"phone": {**KEYS["phone"], "expires_at": end}})
    assert hall.admit(token).expires_at == NOW + 30
    hall.now += 30
    assert hall.refusal(token) == "expired"


@pytest.mark.parametrize(
    "closed", [{"keys": KEYS}, {"jwt": ISSUER}, {"keys": KEYS, "jwt": ISSUER}], ids=["keys", "issuer", "both"]
)
@pytest.mark.parametrize("opened", [{"keys": {}}, {"required": "off"}], ids=["no keys", "switched off"])
def test_a_token_bought_while_access_was_off_is_not_good_once_it_is_on(
    opened: dict[str, Any], closed: dict[str, Any]
) -> None:
    hall = Hall(**opened)
    token = hall.token(KEY.secret, Scope.ADMIN)
    hall.reload(**closed)
    assert hall.refusal(token) == "unauthorized"


def test_the_token_of_a_foreign_subject_ends_with_the_issuer() -> None:
    hall = hall_of_issuer()
    token = hall.token(issued(), Scope.WATCH)
    hall.reload(keys=KEYS)
    assert hall.refusal(token) == "unauthorized"


def test_a_token_uses_up_the_allowance_of_its_key() -> None:
    hall = Hall(keys={"phone": {**KEYS["phone"], "requests_per_minute": 3}})
    token = hall.token(KEY.secret, Scope.WATCH)
    hall.admit(token)
    hall.admit(KEY.secret)
    assert hall.refusal(token) == hall.refusal(KEY.secret) == "rate-limited"
    hall.monotonic += 20
    hall.admit(token)


def test_the_token_of_a_foreign_subject_uses_up_the_subjects_allowance() -> None:
    hall = hall_of_issuer(requests_per_minute=2)
    token = hall.token(issued(), Scope.WATCH)
    assert hall.admit(token).name == "jwt:alice"
    assert hall.refusal(issued()) == "rate-limited"
    hall.admit(issued(sub="bob"))


def test_a_foreign_token_cannot_pose_as_one_of_the_hub() -> None:
    # The operator gave both the same secret.
    hall = hall_of_issuer()
    hall.entrance.prepare(
        Access.model_validate(
            {"keys": KEYS, "tokens": {"secret": SECRET}, "jwt": {"algorithm": "HS256", "secret": SECRET}}
        )
    )()
    assert hall.refusal("aht_" + issued(sub="boss", scope="admin")) == "unauthorized"
    assert hall.admit(issued(sub="boss", aud="asr-hub")).name == "jwt:boss"


# Tokens of others.


def test_a_foreign_token_says_who_somebody_is_and_what_they_may_do() -> None:
    grant = hall_of_issuer().admit(issued(scope="watch dance", session="s1"))
    assert (grant.name, grant.scopes, grant.session) == ("jwt:alice", {Scope.WATCH}, "s1")


def test_scopes_may_be_a_list_and_none_are_granted_unsaid() -> None:
    hall = hall_of_issuer()
    assert hall.admit(issued(scope=["speak"])).scopes == {Scope.SPEAK}
    assert hall.admit(issued(scope=None)).scopes == frozenset()


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (issued(exp=NOW - 11), "expired"),
        (issued(exp=None), "unauthorized"),
        (issued(exp="soon"), "unauthorized"),
        (issued(sub=None), "unauthorized"),
        (issued(sub="x" * 129), "unauthorized"),
        (issued(nbf=NOW + 11), "unauthorized"),
        (issued(session=7), "unauthorized"),
        (issued(scope=7), "unauthorized"),
        (issued("t" * 32), "unauthorized"),
        (issued(SECRET * 2, "HS512"), "unauthorized"),
        (issued("", "none"), "unauthorized"),
        (issued(padding="x" * 4096), "unauthorized"),
        (issued()[:-1], "unauthorized"),
        ("[" * 3000 + ".e30.", "unauthorized"),
    ],
)
def test_a_token_that_is_not_good_is_refused_by_name(token: str, code: str) -> None:
    hall = hall_of_issuer()
    assert hall.refusal(token) == code
    assert hall.told == [(code, "http", 1)]


def test_clocks_may_differ_by_the_leeway() -> None:
    hall = hall_of_issuer()
    assert hall.admit(issued(exp=NOW - 9, nbf=NOW + 9, kid="1")).expires_at == NOW + 1


def test_audience_and_issuer_must_be_those_of_the_configuration() -> None:
    hall = hall_of_issuer(audience="asr", issuer="https://id.example.org")
    good = {"aud": ["asr", "other"], "iss": "https://id.example.org"}
    hall.admit(issued(**good))
    for wrong in ({"aud": "other"}, {"aud": None}, {"iss": "https://evil.example"}, {"iss": None}):
        assert hall.refusal(issued(**{**good, **wrong})) == "unauthorized"


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_private_key_signs_and_a_public_one_opens(tmp_path: Path, algorithm: str) -> None:
    private: Any = ec.generate_private_key(ec.SECP256R1())
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path / "public.pem"
    path.write_bytes(public_pem(private))
    hall = Hall(jwt={"algorithm": algorithm, "public_key": str(path)})
    assert hall.admit(issued(private, algorithm, {"kid": "2027"})).name == "jwt:alice"

    # The public key is known to everybody: it must never do as the secret of another algorithm (RFC 8725, 2.1).
    def part(what: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(what).encode()).rstrip(b"=")

    text = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({"sub": "mallory", "exp": NOW + 60, "scope": "admin"})
    mac = base64.urlsafe_b64encode(hmac.digest(path.read_bytes(), text, hashlib.sha256)).rstrip(b"=")
    assert hall.refusal((text + b"." + mac).decode()) == "unauthorized"


def test_subjects_without_number_take_no_memory_without_bound() -> None:
    hall = hall_of_issuer(requests_per_minute=1)
    for number in range(MAX_SUBJECTS + 50):
        hall.admit(issued(sub=f"user {number}"))
    issuer: Any = hall.entrance._door
    assert len(issuer._issuer._meters) == MAX_SUBJECTS
    assert hall.refusal(issued(sub=f"user {MAX_SUBJECTS}")) == "rate-limited"


@given(st.text() | st.from_regex(r"(aht_)?[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True))
@example("aht_")
@example("..")
@example("aht_\ud800.\ud800.")
def test_any_text_is_refused_by_name(text: str) -> None:
    for hall in (Hall(), hall_of_issuer()):
        assert hall.refusal(text) == "unauthorized"


# What is told.


def test_a_flood_of_refusals_is_counted_and_told_slowly() -> None:
    hall = Hall()
    for _ in range(1000):
        hall.refusal("ah_wrong")
    assert len(hall.told) == 20
    hall.refusal(None)
    hall.monotonic += 1
    hall.refusal(None)
    assert hall.told[20:] == [("unauthorized", "http", 982)]
    hall.refusal(None)
    hall.entrance.flush()
    assert sum(times for _, _, times in hall.told) == 1003


# A configuration that cannot be.


@pytest.mark.parametrize(
    ("access", "word"),
    [
        ({"tokens": {"secret": "short"}}, "access.tokens.secret"),
        ({"jwt": {"algorithm": "HS256", "secret": "short"}}, "32 bytes"),
        ({"jwt": {"algorithm": "RS256", "public_key": "/there/is/none.pem"}}, "access.jwt.public_key"),
        ({"jwt": {"algorithm": "ES256", "public_key": __file__}}, "PEM"),
    ],
)
def test_a_secret_that_is_none_is_told(access: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        check_access(Access.model_validate(access))


def test_a_new_configuration_that_is_wrong_changes_nothing() -> None:
    hall = Hall()
    with pytest.raises(ConfigError):
        hall.entrance.prepare(Access.model_validate({"keys": {}, "tokens": {"secret": "short"}}))
    assert hall.admit(KEY.secret).name == "phone"


@pytest.mark.parametrize(
    "access",
    [
        {"required": "on"},
        {"keys": {"a": KEYS["phone"], "b": KEYS["phone"]}},
        {"keys": {"jwt:alice": KEYS["phone"]}},
        {"keys": {"a": {"id": "short", "hash": KEY.sha256}}},
        {"jwt": {"algorithm": "HS256"}},
        {"jwt": {"algorithm": "RS256", "secret": SECRET}},
        {"jwt": {"algorithm": "none", "secret": SECRET}},
    ],
)
def test_a_configuration_that_fits_nobody_is_refused(access: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"validation error"):
        Access.model_validate(access)


def test_an_expiry_has_a_time_zone() -> None:
    key = {**KEYS["phone"], "expires_at": "2027-01-31T00:00:00Z"}
    (made,) = Access.model_validate({"keys": {"a": key}}).keys.values()
    assert made.expires_at == datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)
    with pytest.raises(ValueError, match="timezone"):
        Access.model_validate({"keys": {"a": {**key, "expires_at": "2027-01-31T00:00:00"}}})
