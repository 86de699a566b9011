"""Where a request carries its key, and where it comes from."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr_hub.config.schema import Server
from asr_hub.errors import Forbidden, ProtocolError
from asr_hub.protocols.admission import MAX_FIELDS, offered_secret, query_of, secret_of
from asr_hub.protocols.origins import check_origin, is_accepted

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("headers", "query", "secret"),
    [
        ({}, {}, None),
        ({"authorization": "Bearer k"}, {}, "k"),
        ({"authorization": "bearer  k "}, {}, "k"),
        ({"authorization": "Token k"}, {}, "k"),
        ({"authorization": "Bearer; k"}, {}, "k"),
        ({"authorization": "Bearer"}, {}, None),
        ({"authorization": "Basic k"}, {}, None),
        ({"authorization": "Basic k", "x-api-key": "x"}, {}, "x"),
        ({"x-api-key": "x"}, {"token": "t"}, "x"),
        ({"authorization": "Bearer k", "x-api-key": "x"}, {"token": "t"}, "k"),
        ({"x-api-key": ""}, {"token": "t"}, "t"),
        ({}, {"token": ""}, None),
    ],
)
def test_a_key_is_found_where_http_carries_it(
    headers: dict[str, str], query: dict[str, str], secret: str | None
) -> None:
    assert secret_of(headers, query) == secret


@pytest.mark.parametrize(
    ("offered", "secret"),
    [
        ("", None),
        ("asr-hub.v1", None),
        ("asr-hub.v1, asr-hub.key, ah_x", "ah_x"),
        ("asr-hub.key,ah_x,asr-hub.v1", "ah_x"),
        ("asr-hub.v1,asr-hub.key", None),
        ("asr-hub.key,,asr-hub.v1", None),
    ],
)
def test_a_key_is_found_behind_the_subprotocol_that_announces_it(offered: str, secret: str | None) -> None:
    assert offered_secret(offered) == secret


def test_a_query_has_so_many_parameters() -> None:
    assert query_of("a=1&token=x%2By&a=2&b") == {"a": "2", "token": "x+y"}
    with pytest.raises(ProtocolError):
        query_of("&".join(f"a{number}=1" for number in range(MAX_FIELDS + 1)))


@given(st.text(), st.text())
@example("%ff&token=%", ",asr-hub.key,")
def test_any_query_and_any_offer_are_read_or_refused_by_name(query: str, offered: str) -> None:
    with contextlib.suppress(ProtocolError):
        secret_of({"authorization": query}, query_of(query))
    assert offered_secret(offered) != ""


@pytest.mark.parametrize(
    ("origin", "allowed", "is_fine"),
    [
        (None, None, True),
        (None, (), True),
        ("http://localhost", None, True),
        ("https://localhost:3000", None, True),
        ("http://[::1]:80", None, True),
        ("http://127.0.0.1:99999", None, True),
        ("null", None, False),
        ("", None, False),
        ("http://localhost.evil.example", None, False),
        ("http://localhost:3000/", None, False),
        ("http://localhost:3000\n", None, False),
        ("http://evil.example/http://localhost", None, False),
        ("file://localhost", None, False),
        ("http://localhost", (), False),
        ("https://a.example", ("https://a.example",), True),
        ("https://a.example:8443", ("https://a.example",), False),
        ("http://a.example", ("https://a.example",), False),
        ("https://b.a.example", ("https://a.example",), False),
        ("null", ("https://a.example",), False),
        ("null", ("*",), True),
    ],
)
def test_a_page_is_accepted_by_its_whole_origin(
    origin: str | None, allowed: tuple[str, ...] | None, is_fine: bool
) -> None:
    assert is_accepted(origin, allowed) is is_fine
    if not is_fine:
        with pytest.raises(Forbidden) as refused:
            check_origin(origin, allowed)
        assert refused.value.code == "foreign-origin"


@given(st.text(min_size=1), st.sets(st.text()))
def test_with_a_list_only_what_is_in_it_is_accepted(origin: str, allowed: set[str]) -> None:
    assert is_accepted(origin, allowed) is (origin in allowed or "*" in allowed)


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "https://A.example", "a.example", "https://", "", "https://u@a"]
)
def test_an_origin_that_no_browser_sends_is_told(origin: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Server(origins=(origin,))
    Server(origins=("https://a.example:8443", "*", "chrome-extension://abc"))
