from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import Hypothesis, Word
from asr_hub.text.subtitles import COLUMN_MS, CUE_LINES, CUE_MS, LINE_WIDTH, READING_MS, Cue, columns, cues

pytestmark = pytest.mark.unit


def spoken(
    text: str, start: int = 0, end: int = 1000, *, word_ms: int | None = None, speaker: str | None = None
) -> Hypothesis:
    """An utterance; with `word_ms` its words have times, one after the other."""
    words: tuple[Word, ...] = ()
    if word_ms is not None:
        words = tuple(Word(w, start + n * word_ms, start + (n + 1) * word_ms) for n, w in enumerate(text.split()))
        end = start + word_ms * len(words)
    return Hypothesis(text=text, start=start, end=end, is_final=True, words=words, speaker=speaker)


def lines(made: list[Cue]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in made]


def flat(made: list[Cue]) -> list[str]:
    return " ".join(line for cue in made for line in cue.lines).split()


def test_long_speech_is_cut_into_even_cues_before_short_words() -> None:
    words = "the quick brown fox jumps over the lazy dog and runs into the deep dark forest where nobody can see it"
    made = cues([spoken(words, 500, word_ms=300)])
    assert lines(made) == [
        ("the quick brown fox jumps over", "the lazy dog and runs into"),
        ("the deep dark forest", "where nobody can see it"),
    ]
    assert [(cue.start, cue.end) for cue in made] == [(500, 4100), (4100, 6800)]


def test_a_pause_and_a_sentence_end_begin_a_new_cue() -> None:
    words = (Word("hello", 0, 400), Word("there", 3000, 3300))
    made = cues([Hypothesis(text="Hello, there.", start=0, end=3300, words=words)], until=3500)
    assert made == [Cue(0, 1000, ("Hello,",)), Cue(3000, 3500, ("there.",))]
    sentences = cues([spoken("This is the first sentence. This is the second.", 0, 4000, word_ms=400)])
    assert lines(sentences) == [("This is the first sentence.",), ("This is the second.",)]


def test_short_sentences_share_a_cue() -> None:
    assert lines(cues([spoken("Yes. I know. We do.", word_ms=300)])) == [("Yes. I know. We do.",)]


def test_the_point_of_an_abbreviation_is_no_place_to_cut() -> None:
    said = "Yesterday evening we were visited by Dr. Livingstone and his family"
    (cue,) = cues([spoken(said, word_ms=300)])
    assert not cue.lines[0].endswith("Dr.")


def test_lines_break_behind_a_comma_and_never_behind_an_article() -> None:
    said = "When the long winter was over, the people of the village went out"
    assert lines(cues([spoken(said, word_ms=300)])) == [
        ("When the long winter was over,", "the people of the village went out")
    ]
    (cue,) = cues([spoken("somebody carefully examined and repaired the extraordinary machine", word_ms=300)])
    assert not cue.lines[0].endswith((" and", " the"))


def test_a_cue_stays_into_the_pause_until_it_can_be_read() -> None:
    said = "extraordinarily complicated circumstances"
    (first, second) = cues([spoken(said, 0, 500), spoken("next", 5000, 5400)])
    assert first.end == COLUMN_MS * len(said)
    assert (second.start, second.end) == (5000, 5000 + READING_MS)
    (hurried, _) = cues([spoken(said, 0, 500), spoken("next", 1200, 1600)])
    assert hurried.end == 1200


def test_chinese_is_read_at_half_the_speed() -> None:
    (cue,) = cues([spoken("今天天气很好我们去公园散步吧真开心", 0, 300)])
    assert cue.end == 17 * 2 * COLUMN_MS


def test_an_utterance_that_was_cut_goes_on_in_the_same_cue() -> None:
    assert lines(cues([spoken("we go to", 0, 900), spoken("the park", 900, 1500)])) == [("we go to the park",)]
    assert lines(cues([spoken("we go", 0, 900), spoken("the park", 1400, 2000)])) == [("we go",), ("the park",)]
    assert lines(cues([spoken("今天", 0, 900), spoken("天气", 900, 1500)])) == [("今天天气",)]


def test_chinese_breaks_between_characters() -> None:
    said = "今天天气很好、我们去公园散步吧。" * 4
    made = cues([Hypothesis(text=said, start=0, end=12_000)])
    assert "".join(line for cue in made for line in cue.lines) == said
    assert all(columns(line) <= LINE_WIDTH for cue in made for line in cue.lines)
    assert not any(line[0] in "、。" for cue in made for line in cue.lines)


def test_a_timed_word_is_cut_only_where_it_fills_a_cue() -> None:
    words = (Word("今天天气很好我们", 0, 2000), Word("去公园散步吧真开心啊好的好的", 2000, 5000))
    text = "".join(word.text for word in words)
    (cue,) = cues([Hypothesis(text=text, start=0, end=5000, words=words)])
    assert cue.lines == ("今天天气很好我们", "去公园散步吧真开心啊好的好的")
    long = "好" * 100
    made = cues([Hypothesis(text=long, start=0, end=20_000, words=(Word(long, 0, 20_000),))])
    assert "".join(flat(made)) == long
    assert all(columns(line) <= LINE_WIDTH for cue in made for line in cue.lines)


