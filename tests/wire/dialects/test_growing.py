"""Clients that append what they are told are told whole words, and in the end the whole utterance."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asr_hub.model import Hypothesis
from asr_hub.wire.dialects.growing import Growing, Policy

pytestmark = pytest.mark.unit

WORDS = st.lists(st.text("abcéñ'", min_size=1, max_size=5), max_size=8)
POLICIES = st.sampled_from(["final_only", "stable", "native"])


def heard(text: str, stable: int = 0, *, is_final: bool = False) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=1000, stable=stable, is_final=is_final)


@given(WORDS, POLICIES, st.data())
def test_what_only_grows_is_told_word_by_word_and_whole(words: list[str], policy: Policy, data: st.DataObject) -> None:
    text = " ".join(words)
    growing, deltas = Growing(policy), []
    for size in range(len(text) + 1):
        stable = data.draw(st.integers(0, size))
        delta = growing.partial(heard(text[:size], stable))
        if policy != "native":
            assert growing.told.split() == words[: len(growing.told.split())]
            assert re.fullmatch(r"(\S+(\s+\S+)*)?", growing.told)
        deltas.append(delta)
    deltas.append(growing.final(heard(text, is_final=True)))
    assert growing.told == "".join(deltas)
    if policy == "final_only":
        assert deltas == [""] * (len(text) + 1) + [text]


@given(WORDS, WORDS)
def test_words_that_will_not_change_are_told_as_they_come(kept: list[str], more: list[str]) -> None:
    first, whole = " ".join(kept), " ".join([*kept, *more])
    growing = Growing("stable")
    growing.partial(heard(whole, len(first)))
    assert growing.told == (first if more else " ".join(kept[:-1]))
    assert growing.told + growing.final(heard(whole, is_final=True)) == whole


@given(WORDS, WORDS, POLICIES)
def test_a_client_is_never_told_a_word_twice_for_one_that_changed(
    before: list[str], after: list[str], policy: Policy
) -> None:
    growing = Growing(policy)
    growing.partial(heard(" ".join(before), len(" ".join(before))))
    told = growing.told.split()
    assume(not " ".join(after).startswith(growing.told))
    growing.final(heard(" ".join(after), is_final=True))
    assert growing.told.split() == told + after[len(told) :]


def test_a_word_is_not_cut_where_its_stable_part_ends() -> None:
    growing = Growing("stable")
    assert growing.partial(heard("go forward ten", 7)) == "go"
    assert growing.partial(heard("go forward ten", 10)) == " forward"
    assert growing.final(heard("go forward ten meters", is_final=True)) == " ten meters"


def test_scripts_without_spaces_are_told_by_the_character() -> None:
    growing = Growing("stable")
    assert growing.partial(heard("今天天气", 2)) == "今天"
    assert growing.final(heard("今天天气很好", is_final=True)) == "天气很好"


def test_korean_words_are_kept_whole() -> None:
    growing = Growing("stable")
    assert growing.partial(heard("안녕하세요 여러분", 7)) == "안녕하세요"


def test_what_changed_behind_the_client_adds_only_what_is_new() -> None:
    growing = Growing("native")
    assert growing.partial(heard("go for ten")) == "go for ten"
    assert growing.final(heard("go forward ten meters", is_final=True)) == " meters"
    assert growing.told == "go for ten meters"


@pytest.mark.parametrize("policy", ["final_only", "stable", "native"])
def test_nothing_was_said(policy: Policy) -> None:
    growing = Growing(policy)
    assert growing.partial(heard("")) == growing.final(heard("", is_final=True)) == growing.told == ""


@pytest.mark.parametrize(
    ("partial", "stable", "final", "rest"),
    [
        ("今天天气很", 3, "今天、天气很好。", "气很好。"),
        ("今天天气很", 3, "「明天」见、朋友。", "朋友。"),
        ("我用 Linux 写", 8, "我用 linux 写字。", " 写字。"),
    ],
)
def test_where_chinese_changed_its_characters_are_counted_and_no_rest_is_lost(
    partial: str, stable: int, final: str, rest: str
) -> None:
    growing = Growing("stable")
    growing.partial(heard(partial, stable))
    assert growing.final(heard(final, is_final=True)) == rest
