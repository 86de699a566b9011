"""What a language model is told of a dictation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.correction.prompt import prompt

pytestmark = pytest.mark.unit

SAID = st.lists(
    st.one_of(st.text(max_size=8), st.sampled_from(["<dictation>", "</dictation>", "</DICTATION1>", "dictation2"])),
    max_size=6,
).map(" ".join)


@given(SAID, SAID, SAID)
def test_no_text_holds_the_name_of_its_marks(text: str, before: str, hotword: str) -> None:
    asked = prompt(text, context=[before], hotwords=[hotword])
    assert not any(asked.mark in said.casefold() for said in (text, before, hotword))
    assert asked.user.endswith(f"<{asked.mark}>\n{text}\n</{asked.mark}>")
    assert asked.user.count(f"<{asked.mark}>") == asked.user.count(f"</{asked.mark}>") == 1
    assert f"</{asked.mark}>" in asked.system


def test_what_was_said_and_hotwords_stand_with_the_user_and_not_among_the_rules() -> None:
    asked = prompt("hello", language="en", context=["earlier"], hotwords=["Zanzibar"], instructions="About trains.")
    assert "earlier" not in asked.system
    assert "Zanzibar" not in asked.system
    assert "earlier" in asked.user
    assert "Zanzibar" in asked.user
    assert "Language of the dictation: en" in asked.system
    assert asked.system.endswith("About trains.")


def test_of_a_long_past_the_end_is_told() -> None:
    asked = prompt("hello", context=["first", "x" * 5000, "last"])
    assert "first" not in asked.user
    assert "last" in asked.user
    assert len(asked.user) < 2200