def test_words_that_are_not_those_of_the_text_are_not_trusted() -> None:
    hypothesis = Hypothesis(text="twenty one", start=0, end=1000, words=(Word("21", 0, 900),))
    assert flat(cues([hypothesis])) == ["twenty", "one"]
    half = Hypothesis(text="twenty one", start=0, end=1000, words=(Word("one", 700, 900),))
    assert cues([half]) == [Cue(0, 1000, ("twenty one",))]


def test_a_word_that_lasts_too_long_is_shown_for_as_long_as_a_cue_may_stand() -> None:
    (cue,) = cues([spoken("well", 0, 60_000)])
    assert cue.end == CUE_MS


def test_speakers_never_share_a_cue_and_may_have_one_at_the_same_time() -> None:
    said = [
        spoken("how are you today my friend", 0, word_ms=500, speaker="1"),
        spoken("fine", 1000, word_ms=400, speaker="2"),
        spoken("good", 3000, word_ms=400, speaker="1"),
    ]
    assert cues(said) == [
        Cue(0, 3400, ("how are you today my friend good",), "1"),
        Cue(1000, 2000, ("fine",), "2"),
    ]


def test_who_speaks_is_told_only_where_there_are_several() -> None:
    (cue,) = cues([spoken("hello", speaker="1")])
    assert (cue.speaker, cue.label) == (None, "")
    first, second = cues([spoken("hello", speaker="1"), spoken("hi", 2000, 2500, speaker="A\n" + "long " * 9)])
    assert first.label == "1: "
    assert second.label == "A long long long lon: "


def test_a_label_takes_room_in_the_first_line() -> None:
    said = "a" * 20 + " " + "b" * 21
    first, _ = cues([spoken(said, 0, 4000, speaker="1"), spoken("no", 9000, 9500, speaker="2")])
    assert first.lines == ("a" * 20, "b" * 21)
    assert cues([spoken(said, 0, 4000)])[0].lines == (said,)


_times = st.integers(0, 60_000)
_text = st.text(st.sampled_from("aAß .,?天、\n\0-><&\u2028İ"), max_size=120)


@st.composite
def _hypotheses(draw: st.DrawFn, speakers: tuple[str | None, ...] = (None,)) -> Hypothesis:
    text = draw(_text)
    words = tuple(Word(w, draw(_times), draw(_times)) for w in text.split()) if draw(st.booleans()) else ()
    speaker = draw(st.sampled_from(speakers))
    return Hypothesis(text=text, start=draw(_times), end=draw(_times), words=words, speaker=speaker)


def _solid(texts: list[str]) -> str:
    return "".join("".join(text.split()) for text in texts)


@settings(max_examples=80, deadline=None)
@given(st.lists(_hypotheses(), max_size=5))
def test_cues_are_in_order_apart_and_hold_every_word_once(hypotheses: list[Hypothesis]) -> None:
    made = cues(hypotheses)
    at = 0
    for cue in made:
        assert at <= cue.start < cue.end
        assert cue.end - cue.start <= CUE_MS
        assert 1 <= len(cue.lines) <= CUE_LINES
        assert all(line and line == line.strip() for line in cue.lines)
        at = cue.end
    assert _solid([line for cue in made for line in cue.lines]) == _solid([each.text for each in hypotheses])


@settings(max_examples=50, deadline=None)
@given(st.lists(_hypotheses((None, "1", "2")), max_size=5))
def test_cues_of_each_speaker_are_in_order_and_hold_all_words_once(hypotheses: list[Hypothesis]) -> None:
    made = cues(hypotheses)
    assert [cue.start for cue in made] == sorted(cue.start for cue in made)
    speaking = {each.speaker for each in hypotheses if each.text.strip()}
    if len(speaking - {None}) < 2:
        return
    for speaker in speaking:
        own = [cue for cue in made if cue.speaker == speaker]
        assert all(before.end <= after.start for before, after in pairwise(own))
        said = [each.text for each in hypotheses if each.speaker == speaker]
        assert _solid([line for cue in own for line in cue.lines]) == _solid(said)


@st.composite
def _orderly(draw: st.DrawFn) -> Hypothesis:
    """Timed words one after another, spaced or not, with marks and pauses."""
    unspaced = draw(st.booleans())
    words, at = [], 0
    for _ in range(draw(st.integers(1, 40))):
        spelled = draw(st.text("天气很好" if unspaced else "abcde", min_size=1, max_size=3 if unspaced else 12))
        length = draw(st.integers(30, 900))
        words.append(Word(spelled + draw(st.sampled_from(["", "", "", ",", "."])), at, at + length))
        at += length + draw(st.sampled_from([0, 0, 0, 500, 2000]))
    text = ("" if unspaced else " ").join(word.text for word in words)
    return Hypothesis(text=text, start=0, end=at, words=tuple(words))


@settings(max_examples=50, deadline=None)
@given(_orderly())
def test_orderly_words_make_cues_within_all_limits(hypothesis: Hypothesis) -> None:
    made = cues([hypothesis])
    assert _solid([line for cue in made for line in cue.lines]) == _solid([hypothesis.text])
    begins = {word.start for word in hypothesis.words}
    for cue, until in zip(made, [*(cue.start for cue in made[1:]), None], strict=True):
        assert cue.end - cue.start <= CUE_MS
        assert all(columns(line) <= LINE_WIDTH for line in cue.lines)
        # A timed word of several characters may have to be cut.
        assert cue.start in begins or " " not in hypothesis.text
        needed = min(CUE_MS, max(READING_MS, COLUMN_MS * sum(map(columns, cue.lines))))
        assert cue.end - cue.start >= needed or (until is not None and cue.end == until)
