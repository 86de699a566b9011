"""Words are pronounced as the dictionary says."""

from __future__ import annotations

import pytest
from tools.train_tiny.grammar import words
from tools.train_tiny.pronunciation import BLANK, parse, phones, pronunciations

pytestmark = pytest.mark.unit


def test_the_first_pronunciation_counts() -> None:
    lines = ["a AH", "a(2) EY", "on AA N", "on(2) AO N", "other AH DH ER"]
    assert parse(lines, ["a", "on"]) == {"a": ("AH",), "on": ("AA", "N")}


def test_words_that_the_dictionary_lacks_are_named() -> None:
    with pytest.raises(ValueError, match="has no blip, zonk"):
        parse(["a AH"], ["zonk", "a", "blip"])


def test_the_dictionary_has_the_whole_grammar() -> None:
    assert set(pronunciations()) == set(words())
    assert pronunciations()["ten"] == ("T", "EH", "N")


def test_the_blank_is_the_first_output_and_no_phone() -> None:
    assert phones()[0] == BLANK
    assert BLANK not in phones()[1:]
    assert {phone for spoken in pronunciations().values() for phone in spoken} == set(phones()[1:])
