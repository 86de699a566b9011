from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import Alternative, Hypothesis, ProviderName, Word
from asr_hub.text.rover import vote
from asr_hub.text.score import Errors, count
from asr_hub.text.words import words

pytestmark = pytest.mark.unit

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "well-known", "it's", "今", "天气"]), max_size=8).map(" ".join)
SURE = st.one_of(st.none(), st.floats(0, 1))


def heard(text: str, *, confidence: float | None = None) -> Hypothesis:
    """A hypothesis of an engine that tells no words."""
    return Hypothesis(text=text, start=0, end=10_000, is_final=True, confidence=confidence)


def timed(text: str, *sure: float | None, every: int = 100) -> Hypothesis:
    """A hypothesis with words: the second one begins at `every` milliseconds."""
    said = text.split()
    told = [*sure, *[None] * (len(said) - len(sure))]
    found = tuple(Word(word, at * every, at * every + 80, told[at]) for at, word in enumerate(said))
    return Hypothesis(text=text, start=0, end=10_000, words=found)


def test_a_single_hypothesis_comes_back_as_it_is() -> None:
    alone = timed("Hello,  World!", 0.5, 0.25)
    assert vote([alone]) is alone


def test_no_hypothesis_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="needs a hypothesis"):
        vote([])


@pytest.mark.parametrize(
    ("texts", "voted"),
    [
        (("the cat sat", "the bat sat", "a cat sat"), "the cat sat"),
        (("the cat", "the old cat", "the old cat"), "the old cat"),
        (("the old cat", "the cat", "the cat"), "the cat"),
        (("", "hello", "hello"), "hello"),
        (("um", "", ""), ""),
        (("今天天汽", "今天天气", "明天天气"), "今天天气"),
        (("说 hello 吧", "说 hallo 吧", "说 hallo 吗"), "说 hallo 吧"),
        (("a well-known one", "a well-none one", "a well-none one"), "a well-none one"),
    ],
)
def test_the_word_that_most_heard_is_elected(texts: tuple[str, ...], voted: str) -> None:
    assert vote([heard(text) for text in texts]).text == voted


def test_a_tie_goes_to_the_earlier_hypothesis() -> None:
    assert vote([heard("the cat sat"), heard("the old bat sat")]).text == "the cat sat"
    assert vote([heard("the old bat sat"), heard("the cat sat")]).text == "the old bat sat"
    assert vote([heard("a"), heard("b"), heard("c")]).text == "a"
    halves = [heard("a", confidence=0.6), heard("b", confidence=0.4), heard("b", confidence=0.9)]
    assert vote([*halves, heard("a", confidence=0.7)]).text == "a", "0.6 + 0.7 is as much as 0.4 + 0.9"


def test_words_that_agree_are_written_as_the_first_hypothesis_writes_them() -> None:
    voted = vote([heard("Well, the bat sat. “Yes!”"), heard("well the cat sat yes"), heard("well the cat sat, yes")])
    assert voted.text == "Well, the cat sat. “Yes!”"


def test_the_text_stops_where_its_last_word_is() -> None:
    assert vote([heard("We go."), heard("we go home"), heard("we go home")]).text == "We go home."
    assert vote([heard("We go, now!"), heard("we go"), heard("we go")]).text == "We go!"
    assert vote([heard("we go"), heard("We go. Home."), heard("We go. Home.")]).text == "we go Home"


def test_what_opens_stays_with_its_word() -> None:
    readings = ["we ah now", "we oh now", "  “so now", "  “so now", "we um now"]
    assert vote([heard(text) for text in readings]).text == "we “so now"


def test_the_surer_word_wins_where_as_many_heard_it() -> None:
    assert vote([timed("the bat", 0.9, 0.3), timed("the cat", 0.9, 0.8)]).text == "the cat"
    assert vote([timed("the bat", 0.9, 0.8), timed("the cat", 0.9, 0.3)]).text == "the bat"


def test_one_sure_engine_does_not_overrule_two_that_agree() -> None:
    assert vote([timed("cat", 1.0), timed("bat", 0.4), timed("bat", 0.4)]).text == "bat"


