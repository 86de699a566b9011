"""What clients call their files is shown in one harmless line, and comes back in a header that a browser reads."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.protocols.file_names import MAX_NAME, UNNAMED, attachment, shown_name

pytestmark = pytest.mark.unit


@given(st.text(max_size=400))
def test_a_name_is_one_short_line_of_what_can_be_seen(given_name: str) -> None:
    name = shown_name(given_name)
    assert 0 < len(name) <= MAX_NAME
    assert not set(name) & set("/\\\0\r\n\t")
    assert name not in (".", "..") and name == " ".join(name.split())
    assert not any(unicodedata.category(character)[0] == "C" for character in name)
    assert shown_name(name) == name


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("talk.wav", "talk.wav"),
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a/", UNNAMED),
        ("...", UNNAMED),
        ("a\0b.wav", "ab.wav"),
        ("a\r\nb.wav", "a b.wav"),
        ("\ud800.wav", ".wav"),
        ("\u202etxt.exe", "txt.exe"),
        ("x" * 500, "x" * MAX_NAME),
        ("x" * 500 + ".flac", "x" * (MAX_NAME - 5) + ".flac"),
        ("x." + "y" * 500, ("x." + "y" * 500)[:MAX_NAME]),
    ],
)
def test_what_is_no_name_becomes_one(given_name: str, shown: str) -> None:
    assert shown_name(given_name) == shown


@given(st.text(max_size=200))
def test_a_header_says_the_name_and_nothing_else(given_name: str) -> None:
    name = shown_name(given_name)
    header = attachment(name)
    header.encode("ascii")
    found = re.fullmatch(
        r"attachment; filename=\"([^\"\\\r\n%]+)\"(?:; filename\*=UTF-8''([A-Za-z0-9%._~-]+))?", header
    )
    assert found is not None, header
    assert (unquote(found[2]) if found[2] else found[1]) == name
