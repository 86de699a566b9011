"""Voices that lie near each other are one speaker, and nobody is renamed."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.audio.speakers import MOST_WEIGHT_S, Label, SessionSpeakers, Telling, Voiceprint

pytestmark = pytest.mark.unit

SIZE = 4

numbers = st.floats(-1, 1, width=32)
embeddings = st.lists(numbers, min_size=SIZE, max_size=SIZE).filter(lambda values: math.hypot(*values) > 1e-3)
lengths = st.floats(0, 40)
sessions = st.lists(st.tuples(embeddings, lengths), max_size=12)
tellings = st.builds(
    Telling, threshold=st.floats(-0.9, 0.99), founding_s=st.floats(0, 3), most=st.integers(min_value=1, max_value=5)
)


def heard(speakers: SessionSpeakers, session: list[tuple[list[float], float]]) -> list[Label]:
    return [speakers.label(embedding, seconds) for embedding, seconds in session]


def people(count: int, *, size: int = 32, seed: int = 1) -> np.ndarray:
    """Directions at right angles: nobody is like anybody."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, count)))[0].T


def test_two_voices_in_turn_are_one_and_two() -> None:
    deep, high = people(2)
    chance = np.random.default_rng(2)
    speakers = SessionSpeakers()
    told = [speakers.label(who + chance.normal(0, 0.08, 32), 2.0) for who in (deep, high, deep, deep, high)]
    assert [label.speaker for label in told] == ["1", "2", "1", "1", "2"]
    assert [label.is_new for label in told] == [True, True, False, False, False]
    assert told[0].similarity is None and told[1].similarity is not None and told[1].similarity < 0.5


def test_how_loud_an_embedding_is_says_nothing() -> None:
    deep, high = people(2)
    speakers = SessionSpeakers()
    told = [speakers.label(scale * who, 2.0).speaker for who, scale in ((deep, 1e-3), (high, 1e3), (deep, 50.0))]
    assert told == ["1", "2", "1"]


def test_who_says_too_little_founds_no_speaker_but_is_known_again() -> None:
    deep, high = people(2)
    speakers = SessionSpeakers(Telling(founding_s=1.0))
    assert speakers.label(deep, 0.6) == Label(None, None)
    assert speakers.label(deep, 1.0).speaker == "1"
    assert speakers.label(deep, 0.6).speaker == "1"
    assert speakers.label(high, 0.9).speaker is None
    assert speakers.label(high, 1.1) == Label("2", pytest.approx(0.0, abs=1e-6), is_new=True)


def test_a_full_session_gives_whoever_comes_the_nearest_and_keeps_the_voice_as_it_was() -> None:
    deep, high, other = people(3)
    speakers = SessionSpeakers(Telling(most=2))
    heard(speakers, [(deep, 2.0), (high, 2.0)])
    before = speakers.voiceprints
    label = speakers.label(0.9 * other + 0.3 * high, 5.0)
    assert label.speaker == "2" and not label.is_new and label.similarity is not None and label.similarity < 0.5
    assert speakers.voiceprints == before


def test_a_voice_follows_its_speaker() -> None:
    """In steps that are each near the one before, though the last is far from the first."""
    first, last = people(2)
    speakers = SessionSpeakers(Telling(threshold=0.6))
    way = [math.cos(turn) * first + math.sin(turn) * last for turn in np.linspace(0, 1.4, 15)]
    assert {speakers.label(voice, 10.0).speaker for voice in way} == {"1"}
    assert first @ way[-1] < 0.6


def test_a_broken_embedding_is_refused_and_changes_nothing() -> None:
    (deep,) = people(1)
    speakers = SessionSpeakers()
    speakers.label(deep, 2.0)
    before = speakers.voiceprints
    for broken in (np.zeros(32), deep * math.nan, deep * math.inf, np.ones(31)):
        with pytest.raises(ValueError, match="embedding"):
            speakers.label(broken, 2.0)
    assert speakers.voiceprints == before


def test_memory_of_another_session_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        SessionSpeakers(Telling(most=1), [Voiceprint((1.0, 0.0), 1.0), Voiceprint((0.0, 1.0), 1.0)])
    with pytest.raises(ValueError, match="different models"):
        SessionSpeakers(known=[Voiceprint((1.0, 0.0), 1.0), Voiceprint((1.0,), 1.0)])


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"founding_s": -1.0}, {"most": 0}, {"most": 1000}])
def test_a_setting_out_of_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Telling(**wrong)  # type: ignore[arg-type]


@given(sessions, tellings)
def test_numbers_come_in_order_of_appearance_and_stay_few(
    session: list[tuple[list[float], float]], telling: Telling
) -> None:
    speakers = SessionSpeakers(telling)
    appeared = 0
    for (embedding, seconds), label in zip(session, heard(speakers, session), strict=True):
        if label.is_new:
            appeared += 1
            assert label.speaker == str(appeared) and seconds >= telling.founding_s
        elif label.speaker is not None:
            assert 1 <= int(label.speaker) <= appeared
        assert embedding
    assert len(speakers.voiceprints) == appeared <= telling.most


@given(sessions, tellings)
def test_every_voice_has_a_direction_and_a_bounded_weight(
    session: list[tuple[list[float], float]], telling: Telling
) -> None:
    speakers = SessionSpeakers(telling)
    heard(speakers, session)
    for voice in speakers.voiceprints:
        assert math.hypot(*voice.direction) == pytest.approx(1.0)
        assert 0 <= voice.seconds <= MOST_WEIGHT_S


@given(sessions, tellings)
def test_the_same_utterances_get_the_same_numbers_also_from_a_memory_that_was_written_down(
    session: list[tuple[list[float], float]], telling: Telling
) -> None:
    whole, halved = SessionSpeakers(telling), SessionSpeakers(telling)
    told = heard(whole, session)
    middle = len(session) // 2
    first = heard(halved, session[:middle])
    written = msgspec.json.encode(halved.voiceprints)
    again = SessionSpeakers(telling, msgspec.json.decode(written, type=tuple[Voiceprint, ...]))
    assert first + heard(again, session[middle:]) == told
    assert again.voiceprints == whole.voiceprints


@given(embeddings, st.integers(2, 6), tellings)
def test_one_voice_is_one_speaker(embedding: list[float], times: int, telling: Telling) -> None:
    speakers = SessionSpeakers(telling)
    told = heard(speakers, [(embedding, 3.0)] * times)
    assert {label.speaker for label in told} == {"1"}
