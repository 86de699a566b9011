"""Which addresses lie on this machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.cloud import google, openai_realtime, openai_rest
from asr_hub.providers.cloud.outside import opens_outside

pytestmark = pytest.mark.unit

INSIDE = (
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "127.0.0.1",
    "127.8.9.1:50051",
    "::1",
    "[::1]:50051",
    "::ffff:127.0.0.1",
    "http://127.0.0.1:8000/v1",
    "https://localhost/v1?x=http://example.org",
    "ws://[::1]:9/realtime",
    "unix:/run/engine.sock",
    "unix:///run/engine.sock",
    "unix-abstract:engine",
)
OUTSIDE = (
    None,
    "",
    "://",
    "http://",
    "example.org",
    "speech.googleapis.com:443",
    "https://api.openai.com/v1",
    "http://192.168.1.7:8000/v1",
    "http://0.0.0.0:8000",
    "http://[::]:1",
    "http://localhost.example.org/v1",
    "http://127.0.0.1.example.org/",
    "http://127.0.0.1@example.org/v1",
    "http://localhost:80@example.org/v1",
    "http://127.0.0.1:.example.org",
    "127.0.0.1:x",
    "http://example.org#@127.0.0.1/",
    "http://example.org\\@127.0.0.1/",
    "http://127.0.0.1\\@example.org/",
    "http://[::1",
    "[::1]example.org:80",
    "[::1]@example.org",
    "::ffff:8.8.8.8",
    "::1%eth0",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "dns:///example.org",
    "ipv4:8.8.8.8:80",
    " 127.0.0.1",
    "127.0.0.1\n",
    "http://127.0.0.1\t/.example.org",
    "loc\u0430lhost",
    "\uff11\uff12\uff17.0.0.1",
)


@pytest.mark.parametrize("address", INSIDE)
def test_this_machine_is_inside(address: str) -> None:
    assert not opens_outside(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_everything_else_and_whatever_is_odd_is_outside(address: str | None) -> None:
    assert opens_outside(address)


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert opens_outside(text) in (True, False)


@given(st.text(st.characters(exclude_characters="/?#")))
def test_no_text_before_another_host_makes_it_this_machine(text: str) -> None:
    assert opens_outside(f"http://{text}@example.org/")
    assert opens_outside(f"http://127.0.0.1{text}.example.org")


@pytest.mark.parametrize("module", [openai_rest, openai_realtime])
def test_an_openai_provider_leaves_the_machine_unless_its_server_is_here(module: object) -> None:
    leaves = openai_rest.leaves_machine if module is openai_rest else openai_realtime.leaves_machine
    assert leaves({}) and leaves({"base_url": None}) and leaves({"base_url": 7})
    assert leaves({"base_url": "https://example.org/v1"})
    assert not leaves({"base_url": "http://127.0.0.1:8000/v1", "unknown": 1})


def test_google_leaves_the_machine_unless_its_server_is_here() -> None:
    assert google.leaves_machine({"project": "p"}) and google.leaves_machine({"api_endpoint": "example.org:443"})
    assert not google.leaves_machine({"api_endpoint": "localhost:50051"})
