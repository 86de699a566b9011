from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import Hypothesis, Word
from asr_hub.text.sentences import LONG_PAUSE_MS, PAUSE_MS, Sentence, sentences

pytestmark = pytest.mark.unit


def said(
    text: str, start: int = 0, end: int | None = None, *, language: str | None = None, speaker: str | None = None
) -> Hypothesis:
    end = start + 100 * len(text) if end is None else end
    return Hypothesis(text=text, start=start, end=end, language=language, speaker=speaker)


def texts(*hypotheses: Hypothesis) -> list[str]:
    return [sentence.text for sentence in sentences(hypotheses)]


@pytest.mark.parametrize(
    "parts",
    [
        ["It rains.", "Do you see it?", "Yes!"],
        ['He said: "Stop."', "Then he left."],
        ["Well… perhaps.", "And now…", "Nothing."],
        ["What?!", "No..."],
        ["今天天气很好。", "我们去公园吧！", "你说：「好吗？」", "好。"],  # noqa: RUF001
        ["元気ですか？", "はい、元気です。"],  # noqa: RUF001
        ["هل تسمعني؟", "نعم۔", "حسنا."],  # noqa: RUF001
        ["क्या हाल है?", "सब ठीक है।", "धन्यवाद॥"],
        ["እንዴት ነህ፧", "ደህና።"],
        ["သွားမယ်။", "နေကောင်းလား။"],
        ["Ինչպես ես։", "Լավ։"],  # noqa: RUF001
        ["Привет.", "Как дела?"],
        ["Use Python.", "It is good."],
    ],
)
def test_marks_of_many_writings_end_a_sentence(parts: list[str]) -> None:
    unspaced = "今" in parts[0] or "元" in parts[0]
    assert texts(said(("" if unspaced else " ").join(parts))) == parts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Dr. Smith and Mrs. Jones met Prof. Lee.", "en"),
        ("It costs 3.14 or 1,000.50 dollars at 10:30.", "en"),
        ("See No. 5 and Fig. 7.", "en"),
        ("J. R. Tolkien lived in the U.S. East.", None),
        ("Bring fruit, e.g. Apples, and so on.", "en"),
        ("It is approx. Ten.", "en"),
        ("Es ist am 3. Mai z.B. Montag.", "de"),
        ('"Really?" he said.', "en"),
        ("Go to example.com now.", "en"),
        ("А. Пушкин писал.", "ru"),  # noqa: RUF001
    ],
)
def test_points_that_end_no_sentence(text: str, language: str | None) -> None:
    assert texts(said(text, language=language)) == [text]


def test_a_number_ends_a_sentence_where_no_third_is_written_so() -> None:
    assert texts(said("It was room 3. Then we left.", language="en")) == ["It was room 3.", "Then we left."]
    assert texts(said("Das war 2024. Dann gingen wir.", language="de")) == ["Das war 2024.", "Dann gingen wir."]


def test_without_capitals_a_small_letter_may_begin_a_sentence() -> None:
    assert texts(said("it rains. do you see it? yes.")) == ["it rains.", "do you see it?", "yes."]


def test_times_are_those_of_the_words() -> None:
    words = (Word("hi", 100, 300), Word("how", 900, 1000), Word("are", 1000, 1100), Word("you", 1100, 1400))
    hypothesis = Hypothesis(text="Hi! How are you?", start=0, end=2000, words=words)
    assert sentences([hypothesis]) == [Sentence("Hi!", 100, 300), Sentence("How are you?", 900, 1400, is_apart=True)]


def test_times_are_shared_out_by_length_without_words() -> None:
    first, second = sentences([said("One two. Six ten.", 1000, 2700)])
    assert (first.start, first.end, second.start, second.end) == (1000, 1800, 1800, 2700)