def test_alpha_weighs_number_against_confidence() -> None:
    readings = [timed("cat", 1.0), timed("bat", 0.1), timed("bat", 0.1)]
    assert vote(readings, alpha=1.0).text == "bat"
    assert vote(readings, alpha=0.1).text == "cat"


def test_the_null_confidence_decides_between_a_word_and_nothing() -> None:
    readings = [timed("the old cat", 0.9, 0.5, 0.9), timed("the cat", 0.9, 0.9)]
    assert vote(readings, null_confidence=0.6).text == "the cat"
    assert vote(readings, null_confidence=0.4).text == "the old cat"


def test_a_hypothesis_without_words_votes_with_its_own_confidence() -> None:
    assert vote([heard("bat", confidence=0.2), heard("cat", confidence=0.9)]).text == "cat"
    assert vote([heard("bat", confidence=0.9), timed("cat", 0.2)]).text == "bat"


def test_an_engine_without_confidence_counts_as_the_mean_of_the_others() -> None:
    assert vote([heard("bat x"), timed("cat x", 0.4, 0.8)]).text == "bat x"
    assert vote([heard("bat x"), timed("cat x", 0.8, 0.4)]).text == "cat x"


def test_the_confidence_is_the_share_of_engines_where_none_tells_any() -> None:
    voted = vote([timed("the cat"), timed("the bat"), timed("the cat sat"), timed("the cat")])
    assert [word.confidence for word in voted.words] == [1.0, 0.75]
    assert voted.confidence == pytest.approx((1.0 + 0.75 + 0.75) / 3, abs=1e-3)


def test_a_word_has_the_time_of_the_first_engine_that_heard_it_there() -> None:
    voted = vote([timed("the bat sat"), timed("the cat sat", every=110), timed("the cat sat", every=120)])
    assert [(word.text, word.start, word.end) for word in voted.words] == [
        ("the", 0, 80),
        ("cat", 110, 190),
        ("sat", 200, 280),
    ]


def test_times_come_from_another_engine_where_the_first_has_none() -> None:
    voted = vote([heard("The cat."), timed("the cat")])
    assert voted.text == "The cat."
    assert [(word.text, word.start, word.end) for word in voted.words] == [("The", 0, 80), ("cat", 100, 180)]


def test_there_are_no_words_where_one_of_them_has_no_time() -> None:
    voted = vote([timed("the bat"), heard("the cat"), heard("the cat")])
    assert (voted.text, voted.words) == ("the cat", ())


def test_parts_of_one_timed_word_stay_together() -> None:
    first = Hypothesis(text="今天下雨", start=0, end=900, words=(Word("今天", 0, 400), Word("下雨", 500, 900)))
    second = Hypothesis(text="今天下雪", start=0, end=900, words=(Word("今天", 0, 400), Word("下雪", 500, 900)))
    voted = vote([first, second, second])
    assert voted.text == "今天下雪"
    assert [(word.text, word.start, word.end) for word in voted.words] == [
        ("今天", 0, 400),
        ("下", 500, 700),
        ("雪", 700, 900),
    ]


def test_words_as_the_first_engine_divides_them_stay_where_nothing_changes() -> None:
    first = Hypothesis(
        text="Well-known, yes.", start=0, end=900, words=(Word("Well-known,", 0, 500), Word("yes.", 500, 900))
    )
    voted = vote([first, heard("well known yes"), heard("well none yes")])
    assert voted.text == first.text
    assert [(word.text, word.start, word.end) for word in voted.words] == [("Well-known,", 0, 500), ("yes.", 500, 900)]


def test_all_else_is_of_the_first_hypothesis_and_the_other_texts_are_alternatives() -> None:
    first = Hypothesis(
        text="the bat sat", start=5, end=900, is_final=True, stable=7, revision=3, language="en",
        provider=ProviderName("one"), confidence=0.6,
    )  # fmt: skip
    voted = vote([first, heard("the cat sat", confidence=0.9), heard("the cat sat", confidence=0.8)])
    assert (voted.start, voted.end, voted.is_final, voted.revision) == (5, 900, True, 3)
    assert (voted.language, voted.provider) == ("en", "one")
    assert voted.stable == 0, "what was promised did not stay"
    assert voted.alternatives == (Alternative("the bat sat", 0.6),)


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXTS, SURE), min_size=1, max_size=5))
def test_every_word_of_the_vote_was_heard_by_somebody(readings: list[tuple[str, float | None]]) -> None:
    said = {word for text, _ in readings for word in words(text)}
    assert set(words(vote([heard(text, confidence=sure) for text, sure in readings]).text)) <= said


