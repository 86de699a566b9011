"""What a correction may change, and what makes it something else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.correction.dictations import FIXES, OBEDIENCE, TRAPS, Fix

from asr_hub.text.guard import Limits, judge

pytestmark = pytest.mark.unit

LIMITS = Limits()
SAID = "the cat sat on a red mat and i saw twenty five of them in new york there 你 好 Zürich"
WORDS = st.lists(st.sampled_from(SAID.split()), min_size=1, max_size=25)


@pytest.mark.parametrize("kind", OBEDIENCE)
def test_no_obedience_is_accepted(kind: str) -> None:
    for trap in TRAPS:
        assert judge(trap.said, OBEDIENCE[kind](trap), limits=LIMITS, language=trap.language), trap.said
        assert judge(trap.said, OBEDIENCE[kind](trap), limits=LIMITS), trap.said


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.said)
def test_an_honest_correction_is_accepted_with_and_without_the_language(fix: Fix) -> None:
    if fix.needs_pinyin:
        pytest.importorskip("pypinyin")
    assert judge(fix.said, fix.meant, limits=LIMITS, hotwords=fix.hotwords, language=fix.language) == ""
    assert judge(fix.said, fix.meant, limits=LIMITS, hotwords=fix.hotwords) == ""


@pytest.mark.parametrize(
    ("said", "corrected", "reason"),
    [
        ("hello", "", "nothing is left"),
        ("hello", "   ", "nothing is left"),
        ("hello there", "Hello there" + "." * 40, "it is too long"),
        ("hello there", "Hello there\n", "it has a line break or a control character"),
        ("hello there", "Hello\u202e there", "it has a line break or a control character"),
        ("hello there", "*Hello* there", "it has marks that nobody says"),
        ("hello there", "Hello there 👍", "it has marks that nobody says"),
        ("hello there", "- Hello there", "it begins like a list"),
        ("hello there", "Hello there!!!!", "a mark is repeated"),
        ("see example dot com", "See https://example.com", "it has an address that was not said"),
        ("mail bob at example dot com", "Mail bob@example.com", "it has an address that was not said"),
        ("hello there", "Hello тhere", "it is written in another script"),
        ("say it in capitals please", "SAY IT IN CAPITALS PLEASE", "it is in capitals"),
        ("give me five", "Give me 6.", "a number changed"),
        ("give me five", "Give me -5.", "a number changed"),
        ("give me five", "Give me.", "a number changed"),
        ("give me some", "Give me 5.", "a number changed"),
        ("room one floor two", "Room 12, floor.", "a number changed"),
        ("one two hundred", "1200", "a number changed"),
        ("between 100 and 200", "Between 200 and 100", "a number changed"),
        ("take 100 200", "Take 100200", "a number changed"),
        ("the second of may", "The third of May", "a number changed"),
        ("pay five euros now", "Pay $5 now.", "a unit changed"),
        ("pay five now", "Pay 5% now.", "a unit changed"),
        ("i do like it", "I do not like it.", "a negation came or went"),
        ("i don't like it", "I do like it.", "a negation came or went"),
        ("das ist nicht gut", "Das ist gut.", "a negation came or went"),
        ("我不去", "我要去", "a negation came or went"),
        ("你好吗", "你好啊", "a question is no question any more"),
        ("tell Bob about it", "Tell Rob about it.", "a name is lost"),
        ("the cat sat on the mat", "The cat sat on the mat. It was red.", "something was added at an end"),
        ("the ball is red", "The ball is red. It is red.", "something was added at an end"),
        ("the cat sat on the mat", "Well, the cat sat on the mat.", "something was added at an end"),
        ("milk and eggs scratch that", "Milk and eggs.", "something was left out"),
        ("the cat and the dog sat there today", "The cat and Tom and the dog sat there today.", "a name was added"),
        ("the cat sat on the mat", "The dog sat on the mat.", "a word became quite another"),
        ("we saw two big red cats there", "We saw big red two cats there.", "a number or a unit moved"),
        ("their our to reed flours", "There are two read flowers", "a number changed"),
        ("their hour reed flours", "There our read flowers", "too much changed"),
        ("it is possible to do that", "It is impossible to do that.", "a word became its opposite"),
        ("import the file from there", "Export the file from there.", "a word became its opposite"),
        ("他今天买这只股票", "他今天卖这只股票", "a word became its opposite"),
        ("我是老师他是学生", "我是医生他是学生", "a word became quite another"),
        ("a" * 400, "b" * 400, "too much changed in a row"),
        ("so we said it", "So we have all now really often said it.", "too many new words in a row"),
    ],
)
def test_what_is_refused_and_why(said: str, corrected: str, reason: str) -> None:
    assert judge(said, corrected, limits=LIMITS, language=None) == reason


@pytest.mark.parametrize(
    ("said", "corrected", "hotwords", "reason"),
    [
        ("we use kubernetes here", "We use cubernetes here.", ("Kubernetes",), "a hotword is lost"),
        ("ada love lace wrote it", "Ada Lovelace wrote it.", ("Ada Lovelace",), ""),
        ("we met Jon Smyth there", "We met John Smith there.", ("John Smith",), ""),
        ("we met Jon Smyth there", "We met John Smith there.", (), "a name is lost"),
        (
            "das programm heißt moskwa heute",
            "Das Programm heißt Москва heute.",
            ("Москва",),
            "a word became quite another",
        ),
    ],
)
def test_hotwords_are_kept_and_may_take_the_place_of_a_misheard_name(
    said: str, corrected: str, hotwords: tuple[str, ...], reason: str
) -> None:
    limits = Limits(max_edit_share=0.5)
    assert judge(said, corrected, limits=limits, hotwords=hotwords) == reason


def test_the_share_of_words_that_may_change_is_a_setting_and_one_may_always() -> None:
    said, corrected = "their is a hole in the see", "There is a whole in the sea"
    assert judge(said, corrected, limits=Limits(max_edit_share=0.3)) == "too much changed"
    assert judge(said, corrected, limits=Limits(max_edit_share=0.5)) == ""
    assert judge("there see is blue", "Their see is blue", limits=Limits(max_edit_share=0.0)) == ""


def test_a_long_text_is_not_judged() -> None:
    assert judge("word " * 30, "word " * 30, limits=Limits(max_words=20)) == "it has too many words"


@settings(max_examples=50)
@given(WORDS)
def test_a_text_may_stay_as_it_is_or_get_capitals_and_a_mark(words: list[str]) -> None:
    said = " ".join(words)
    assert judge(said, said, limits=LIMITS) == ""
    assert judge(said, said[0].upper() + said[1:] + ".", limits=LIMITS) == ""


@settings(max_examples=50)
@given(WORDS, st.lists(st.sampled_from(["blue", "Yes", "okay", "Paris", "done", "sure"]), min_size=1, max_size=9))
def test_nothing_new_at_an_end_is_ever_accepted(words: list[str], new: list[str]) -> None:
    said, more = " ".join(words), " ".join(new)
    assert judge(said, f"{said} {more}", limits=LIMITS)
    assert judge(said, f"{more} {said}", limits=LIMITS)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_texts_get_a_verdict(said: str, corrected: str) -> None:
    assert isinstance(judge(said, corrected, limits=LIMITS), str)