def test_a_pause_ends_a_sentence_where_no_punctuation_is_written() -> None:
    def heard(pause: int, mark: str = "") -> Hypothesis:
        words = (Word("go", 0, 400), Word("home", 400, 800), Word("now", 800 + pause, 1100 + pause))
        return Hypothesis(text=f"go home now{mark}", start=0, end=1200 + pause, words=words)

    assert texts(heard(PAUSE_MS)) == ["go home now"]
    assert texts(heard(PAUSE_MS + 1)) == ["go home", "now"]
    assert texts(heard(PAUSE_MS + 1, ".")) == ["go home now."]
    assert texts(heard(LONG_PAUSE_MS + 1, ".")) == ["go home", "now."]


def test_a_mark_before_a_pause_ends_a_sentence_whatever_follows() -> None:
    assert texts(said("We went Home.", 0, 900), said("and slept.", 900 + PAUSE_MS, 2500)) == [
        "We went Home. and slept."
    ]
    assert texts(said("We went Home.", 0, 900), said("and slept.", 901 + PAUSE_MS, 2500)) == [
        "We went Home.",
        "and slept.",
    ]


def test_a_sentence_goes_on_over_the_cut_of_an_utterance() -> None:
    assert texts(said("We went to the", 0, 900), said("park. It rained.", 900, 2000)) == [
        "We went to the park.",
        "It rained.",
    ]
    assert texts(said("one two", 0, 900), said("three", 1000, 1500)) == ["one two three"]
    assert texts(said("one two", 0, 900), said("three", 1200, 1500)) == ["one two", "three"]
    assert texts(said("今天", 0, 900), said("很好", 900, 1500)) == ["今天很好"]


def test_speakers_and_languages_share_no_sentence() -> None:
    assert sentences(
        [said("one", 0, 900, speaker="1"), said("two", 500, 700, speaker="2"), said("three", 900, 1200, speaker="1")]
    ) == [
        Sentence("one three", 0, 1200, "1"),
        Sentence("two", 500, 700, "2", is_apart=True, utterance=1),
    ]
    assert texts(said("one", 0, 900, language="en"), said("zwei", 900, 1200, language="de")) == ["one", "zwei"]


_TEXT = st.text(st.sampled_from("aB.?! ,5天。\n\0…İ"), max_size=60)
_TIMES = st.integers(0, 60_000)


@st.composite
def _hypotheses(draw: st.DrawFn) -> Hypothesis:
    text = draw(_TEXT)
    words = tuple(Word(w, draw(_TIMES), draw(_TIMES)) for w in text.split()) if draw(st.booleans()) else ()
    speaker = draw(st.sampled_from([None, "1", "2"]))
    return Hypothesis(text=text, start=draw(_TIMES), end=draw(_TIMES), words=words, speaker=speaker)


@settings(max_examples=100, deadline=None)
@given(st.lists(_hypotheses(), max_size=5))
def test_sentences_hold_all_that_each_speaker_says_in_order(hypotheses: list[Hypothesis]) -> None:
    made = sentences(hypotheses)
    assert [each.start for each in made] == sorted(each.start for each in made)
    assert all(each.text and each.text == " ".join(each.text.split()) and each.start <= each.end for each in made)
    for speaker in {None, "1", "2"}:
        told = "".join("".join(each.text.split()) for each in made if each.speaker == speaker)
        assert told == "".join("".join(each.text.split()) for each in hypotheses if each.speaker == speaker)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.sampled_from(".?!"), st.integers(0, LONG_PAUSE_MS)), min_size=1, max_size=8
    )
)
def test_punctuated_speech_has_a_sentence_for_each_mark(shape: list[tuple[int, str, int]]) -> None:
    words, wanted, at = [], [], 0
    for count, mark, pause in shape:
        spelled = ["Such", *["words"] * count]
        for word in spelled:
            words.append(Word(word, at, at + 200))
            at += 200
        wanted.append(Sentence(" ".join(spelled) + mark, at - 200 * len(spelled), at))
        at += pause
    text = " ".join(each.text for each in wanted)
    made = sentences([Hypothesis(text=text, start=0, end=at, words=tuple(words))])
    assert [(each.text, each.start, each.end) for each in made] == [
        (each.text, each.start, each.end) for each in wanted
    ]
