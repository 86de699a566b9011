"""Words out of tokens, for every way in which models write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.sherpa.hotwords import Spelling
from asr_hub.providers.sherpa.words import Token, mean_confidence, words_of

pytestmark = pytest.mark.unit


def _words(text: str, *tokens: str, whole: bool = False) -> list[tuple[str, int, int]]:
    timed = [Token(token, at * 0.2) for at, token in enumerate(tokens)]
    return [(w.text, w.start, w.end) for w in words_of(text, timed, whole_tokens=whole, length_ms=2000)]


def test_pieces_are_joined_up_to_the_next_space() -> None:
    assert _words("go forward", " go", " for", "ward") == [("go", 0, 200), ("forward", 200, 800)]


def test_a_word_ends_with_the_next_or_soon_after_its_last_token() -> None:
    tokens = [Token(" a", 0.0), Token(" b", 1.5), Token(" c", 1.9)]
    words = words_of("a b c", tokens, whole_tokens=False, length_ms=2000)
    assert [(word.start, word.end) for word in words] == [(0, 400), (1500, 1900), (1900, 2000)]


def test_ideographs_stand_alone_among_words() -> None:
    assert [word for word, _, _ in _words("我说 hello 世界", "我", "说", " hel", "lo", "世", "界")] == [
        *("我", "说", "hello", "世", "界")
    ]


def test_whole_tokens_are_words_unless_they_go_on() -> None:
    assert [word for word, _, _ in _words("go forward", "go", "for@@", "ward", whole=True)] == ["go", "forward"]


def test_words_that_do_not_spell_the_text_are_not_told() -> None:
    assert _words("go 4", " go", " four") == []
    assert _words("é", "<0xC3>", "<0xA9>") == []


def test_the_confidence_is_that_of_the_tokens() -> None:
    tokens = [Token(" a", 0.0, log_probability=0.0), Token("b", 0.1, log_probability=-2.0), Token(" c", 0.2)]
    words = words_of("ab c", tokens, whole_tokens=False, length_ms=1000)
    assert [word.confidence for word in words] == [0.3679, None] and mean_confidence(words) == 0.3679
    assert mean_confidence(()) is None


_piece = st.text("ab▁ 世", min_size=1, max_size=3).map(lambda text: text.replace("▁", " "))
_time = st.floats(-1, 20, allow_nan=False)


@given(st.lists(st.tuples(_piece, _time)), st.booleans(), st.integers(0, 15_000))
def test_times_never_go_back_nor_leave_the_audio(told: list[tuple[str, float]], whole: bool, length: int) -> None:
    tokens = [Token(text, start) for text, start in told]
    text = "".join(token.text for token in tokens)
    words = words_of(text, tokens, whole_tokens=whole, length_ms=length)
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times) and all(0 <= time <= length for time in times)
    assert not words or "".join(word.text for word in words) == "".join(text.split())


def test_hotwords_are_written_as_the_model_writes() -> None:
    spelling = Spelling(frozenset("▁GOTEN"))
    assert spelling.line(["go", " ten  go ", "Zorba", ":2.0", "go/ten", ""]) == (
        "GO/TEN GO",
        ["Zorba", ":2.0", "go/ten"],
    )


def test_a_weight_is_a_score_behind_the_phrase() -> None:
    spelling = Spelling(frozenset("▁GOTEN"), score=1.5)
    assert spelling.line(["go", "ten", "Zorba"], {"ten": 2.0, "Zorba": 3.0}) == ("GO/TEN :3.000", ["Zorba"])


@given(st.lists(st.text("ab :#@/1.")))
def test_no_hotword_becomes_a_score_or_another_phrase(hotwords: list[str]) -> None:
    line, unknown = Spelling(frozenset("▁abc:#@/1.5")).line(hotwords)
    phrases = line.split("/") if line else []
    assert all(phrase and phrase[0] not in ":#@" and set(phrase) <= set("abc:#@1.5 ") for phrase in phrases)
    assert all(not word.startswith((":", "#", "@")) for phrase in phrases for word in phrase.split())
    assert len(phrases) + len(unknown) <= len(hotwords)
