"""Where a request carries its key, and where it comes from."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr_hub.config.schema import Server
from asr_hub.errors import Forbidden, ProtocolError
from asr_hub.protocols.admission import MAX_FIELDS, offered_secret, query_of, secret_of
from asr_hub.protocols.origins import Pages

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
    pages = Pages(allowed)
    assert pages.accept(origin, "127.0.0.1:8765") is is_fine
    if not is_fine:
        with pytest.raises(Forbidden) as refused:
            pages.check(origin, "127.0.0.1:8765")
        assert refused.value.code == "foreign-origin"


@given(st.text(min_size=1), st.sets(st.text()))
def test_with_a_list_only_what_is_in_it_is_accepted(origin: str, allowed: set[str]) -> None:
    assert Pages(allowed).accept(origin, origin.partition("://")[2]) is (origin in allowed or "*" in allowed)


@pytest.mark.parametrize(
    ("origin", "host", "where_all", "where_locked"),
    [
        ("http://192.168.1.5:8765", "192.168.1.5:8765", True, True),
        ("https://[2001:db8::1]", "[2001:db8::1]", True, True),
        ("http://192.168.1.5:8765", "192.168.1.5", False, False),
        ("http://192.168.1.5:8765", None, False, False),
        ("http://192.168.1.5.evil.example", "192.168.1.5.evil.example", False, True),
        ("https://hub.example.org", "hub.example.org", False, True),
        ("https://hub.example.org", "HUB.example.org", False, True),
        ("https://hub.example.org", "hub.example.org:443", False, False),
        ("https://evil.example", "hub.example.org", False, False),
        ("https://evil.example, https://hub.example.org", "hub.example.org", False, False),
        ("null", "null", False, False),
        ("", "", False, False),
        ("https://", "", False, False),
        ("https://a@hub.example.org", "a@hub.example.org", False, False),
        ("chrome-extension://abc", "abc", False, False),
    ],
)
def test_the_page_of_the_hub_is_accepted_where_no_other_can_take_its_place(
    origin: str, host: str | None, where_all: bool, where_locked: bool
) -> None:
    assert Pages().accept(origin, host) is where_all
    assert Pages(is_locked=lambda: True).accept(origin, host) is where_locked
    assert not Pages(("https://a.example",), is_locked=lambda: True).accept(origin, host)


@given(st.text(), st.none() | st.text())
def test_any_page_is_accepted_or_not(origin: str, host: str | None) -> None:
    assert not Pages(is_locked=lambda: True).accept(origin, host) or "://" in origin


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "https://A.example", "a.example", "https://", "", "https://u@a"]
)
def test_an_origin_that_no_browser_sends_is_told(origin: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Server(origins=(origin,))
    Server(origins=("https://a.example:8443", "*", "chrome-extension://abc"))
