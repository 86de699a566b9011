from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.model import Alternative, Hypothesis, Word
from asr_hub.text.joining import Piece, join, join_all
from asr_hub.text.overlap import APART_MS
from asr_hub.text.units import units
from asr_hub.text.words import words

pytestmark = pytest.mark.unit


def timed(
    *words: tuple[str, int, int], glue: str = " ", start: int | None = None, end: int | None = None
) -> Hypothesis:
    """An utterance whose words have times."""
    text = glue.join(word for word, _, _ in words)
    return Hypothesis(
        text=text,
        start=words[0][1] if start is None else start,
        end=words[-1][2] if end is None else end,
        is_final=True,
        stable=len(text),
        words=tuple(Word(word.strip(".,"), *times) for word, *times in words),
    )


def plain(text: str, start: int, end: int) -> Hypothesis:
    return Hypothesis(text=text, start=start, end=end, is_final=True, stable=len(text))


def texts(joined: tuple[Hypothesis, ...]) -> str:
    return " | ".join(each.text for each in joined)


def joined_texts(before: str, after: str) -> str:
    return texts(join(plain(before, 0, 10_000), plain(after, 9_000, 20_000), start=9_000, end=10_000))


# With word times


def test_a_word_cut_in_half_gives_way_to_the_whole_one() -> None:
    before = timed(
        ("the", 8800, 9000), ("old", 9050, 9300), ("house", 9300, 9700), ("is", 9700, 9800), ("ve", 9850, 10_000)
    )
    after = timed(
        ("ld", 9000, 9300), ("house", 9310, 9700), ("is", 9710, 9800), ("very", 9850, 10_200), ("big", 10_200, 10_500)
    )
    first, second = join(before, after, start=9000, end=10_000)
    assert texts((first, second)) == "the old | house is very big"
    assert [word.text for word in first.words] == ["the", "old"]
    assert [word.text for word in second.words] == ["house", "is", "very", "big"]
    assert first.end <= second.start
    assert (first.stable, second.stable) == (len(first.text), len(second.text))


def test_a_half_word_that_sounds_like_another_is_left_out() -> None:
    before = timed(("we", 8500, 8900), ("went", 9000, 9400), ("home", 9450, 9750), ("toad", 9800, 10_000))
    after = timed(("end", 9000, 9300), ("home", 9450, 9750), ("today", 9800, 10_300))
    assert texts(join(before, after, start=9000, end=10_000)).replace(" | ", " ") == "we went home today"


def test_a_half_word_beside_whole_ones_is_left_out() -> None:
    before = timed(("go", 8500, 8900), ("home", 9200, 9700), ("n", 9950, 10_000))
    after = timed(("ho", 9000, 9100), ("home", 9200, 9700), ("now", 10_050, 10_300))
    assert texts(join(before, after, start=9000, end=10_000)).replace(" | ", " ") == "go home now"


def test_a_word_that_only_one_has_stays() -> None:
    before = timed(("so", 8500, 8900), ("we", 9100, 9200), ("really", 9200, 9400), ("must", 9400, 9600))
    after = timed(("we", 9100, 9200), ("must", 9400, 9600), ("all", 9620, 9750), ("go", 10_000, 10_300))
    assert texts(join(before, after, start=9000, end=10_000)).replace(" | ", " ") == "so we really must all go"


def test_a_reading_that_heard_nothing_takes_nothing_away() -> None:
    before = timed(("good", 8000, 8400), ("night", 9200, 9990), end=10_000)
    after = timed(("sleep", 11_000, 11_500), ("well", 11_500, 12_000), start=9000)
    assert join(before, after, start=9000, end=10_000) == (before, after)


def test_a_reading_that_has_all_of_the_other_leaves_it_empty() -> None:
    before = timed(("yes", 8000, 8400), ("we", 9050, 9200), ("can", 9200, 9500), end=10_000)
    after = timed(("we", 9050, 9200), start=9000, end=10_000)
    first, second = join(before, after, start=9000, end=10_000)
    assert texts((first, second)) in ("yes we can | ", "yes | we can")


def test_a_word_said_twice_is_kept_twice() -> None:
    before = timed(("very", 9000, 9300), ("very", 9350, 9650), ("ve", 9850, 10_000), start=8000)
    after = timed(("ery", 9000, 9300), ("very", 9350, 9650), ("very", 9700, 10_050), ("good", 10_100, 10_400))
    assert texts(join(before, after, start=9000, end=10_000)).replace(" | ", " ") == "very very very good"


def test_a_word_that_is_two_for_the_other_reading_is_said_once() -> None:
    before = timed(("the", 9000, 9100), ("ice", 9300, 9450), ("cream", 9450, 9700), start=8000, end=10_000)
    after = timed(("the", 9000, 9100), ("icecream", 9300, 9700), ("melts", 9900, 10_300))
    assert texts(join(before, after, start=9000, end=10_000)).replace(" | ", " ") in (
        "the ice cream melts",
        "the icecream melts",
    )


