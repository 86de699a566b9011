"""What sounds like a hotword in a finished text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.model import Hypothesis, Word
from asr_hub.text.hotwords import SHORT_THRESHOLD, THRESHOLD, Replacement, match, write

pytestmark = pytest.mark.unit

_FIFTY = """
Kubernetes Terraform Grafana Prometheus Jenkins Postgres Elasticsearch TensorFlow PyTorch Ansible Zermatt Visp Brig
Täsch Matterhorn Interlaken Lauterbrunnen Metformin Ibuprofen Paracetamol Amoxicillin Atorvastatin Lisinopril Warfarin
Anthropic NVIDIA Mistral Whisper Vosk Kaldi Siobhan Niamh Xavier Joaquin Katharine Stephen Greta Saoirse Nguyen Kowalski
Schwarzenegger Worcestershire Edinburgh Leicester Reykjavik USB API SQL Kafka Redis
"""
_EVERYDAY = """
time person year way day man world life hand part child eye woman place work week case point company number group
problem fact house water money story month right book word business issue side head friend father mother power hour
game line member law car city community president team minute idea body information school parent face level office door
health art war history party result change morning reason research girl guy moment teacher force education foot boy age
policy music market sense nation plan college interest death experience effect use class control field development great
table window coffee garden station letter paper summer winter rain
"""

HOTWORDS, EVERYDAY = _FIFTY.split(), _EVERYDAY.split()


def said(text: str, *, step: int = 100) -> Hypothesis:
    """With a time for each word."""
    words = tuple(
        Word(word, place * step, (place + 1) * step, 0.5 + place / 100) for place, word in enumerate(text.split())
    )
    return Hypothesis(text=text, start=0, end=len(words) * step, is_final=True, words=words, stable=len(text))


@pytest.mark.parametrize(
    ("heard", "hotwords", "written"),
    [
        ("we run cooper netties here", ["Kubernetes"], "we run Kubernetes here"),
        ("we run cube or netties here", ["Kubernetes"], "we run Kubernetes here"),
        ("Cooper netties, of course.", ["Kubernetes"], "Kubernetes, of course."),
        ("a train to zermat and tasch", ["Zermatt", "Täsch"], "a train to Zermatt and Täsch"),
        ("in visual studio coat", ["Visual Studio Code"], "in Visual Studio Code"),
        ("put it on a u s b stick", ["USB"], "put it on a USB stick"),
        ("ask hugging phase", ["Hugging Face"], "ask Hugging Face"),
    ],
)
def test_a_hotword_is_found_in_what_was_heard_for_it(heard: str, hotwords: list[str], written: str) -> None:
    assert match(said(heard), hotwords).hypothesis.text == written


@pytest.mark.parametrize(
    ("heard", "hotwords"),
    [
        ("there was a great day", ["Greta"]),
        ("he gave it to us", ["US", "IT", "Hugh"]),
        ("what a form it was", ["Forma"]),
        ("I saw Katharine", ["Catherine", "Katharine"]),
        ("we talked. Form of it", ["Talkedform"]),
        ("kubernetes is what you call KUBERNETES", ["Kubernetes"]),
        ("", ["Kubernetes"]),
        ("...", ["Kubernetes", "++", " "]),
    ],
)
def test_what_is_another_word_stays(heard: str, hotwords: list[str]) -> None:
    hypothesis = said(heard)
    matched = match(hypothesis, hotwords)
    assert matched.hypothesis is hypothesis and matched.replacements == ()


def test_everyday_words_are_no_names() -> None:
    assert len(EVERYDAY) >= 100 and len(HOTWORDS) == 50
    hypothesis = said(" ".join(EVERYDAY))
    assert match(hypothesis, HOTWORDS) == (hypothesis, ())


def test_a_replacement_says_what_stood_where() -> None:
    ((only,)) = match(said("oh, cooper netties"), ["Kubernetes"]).replacements
    assert (only.heard, only.hotword, only.start, only.end) == ("cooper netties", "Kubernetes", 4, 18)
    assert (only.word, only.words) == (1, 2)
    assert THRESHOLD <= only.similarity < 1


def test_a_word_for_several_has_their_time_and_the_least_confidence() -> None:
    matched = match(said("so cooper netties, runs"), ["Kubernetes"]).hypothesis
    assert [(word.text, word.start, word.end, word.confidence) for word in matched.words] == [
        ("so", 0, 100, 0.5),
        ("Kubernetes,", 100, 300, 0.51),
        ("runs", 300, 400, 0.53),
    ]
    assert matched.stable == len(matched.text)


def test_as_many_words_keep_a_time_each() -> None:
    matched = match(said("ask hugging phase now"), ["Hugging Face"]).hypothesis
    assert [(word.text, word.start) for word in matched.words] == [
        ("ask", 0),
        ("Hugging", 100),
        ("Face", 200),
        ("now", 300),
    ]


def test_words_that_are_not_those_of_the_text_stay() -> None:
    strange = replace(said("we run cooper netties"), words=(Word("♪", 0, 5),))
    assert match(strange, ["Kubernetes"]).hypothesis.words == strange.words


def test_the_more_similar_wins_and_then_the_first() -> None:
    assert match(said("by zermat"), ["Zermont", "Zermatt"]).hypothesis.text == "by Zermatt"
    assert match(said("by zermatte"), ["Zermattu", "Zermatti"]).hypothesis.text == "by Zermattu"


def test_a_short_hotword_must_be_closer() -> None:
    assert match(said("jenks"), ["Jenka"]).replacements == ()
    ((only,)) = match(said("vispp"), ["Visp"]).replacements
    assert only.similarity >= SHORT_THRESHOLD


def test_one_replacement_can_be_taken_back_alone() -> None:
    before = said("cooper netties in zermat")
    first, second = match(before, ["Kubernetes", "Zermatt"]).replacements
    assert write(before, [second]).hypothesis.text == "cooper netties in Zermatt"
    assert write(before, [first]).hypothesis.text == "Kubernetes in zermat"
    assert write(before, []).hypothesis is before
    with pytest.raises(ValueError, match="zermat"):
        write(said("nothing of it"), [second])


@pytest.mark.parametrize("threshold", [0, -1, 1.1])
def test_a_threshold_is_a_similarity(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        match(said("a"), ["b"], threshold=threshold)


fragments = st.sampled_from(
    ["cooper", "netties", "zermat", "zermatt,", "the", "a", "terra", "form.", "Tasch", "kuber-netes", "met", "foreman",
     "graf", "anna", "u", "s", "b", "Grafana", "石狮", "实施", "it's", "red", "disk", "ß"]
)  # fmt: skip
sentences = st.one_of(st.lists(fragments, max_size=12).map(" ".join), st.text(max_size=30))
lists = st.lists(st.one_of(st.sampled_from(HOTWORDS), st.text(max_size=12), fragments), max_size=8)


@given(sentences, lists, st.floats(0.5, 1))
def test_every_change_is_within_the_threshold_and_where_it_says(
    text: str, hotwords: list[str], threshold: float
) -> None:
    hypothesis = said(text)
    matched, replacements = match(hypothesis, hotwords, threshold=threshold)
    at, rest = 0, []
    for one in replacements:
        assert one.similarity >= threshold and one.hotword in hotwords
        assert one.start >= at and text[one.start : one.end] == one.heard != one.hotword
        rest += [text[at : one.start], one.hotword]
        at = one.end
    assert matched.text == "".join([*rest, text[at:]])
    times = [time for word in matched.words for time in (word.start, word.end)]
    assert times == sorted(times)
    if matched.words:
        assert (times[0], times[-1]) == (hypothesis.words[0].start, hypothesis.words[-1].end)


@given(sentences, lists, st.floats(0.5, 1))
def test_a_second_match_changes_nothing(text: str, hotwords: list[str], threshold: float) -> None:
    once = match(said(text), hotwords, threshold=threshold).hypothesis
    assert match(once, hotwords, threshold=threshold).hypothesis.text == once.text


@given(sentences)
def test_without_hotwords_nothing_changes(text: str) -> None:
    assert match(said(text), []) == (said(text), ())


def test_a_replacement_is_plain_data() -> None:
    one = Replacement(heard="a", hotword="b", similarity=0.9, start=3, word=1, words=1)
    assert one.end == 4
