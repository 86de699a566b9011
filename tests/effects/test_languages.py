"""The language of a session changes when it has changed, not when one utterance sounds like it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.effects.languages import Languages

pytestmark = pytest.mark.unit

ALLOWED = ("zh", "en-GB", "de")
HEARD = st.lists(st.sampled_from([None, "zh", "zh-TW", "en", "en-US", "de", "fr", "ja"]), max_size=40)


def changes(heard: list[str | None], after: int) -> list[str | None]:
    languages = Languages(ALLOWED, after)
    return [languages.heard(one) for one in heard]


def expected(heard: list[str | None], after: int) -> list[str | None]:
    """The same by its definition: the last `after` utterances whose language is known are in the same other one."""
    tags = {"zh": "zh", "en": "en-GB", "de": "de"}
    current: str | None = None
    known: list[str | None] = []
    found: list[str | None] = []
    for one in heard:
        if one is None:
            found.append(None)
            continue
        tag = tags.get(one.split("-")[0])
        known.append(tag)
        is_new = tag is not None and tag != current
        if is_new and (current is None or known[-after:] == [tag] * after):
            current = tag
            known.clear()
            found.append(tag)
        else:
            found.append(None)
    return found


@given(HEARD, st.integers(1, 5))
def test_it_takes_so_many_in_a_row(heard: list[str | None], after: int) -> None:
    assert changes(heard, after) == expected(heard, after)


@given(HEARD, st.integers(1, 5))
def test_only_allowed_languages_are_told_and_none_twice_in_a_row(heard: list[str | None], after: int) -> None:
    told = [language for language in changes(heard, after) if language is not None]
    assert set(told) <= set(ALLOWED)
    assert all(one != other for one, other in itertools.pairwise(told))
    # Each change after the first has its utterances.
    assert len(told) <= 1 + len(heard) // after


@given(HEARD, st.integers(2, 5))
def test_one_utterance_in_another_language_changes_nothing(heard: list[str | None], after: int) -> None:
    languages = Languages(ALLOWED, after)
    for one in (*heard, "zh", "zh", "zh", "zh", "zh"):
        languages.heard(one)
    assert languages.current == "zh"
    assert languages.heard("de") is None
    assert languages.current == "zh"


def test_the_first_language_has_nothing_to_be_weighed_against() -> None:
    assert changes(["fr", None, "en-US", "de", "de", "de"], 3) == [None, None, "en-GB", None, None, "de"]


def test_an_utterance_that_says_nothing_does_not_break_the_row() -> None:
    assert changes(["zh", "de", None, "de"], 2) == ["zh", None, None, "de"]


def test_one_in_the_language_of_the_session_breaks_it() -> None:
    assert changes(["zh", "de", "zh-TW", "de"], 2) == ["zh", None, None, None]