def test_punctuation_and_capitals_stay_as_each_engine_wrote_them() -> None:
    before = timed(("Well,", 8000, 8300), ("the", 9100, 9300), ("cat", 9300, 9600), ("sat.", 9600, 9990))
    after = timed(
        ("The", 9100, 9300),
        ("cat", 9300, 9600),
        ("sat,", 9600, 9990),
        ("and", 10_050, 10_200),
        ("slept.", 10_200, 10_600),
    )
    assert texts(join(before, after, start=9000, end=10_000)) == "Well, the cat | sat, and slept."


def test_chinese_is_joined_without_spaces() -> None:
    said = "今天天气很好我们去公园"
    letters = [(letter, 8000 + 200 * n, 8200 + 200 * n) for n, letter in enumerate(said)]
    before = timed(*letters[:8], glue="")
    after = timed(*letters[5:], glue="")
    first, second = join(before, after, start=9000, end=9600)
    assert first.text + second.text == said
    assert "".join(word.text for word in (*first.words, *second.words)) == said


def test_alternatives_go_with_the_words_they_had() -> None:
    before = replace(timed(("a", 8000, 8500), ("b", 9100, 9300), ("c", 9700, 9990)), alternatives=(Alternative("x"),))
    after = replace(
        timed(("b", 9100, 9300), ("c", 9700, 9990), ("d", 10_000, 10_400)), alternatives=(Alternative("y"),)
    )
    first, second = join(before, after, start=9000, end=10_000)
    assert (first.alternatives, second.alternatives) == ((), ())


# Without


def test_what_both_say_is_said_once() -> None:
    assert joined_texts("we came to the old house", "the old house on the hill") in (
        "we came to the old | house on the hill",
        "we came to the | old house on the hill",
    )


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("we came to the old hou", "the old house on the hill", "we came to the old house on the hill"),
        ("we came to the old house", "ld house on the hill", "we came to the old house on the hill"),
        ("we came to the old ho", "o the old house on the hill", "we came to the old house on the hill"),
        ("this is extraord", "extraordinary news", "this is extraordinary news"),
        ("this is extraordinary", "ordinary news", "this is extraordinary news"),
        ("turn it, off", "It off. Now", "turn it off. Now"),
        ("so I said that she", "id that sea should go", "so I said that sea should go"),
    ],
)
def test_half_words_give_way_to_whole_ones_without_times(before: str, after: str, whole: str) -> None:
    assert joined_texts(before, after).replace(" | ", " ").lower().replace(",", "") == whole.lower()


def test_chinese_without_times_is_joined_where_its_characters_match() -> None:
    assert joined_texts("今天天气很好我们", "好我们去公园").replace(" | ", "") == "今天天气很好我们去公园"
    assert joined_texts("我们去公园", "的丁在园里") == "我们去公园 | 的丁在园里"


def test_where_nothing_matches_both_are_kept() -> None:
    for before, after in (("one two three", "four five six"), ("in the old house", "it was the end"), ("a", "")):
        assert joined_texts(before, after) == f"{before} | {after}"


def test_times_meet_inside_the_overlap() -> None:
    first, second = join(
        plain("to the old house", 0, 10_000), plain("the old house is", 9_000, 20_000), start=9_000, end=10_000
    )
    assert (first.start, first.end, second.start, second.end) == (0, 9_500, 9_500, 20_000)


def test_one_reading_with_times_is_joined_by_its_text() -> None:
    before = timed(("we", 8500, 8700), ("the", 9000, 9200), ("old", 9200, 9500), ("house", 9500, 10_000))
    first, second = join(before, plain("the old house is big", 9_000, 20_000), start=9_000, end=10_000)
    assert texts((first, second)).replace(" | ", " ") == "we the old house is big"
    assert [word.text for word in first.words] == first.text.split()


# Many


def test_pieces_are_joined_one_after_another() -> None:
    pieces = [
        Piece(plain("one two three four", 0, 10_000)),
        Piece(plain("three four five six", 9_000, 20_000), 9_000, 10_000),
        Piece(plain("five six seven", 19_000, 30_000), 19_000, 20_000),
        Piece(plain("five six seven", 40_000, 50_000)),
    ]
    joined = join_all(pieces)
    assert len(joined) == 4
    assert " ".join(each.text for each in joined) == "one two three four five six seven five six seven"
    assert join_all([]) == ()


_SPELLED = st.text("abcdefg", min_size=3, max_size=9)


