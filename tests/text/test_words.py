from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.text.words import plain, tokens, words

pytestmark = pytest.mark.unit

SPEECH = st.text(st.one_of(st.characters(), st.sampled_from(list("Ab d'’.,-: 3今天。ガภา한é"))))  # noqa: RUF001


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello, World!", "hello world"),
        ("It’s the dogs' well-known trick", "it's the dogs well known trick"),  # noqa: RUF001
        ("at 10:30 for 1,000.50 (or so).", "at 10:30 for 1,000.50 or so"),
        ("end.Begin", "end begin"),
        ("STRASSE Straße", "strasse strasse"),
        ("café cafe\u0301", "café café"),
        ("ＡＢＣ １２", "abc 12"),  # noqa: RUF001
        ("今天天气,很好。", "今 天 天 气 很 好"),
        ("说hello了", "说 hello 了"),
        ("ｶﾞｽ", "ガ ス"),
        ("ยิ้ม", "ยิ้ ม"),
        ("बोलना हिन्दी", "बोलना हिन्दी"),
        ("می\u200cخواهم", "میخواهم"),  # noqa: RUF001  # noqa: RUF001
        ("한국어 단어", "한국어 단어"),
        ("... - !", ""),
        ("", ""),
    ],
)
def test_words_are_without_case_and_punctuation_and_divided_as_their_writing_is(text: str, said: str) -> None:
    assert " ".join(words(text)) == said


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("Hello,  world.", "hello world"),
        ("今天 天气。", "今天天气"),
        ("今天hello world吗?", "今天 hello world 吗"),
        ("?", ""),
    ],
)
def test_a_plain_text_has_spaces_where_its_writing_has_them(text: str, together: str) -> None:
    assert plain(text) == together


def test_punctuation_belongs_to_the_word_it_stands_at() -> None:
    pieces = [(token.gap, token.lead, token.text, token.trail) for token in tokens('He said: "well-known" (yes).')]
    assert pieces == [
        ("", "", "He", ""),
        (" ", "", "said", ":"),
        (" ", '"', "well", "-"),
        ("", "", "known", '"'),
        (" ", "(", "yes", ")."),
    ]


def test_a_quotation_that_opens_between_two_characters_belongs_to_the_second() -> None:
    assert [(token.lead, token.text, token.trail) for token in tokens("说“好”吗")] == [
        ("", "说", ""),
        ("“", "好", "”"),
        ("", "吗", ""),
    ]


@given(SPEECH)
def test_tokens_put_together_are_their_text(text: str) -> None:
    found = tokens(text)
    assert "".join(each.gap + each.lead + each.text + each.trail for each in found) == (text if found else "")


@given(SPEECH)
def test_words_have_something_to_say_and_no_white_space(text: str) -> None:
    for key in words(text):
        assert key.split() == [key] and any(unicodedata.category(each)[0] in "LN" for each in key)


@given(st.lists(st.sampled_from(["Hello", "it's", "3.5", "今", "ガ", "ยิ้", "한국어"]), max_size=8))
def test_case_and_punctuation_around_words_change_nothing(said: list[str]) -> None:
    decorated = " ".join(f"({word.upper()})," for word in said)
    assert words(decorated) == words(" ".join(said)) == tuple(word.casefold() for word in said)
