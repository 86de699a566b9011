"""Bare words of an engine as a written sentence."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.model import Hypothesis, Word
from asr_hub.text.polish import polish

pytestmark = pytest.mark.unit

KNOWN = "i i'm what is the do you twenty five hundred and one point cent ein null vierzig mille 你 好 か"
WORD = st.one_of(
    st.sampled_from(KNOWN.split()),
    st.text(st.characters(categories=["Ll", "Lo", "Nd"], exclude_characters="\u0131"), min_size=1, max_size=8),
)


def heard(text: str, language: str | None = "en", *, is_final: bool = True) -> Hypothesis:
    words = tuple(Word(word, 100 * at, 100 * at + 80, 0.9 - at / 100) for at, word in enumerate(text.split()))
    return Hypothesis(text=text, start=0, end=9000, words=words, language=language, is_final=is_final, stable=len(text))


@pytest.mark.parametrize(
    ("said", "language", "written"),
    [
        ("good morning everybody", "en", "Good morning everybody."),
        ("you and i know that i'm late", "en", "You and I know that I'm late."),
        ("what is the time", "en", "What is the time?"),
        ("what a nice day", "en", "What a nice day."),
        ("when i was young", "en", "When I was young."),
        ("how many are there", "en", "How many are there?"),
        ("who's there", "en", "Who's there?"),
        ("is the door open", "en", "Is the door open?"),
        ("do it now", "en", "Do it now."),
        ("do you know him", "en", "Do you know him?"),
        ("have a nice day", "en", "Have a nice day."),
        ("i said i do", None, "I said i do."),
        ("élodie est là", "fr", "Élodie est là."),
        ("i̇stanbul güzel", "tr", "İ\u0307stanbul güzel."),
        ("iyi günler", "tr", "İyi günler."),
        ("пойдём домой", "ru", "Пойдём домой."),
        ("我们去北京", "zh", "我们去北京。"),
        ("我们去吗", "zh-CN", "我们去吗？"),  # noqa: RUF001
        ("مرحبا بكم", "ar", "مرحبا بكم"),
        ("ßa", "de", "ßa."),
        ("", "en", ""),
        ("25", "en", "25"),
    ],
)
def test_a_bare_final_is_written_as_a_sentence(said: str, language: str | None, written: str) -> None:
    polished = polish(heard(said, language))
    assert polished.text == written
    assert " ".join(word.text for word in polished.words) == written
    assert [word.start for word in polished.words] == [word.start for word in heard(said).words]


@pytest.mark.parametrize(
    ("said", "language", "written"),
    [
        ("i have twenty five apples and two pears", "en", "I have 25 apples and two pears."),
        ("it is three point five percent", "en", "It is 3.5 percent."),
        ("the twenty first of may", "en", "The 21st of may."),
        ("ich habe fünfundzwanzig äpfel", "de", "Ich habe 25 äpfel."),
        ("j'ai quatre vingt dix sept euros", "fr", "J'ai 97 euros."),
        ("twenty five", "en", "25."),
        ("十五", "zh", "十五。"),
    ],
)
def test_numbers_are_written_in_digits_where_a_language_has_rules(said: str, language: str, written: str) -> None:
    pytest.importorskip("text_to_num")
    polished = polish(heard(said, language))
    assert polished.text == written
    assert " ".join(word.text for word in polished.words) == written


def test_a_number_lasts_as_long_as_its_words_and_is_as_sure_as_the_least_sure_of_them() -> None:
    pytest.importorskip("text_to_num")
    number = polish(heard("i have twenty five apples")).words[2]
    assert number == Word("25", 200, 380, 0.87)


@pytest.mark.parametrize("said", ["Hello there", "hello, there", "NASA", "what?", "costs 5 $", "go 🙂"])
def test_what_has_capitals_or_punctuation_is_left_alone(said: str) -> None:
    assert polish(heard(said)) == heard(said)


def test_a_partial_is_left_alone() -> None:
    assert polish(heard("hello there", is_final=False)) == heard("hello there", is_final=False)


def test_words_that_are_not_those_of_the_text_leave_it_alone() -> None:
    off = Hypothesis(text="hello there", start=0, end=1, is_final=True, words=(Word("hello", 0, 1),), language="en")
    assert polish(off) == off


def test_a_text_without_words_and_one_of_characters_are_written_too() -> None:
    assert polish(Hypothesis(text="hello  there", start=0, end=1, is_final=True)).text == "Hello there."
    words = (Word("你", 0, 1), Word("好", 1, 2))
    polished = polish(Hypothesis(text="你好", start=0, end=2, is_final=True, words=words))
    assert (polished.text, [word.text for word in polished.words]) == ("你好。", ["你", "好。"])


def test_a_named_language_goes_before_that_of_the_hypothesis() -> None:
    assert polish(heard("what is it", "de"), language="en").text == "What is it?"


@given(st.lists(WORD, min_size=1, max_size=12), st.sampled_from(["en", "de", "fr", "ru", "zh", None]))
def test_the_words_stay_the_same_and_a_second_time_changes_nothing(words: list[str], language: str | None) -> None:
    before = heard(" ".join(words), language)
    after = polish(before)
    assert polish(after) == after
    assert after.words[0].start == before.words[0].start
    assert after.words[-1].end == before.words[-1].end
    assert after.stable == len(after.text)
    assert " ".join(word.text for word in after.words) == after.text
    if len(after.words) == len(before.words) and not re.search(r"\d", after.text):
        assert re.sub(r"[.?。？]$", "", after.text).casefold() == before.text.casefold()  # noqa: RUF001


@given(st.lists(st.sampled_from(["hello", "there", "ok", "i", "we", "go", "is"]), min_size=1, max_size=12))
def test_without_numbers_only_case_and_a_last_mark_change(words: list[str]) -> None:
    after = polish(heard(" ".join(words)))
    assert after.text[0].isupper()
    assert after.text[-1] in ".?"
    assert after.text[:-1].casefold() == " ".join(words)
