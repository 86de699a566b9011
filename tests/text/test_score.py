from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.text.score import Errors, Score, count, score
from asr_hub.text.words import plain, words

pytestmark = pytest.mark.unit

WORDS = st.lists(st.sampled_from(["a", "b", "cat", "cart"]), max_size=30)
SPEECH = st.lists(
    st.sampled_from(["The", "the,", "cat.", "well-known", "it's", "3.5", "今天", "天气。", "—", "한국어"]), max_size=12
).map(" ".join)


def test_errors_are_counted_by_kind() -> None:
    assert score("The cat sat on a mat.", "the bat sat on the old").words == Errors(6, substitutions=3)
    assert score("the cat sat", "cat sat down now").words == Errors(3, insertions=2, deletions=1)


def test_case_and_punctuation_are_no_errors() -> None:
    assert score("Hello, World!", "hello world") == Score(Errors(2), Errors(11))


def test_writing_without_spaces_is_counted_by_the_character() -> None:
    heard = score("今天天气很好。", "今天天 汽好")
    assert heard.words == heard.characters == Errors(6, substitutions=1, deletions=1)


def test_the_character_rate_counts_parts_of_words() -> None:
    heard = score("the cat", "the cart")
    assert heard.words.rate == 1 / 2 and heard.characters.rate == 1 / 7


def test_there_is_no_rate_where_nothing_was_said() -> None:
    assert score("", "boo").words == Errors(0, insertions=1)
    assert score("", "boo").words.rate is None


def test_scores_add_up_over_utterances() -> None:
    both = score("a b", "a c") + score("d", "d e")
    assert both.words == Errors(3, substitutions=1, insertions=1)
    assert sum([score("a b", "a c"), score("d", "d e")], Score()) == both


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_a_sum_of_errors_is_the_sum_of_each_kind(one: list[int], other: list[int]) -> None:
    both = Errors(*one) + Errors(*other)
    assert [both.said, both.substitutions, both.insertions, both.deletions] == [
        a + b for a, b in zip(one, other, strict=True)
    ]
    assert both.errors == Errors(*one).errors + Errors(*other).errors


@given(WORDS.filter(bool), WORDS)
def test_words_are_counted_as_jiwer_counts_them(reference: list[str], heard: list[str]) -> None:
    counted = count(reference, heard)
    theirs = jiwer.process_words(" ".join(reference), " ".join(heard))
    assert counted.errors == theirs.substitutions + theirs.insertions + theirs.deletions
    assert counted.rate == pytest.approx(theirs.wer)
    assert counted.insertions - counted.deletions == len(heard) - len(reference)


@given(SPEECH.filter(lambda text: bool(words(text))), SPEECH)
def test_rates_are_those_of_jiwer_over_the_same_words(reference: str, heard: str) -> None:
    scored = score(reference, heard)
    assert scored.words.rate == pytest.approx(jiwer.wer(" ".join(words(reference)), " ".join(words(heard))))
    assert scored.characters.rate == pytest.approx(jiwer.cer(plain(reference), plain(heard)))