@settings(max_examples=50)
@given(TEXTS, st.lists(SURE, min_size=1, max_size=5), st.data())
def test_what_all_heard_does_not_change(text: str, sure: list[float | None], data: st.DataObject) -> None:
    decorations = st.sampled_from([str, str.upper, str.title, lambda text: f"({text})...", lambda text: f" {text} !"])
    readings = [heard(data.draw(decorations)(text), confidence=each) for each in sure]
    assert vote(readings).text == readings[0].text


@settings(max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.lists(SURE, min_size=5, max_size=5))
def test_what_all_begin_and_end_with_stays(middles: list[str], sure: list[float | None]) -> None:
    readings = [
        heard(f"Once upon {middle} the End.", confidence=each) for middle, each in zip(middles, sure, strict=False)
    ]
    voted = vote(readings).text
    assert voted.startswith("Once upon ") and voted.endswith("the End.")


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXTS, st.integers(1, 500), SURE), min_size=2, max_size=5))
def test_words_are_those_of_the_text_in_order_and_inside_the_utterance(
    readings: list[tuple[str, int, float | None]],
) -> None:
    voted = vote([timed(text, *[sure] * len(text.split()), every=every) for text, every, sure in readings])
    assert [key for word in voted.words for key in words(word.text)] == list(words(voted.text))
    starts = [word.start for word in voted.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= 10_000 for word in voted.words)
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in voted.words)


UTTERANCES = 100
SAID = 20
ERRORS = 0.2
VOCABULARY = [f"w{number}" for number in range(500)]


@cache
def panel(confidences: str) -> tuple[tuple[str, tuple[Hypothesis, ...]], ...]:
    """What was said, and what five engines heard that err independently at every fifth word."""
    chance = random.Random(7)
    utterances = []
    for _ in range(UTTERANCES):
        said = [chance.choice(VOCABULARY) for _ in range(SAID)]
        utterances.append((" ".join(said), tuple(misheard(said, chance, confidences) for _ in range(5))))
    return tuple(utterances)


def misheard(said: list[str], chance: random.Random, confidences: str) -> Hypothesis:
    found: list[tuple[str, bool]] = []
    for word in said:
        drawn = chance.random()
        if drawn < 0.6 * ERRORS:
            found.append((chance.choice(VOCABULARY), False))
        elif drawn < 0.8 * ERRORS:
            found += [(word, True), (chance.choice(VOCABULARY), False)]
        elif drawn >= ERRORS:
            found.append((word, True))
    sure = [
        chance.betavariate(8, 2) if is_right or confidences == "blind" else chance.betavariate(5, 4)
        for _, is_right in found
    ]
    return timed(" ".join(word for word, _ in found), *(sure if confidences != "none" else []))


def rate(texts: list[tuple[str, str]]) -> float:
    return sum((count(words(said), words(text)) for said, text in texts), Errors()).rate or 0.0


def rate_of_vote(confidences: str, *, engines: int, **settings: float) -> float:
    return rate([(said, vote(each[:engines], **settings).text) for said, each in panel(confidences)])


@pytest.mark.parametrize("confidences", ["none", "blind", "informed"])
def test_a_vote_of_engines_that_err_independently_beats_the_best_of_them(confidences: str) -> None:
    best = min(rate([(said, each[engine].text) for said, each in panel(confidences)]) for engine in range(5))
    assert 0.15 < best < 0.22
    assert rate_of_vote(confidences, engines=5) < best / 5


def test_confidences_that_know_something_help() -> None:
    for engines in (2, 3):
        with_them = rate_of_vote("informed", engines=engines)
        assert with_them < 0.7 * rate_of_vote("informed", engines=engines, alpha=1.0)