@st.composite
def _cut(draw: st.DrawFn) -> tuple[list[Word], Hypothesis, Hypothesis, int, int]:
    """Words, and two readings of them that both heard a second; at its borders words may be cut in half."""
    said, at = [], 0
    for _ in range(draw(st.integers(8, 24))):
        length = draw(st.integers(80, 450))
        said.append(Word(draw(_SPELLED), at, at + length))
        at += length + draw(st.sampled_from([0, 0, 20, 60, 300]))
    start = draw(st.integers(0, max(0, at - 1000)))
    end = start + 1000
    jitter = draw(st.integers(0, 40))
    chance = random.Random(draw(st.integers(0, 2**32)))
    before = _heard(said, 0, end, jitter, chance)
    after = _heard(said, start, at, jitter, chance)
    return said, before, after, start, end


def _heard(said: list[Word], start: int, end: int, jitter: int, chance: random.Random) -> Hypothesis:
    heard = []
    for word in said:
        if word.end <= start or word.start >= end:
            continue
        text, begins, ends = word.text, max(word.start, start), min(word.end, end)
        share = (ends - begins) / (word.end - word.start)
        if share < 0.9:
            # So little of it is heard as nothing, as a part, or as something else.
            length = round(len(text) * share)
            part = text[-length:] if word.start < start else text[:length]
            text = chance.choice([part, part, "x" * length]) if length else ""
        if text:
            begins = min(max(start, begins + chance.randint(-jitter, jitter)), ends)
            heard.append(Word(text, begins, max(begins, min(end, ends + chance.randint(-jitter, jitter)))))
    text = " ".join(word.text for word in heard)
    return Hypothesis(text=text, start=start, end=end, is_final=True, stable=len(text), words=tuple(heard))


@settings(max_examples=60, deadline=None)
@given(_cut())
def test_readings_of_a_text_that_was_cut_are_joined_to_the_text(
    cut: tuple[list[Word], Hypothesis, Hypothesis, int, int],
) -> None:
    said, before, after, start, end = cut
    first, second = join(before, after, start=start, end=end)
    assert f"{first.text} {second.text}".split() == [word.text for word in said]
    for each in (first, second):
        assert each.text.split() == [word.text for word in each.words]
        assert each.stable == len(each.text)
        assert each.start <= each.end
        assert all(each.start <= word.start <= word.end <= each.end for word in each.words)
    assert first.end <= second.start
    assert join(first, second, start=start, end=end) == (first, second)


_TOKEN = st.sampled_from(["the", "old", "house", "house.", "The", "好", "好吗", "a", "1.5", "-", "x"])
_TIMES = st.integers(0, 4000)


@st.composite
def _any(draw: st.DrawFn) -> Hypothesis:
    spelled = draw(st.lists(_TOKEN, max_size=12))
    timed_words: tuple[Word, ...] = ()
    if draw(st.booleans()):
        starts = sorted(draw(st.lists(_TIMES, min_size=len(spelled), max_size=len(spelled))))
        timed_words = tuple(
            Word(text, at, at + draw(st.integers(0, 900))) for text, at in zip(spelled, starts, strict=True)
        )
    start, end = sorted((draw(_TIMES), draw(_TIMES)))
    text = draw(st.sampled_from(["", " "])).join(spelled)
    return Hypothesis(text=text, start=start, end=end, words=timed_words, stable=draw(st.integers(0, len(text))))


@settings(max_examples=60, deadline=None)
@given(_any(), _any(), _TIMES, _TIMES)
def test_whatever_is_joined_no_word_outside_the_overlap_is_lost(
    before: Hypothesis, after: Hypothesis, start: int, end: int
) -> None:
    first, second = join(before, after, start=start, end=end)
    assert before.text.startswith(first.text) and after.text.endswith(second.text)
    assert 0 <= first.stable <= len(first.text) and 0 <= second.stable <= len(second.text)
    assert first.start == before.start and second.end == after.end
    left, right = units(before), units(after)
    if end - start >= APART_MS and all(unit.is_timed for unit in (*left, *right)):
        said = _letters(first) + _letters(second)
        assert _is_within("".join(unit.key for unit in left if unit.end <= start), said)
        assert _is_within("".join(unit.key for unit in right if unit.start >= end), said)


def _letters(hypothesis: Hypothesis) -> str:
    return "".join(key for word in hypothesis.words for key in words(word.text))


def _is_within(wanted: str, said: str) -> bool:
    """Whether all letters are there, in order."""
    rest = iter(said)
    return all(each in rest for each in wanted)


def test_a_hostile_length_takes_no_hostile_time() -> None:
    text = "na " * 3_000
    before = Hypothesis(text=text, start=0, end=10_000, words=(Word("na", 9500, 9501),) * 3_000)
    first, second = join(before, replace(before, start=9_000), start=9_000, end=10_000)
    assert len(first.words) + len(second.words) >= 5_000
    both = join(plain(text, 0, 10_000), plain(text, 9_000, 20_000), start=9_000, end=10_000)
    assert sum(len(each.text.split()) for each in both) >= 5_000
