"""Words from tokens, and their times from an alignment."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.whisper.words import Written, with_times, written

pytestmark = pytest.mark.unit


def decoder(pieces: Sequence[bytes | str]) -> tuple[list[int], dict[int, bytes]]:
    return list(range(len(pieces))), {
        i: piece if isinstance(piece, bytes) else piece.encode() for i, piece in enumerate(pieces)
    }


def words(*pieces: bytes | str, is_spaced: bool = True) -> list[Written]:
    tokens, spelled = decoder(pieces)

    def decode(some: Sequence[int]) -> str:
        return b"".join(spelled[token] for token in some).decode(errors="replace")

    return written(tokens, decode, is_spaced=is_spaced)


def test_a_space_begins_a_word_and_punctuation_stays_with_it() -> None:
    assert words(" Well", "-", "known", ",", " isn", "'t", " it", "?") == [
        Written("Well-known,", 4),
        Written("isn't", 2),
        Written("it?", 2),
    ]


def test_characters_of_several_tokens_are_whole() -> None:
    raw = "你好。".encode()
    assert words(raw[:2], raw[2:3], raw[3:6], raw[6:], is_spaced=False) == [Written("你", 2), Written("好。", 2)]


def test_latin_words_stay_whole_among_characters() -> None:
    assert words("打", "开", " Wi", "-", "Fi", "吧", "!", is_spaced=False) == [
        Written("打", 1),
        Written("开", 1),
        Written("Wi-Fi", 3),
        Written("吧!", 2),
    ]
    assert [word.text for word in words("说", " go", " on", is_spaced=False)] == ["说", "go", "on"]


def test_bytes_that_are_no_character_do_not_swallow_the_rest() -> None:
    assert words(*[b"\xff"] * 9, " one", " two")[-1] == Written("two", 1)


@given(pieces=st.lists(st.one_of(st.text(max_size=4), st.binary(max_size=3)), max_size=20), is_spaced=st.booleans())
def test_every_token_belongs_to_a_word(pieces: list[bytes | str], is_spaced: bool) -> None:
    found = words(*pieces, is_spaced=is_spaced)
    assert all(word.text and word.text == " ".join(word.text.split()) for word in found)
    if found:
        assert sum(word.tokens for word in found) == len(pieces)


@given(pieces=st.lists(st.text(alphabet=" abc.,'é你", min_size=1, max_size=4), max_size=20))
def test_words_in_a_row_are_the_text(pieces: list[str]) -> None:
    assert " ".join(word.text for word in words(*pieces)) == " ".join("".join(pieces).split())


PATH = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2000)), max_size=60)


@given(
    lengths=st.lists(st.integers(1, 4), max_size=10),
    path=PATH,
    probabilities=st.lists(st.floats(), max_size=40),
    offset=st.floats(0, 20),
    length=st.floats(0, 10),
)
def test_times_never_go_back_and_stay_in_the_clip(
    lengths: list[int], path: list[tuple[int, int]], probabilities: list[float], offset: float, length: float
) -> None:
    limit = offset + length
    heard = with_times([Written("a", n) for n in lengths], path, probabilities, offset_s=offset, limit_s=limit)
    times = [time for word in heard for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(round(offset * 1000) <= time <= round(limit * 1000) for time in times)
    assert all(word.confidence is None or 0 <= word.confidence <= 1 for word in heard)


def test_a_word_lasts_until_the_next_one_begins() -> None:
    path = [(0, 5), (0, 6), (1, 10), (2, 20), (3, 40)]
    heard = with_times([Written("a", 2), Written("b", 1)], path, [0.5, 1.0, 0.25], offset_s=1, limit_s=9)
    assert [(word.start, word.end, word.confidence) for word in heard] == [(1100, 1400, 0.75), (1400, 1800, 0.25)]
