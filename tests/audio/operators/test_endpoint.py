from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.shapes import joined, noise, utterances

from asr_hub.audio.operators.base import Output, Scored, SpeechEnd, SpeechStart
from asr_hub.audio.operators.endpoint import Endpoint, EndpointSettings
from asr_hub.errors import ConfigError
from asr_hub.model import AudioFrame, EndpointReason

pytestmark = pytest.mark.unit

RATE = 8_000
WINDOW = 160
"""Samples of one letter: 20 ms"""

LEVELS = {".": 0.0, "-": 0.4, "o": 0.6, "x": 0.95}
"""Silence, between release and threshold, doubtful speech, sure speech."""

PLAIN = EndpointSettings(min_speech=0.2, min_silence=0.4, pre_roll=0.1, max_utterance=3.0)


def scored(pattern: str, *, first: int = 0) -> list[Scored]:
    return [
        Scored(AudioFrame(noise(WINDOW, seed=first + i), (first + i) * WINDOW, RATE), LEVELS[letter])
        for i, letter in enumerate(pattern)
    ]


def run(pattern: str, settings: EndpointSettings = PLAIN, *, reason: EndpointReason | None = None) -> list[Output]:
    endpoint = Endpoint(settings, RATE)
    outputs = [output for one in scored(pattern) for output in endpoint.process(one)]
    return outputs if reason is None else outputs + endpoint.finalize(reason)


def letters(samples: int) -> float:
    return samples / WINDOW


def test_an_utterance_has_pre_roll_speech_and_the_silence_until_the_decision() -> None:
    (heard,) = utterances(run("." * 20 + "x" * 30 + "." * 40))
    assert letters(heard.start.at) == 20
    assert letters(heard.first) == 15
    assert heard.end is not None and (heard.end.at, heard.end.reason) == (50 * WINDOW, EndpointReason.SILENCE)
    assert letters(heard.last) == 70


def test_the_end_counts_what_the_vad_took_for_speech() -> None:
    """Each utterance its own: neither the silence around it, nor what was too short before it, nor the one before."""
    pattern = "xx" + "." * 20 + "x" * 30 + "." * 10 + "o" * 5 + "." * 40 + "x" * 10 + "." * 40
    assert [heard.end.voiced / WINDOW for heard in utterances(run(pattern)) if heard.end is not None] == [35, 10]
    assert [heard.end.voiced for heard in utterances(run("x" * 200 + "." * 40)) if heard.end] == [
        150 * WINDOW,
        50 * WINDOW,
    ]


def test_silence_gives_nothing() -> None:
    assert run("." * 500, reason=EndpointReason.CLOSE) == []


@pytest.mark.parametrize(
    ("pattern", "opens"),
    [
        ("x" * 5, True),  # sure: 0.1 s is enough
        ("x" * 4, False),
        ("o" * 10, True),  # doubtful: 0.2 s
        ("o" * 9, False),
        ("-" * 60, False),
        ("o" + "-" * 9, True),  # what begins above the threshold may go on above the release
        ("oo....oo....oo....oo....oo", True),  # lulls shorter than half of min_speech do not begin it anew
        ("oo......oo......oo......oo......oo", False),
    ],
)
def test_what_opens_an_utterance(pattern: str, opens: bool) -> None:
    assert bool(run("." * 10 + pattern + "." * 40)) is opens


def test_a_pause_shorter_than_min_silence_belongs_to_the_utterance() -> None:
    assert len(utterances(run("x" * 20 + "." * 19 + "x" * 20 + "." * 40))) == 1
    assert len(utterances(run("x" * 20 + "." * 20 + "x" * 20 + "." * 40))) == 2


def test_between_release_and_threshold_speech_goes_on() -> None:
    (heard,) = utterances(run("x" * 10 + "-" * 40 + "." * 30))
    assert heard.end is not None and (heard.end.at, heard.end.reason) == (50 * WINDOW, EndpointReason.SILENCE)


def test_the_pre_roll_does_not_reach_into_the_utterance_before() -> None:
    first, second = utterances(run("x" * 10 + "." * 20 + ".." + "x" * 10 + "." * 30))
    assert letters(second.first) == letters(first.last) == 30
    assert letters(second.start.at) == 32


@pytest.mark.parametrize("onset", range(40))
def test_the_first_sample_of_speech_is_always_there(onset: int) -> None:
    (heard,) = utterances(run("." * onset + "x" * 20 + "." * 30))
    assert letters(heard.start.at) == onset
    assert letters(heard.first) == max(0, onset - 5)


def test_the_longest_utterance_is_cut_and_goes_on_without_losing_a_sample() -> None:
    pattern = "x" * 400
    heard = utterances(run(pattern, reason=EndpointReason.CLOSE))
    assert [letters(one.last - one.first) for one in heard] == [150, 150, 100]
    reasons = [one.end.reason for one in heard if one.end]
    assert reasons == [EndpointReason.MAX_LENGTH, EndpointReason.MAX_LENGTH, EndpointReason.CLOSE]
    assert b"".join(joined(one.frames) for one in heard) == joined(one.frame for one in scored(pattern))


def test_after_a_cut_one_quiet_window_does_not_lose_the_next_word() -> None:
    heard = utterances(run("x" * 150 + "." + "x" * 2 + "." * 30))
    assert len(heard) == 2
    assert letters(heard[1].first) == 150 and letters(heard[1].start.at) == 151


def test_after_a_cut_in_silence_no_empty_utterance_follows() -> None:
    heard = utterances(run("x" * 145 + "." * 100, PLAIN))
    assert len(heard) == 1


def test_late_in_a_long_utterance_a_shorter_silence_is_enough() -> None:
    first, second = utterances(run("x" * 60 + "." * 10 + "x" * 55 + "." * 7 + "x" * 10 + "." * 30))
    assert first.end is not None and (first.end.at, first.end.reason) == (125 * WINDOW, EndpointReason.SILENCE)
    assert letters(second.first) == 132


def test_finalize_ends_what_is_open_and_says_why() -> None:
    (heard,) = utterances(run("x" * 10 + "." * 5, reason=EndpointReason.FINALIZE))
    assert heard.end is not None and (heard.end.at, heard.end.reason) == (10 * WINDOW, EndpointReason.FINALIZE)
    assert letters(heard.last) == 15


def test_finalize_does_not_lose_a_word_too_short_to_have_opened_an_utterance() -> None:
    (heard,) = utterances(run("." * 20 + "oo", reason=EndpointReason.FINALIZE))
    assert letters(heard.first) == 15 and letters(heard.last) == 22
    assert heard.end is not None and (heard.end.at, heard.end.reason) == (22 * WINDOW, EndpointReason.FINALIZE)


def test_finalize_outside_speech_gives_nothing_and_forgets_the_pre_roll() -> None:
    endpoint = Endpoint(PLAIN, RATE)
    for one in scored("." * 10):
        endpoint.process(one)
    assert endpoint.finalize(EndpointReason.FINALIZE) == []
    (heard,) = utterances([o for one in scored("x" * 10, first=10) for o in endpoint.process(one)])
    assert letters(heard.first) == 10


def test_clear_drops_what_is_open_and_says_so() -> None:
    endpoint = Endpoint(PLAIN, RATE)
    outputs = [output for one in scored("x" * 10) for output in endpoint.process(one)]
    assert endpoint.is_open
    (end,) = endpoint.clear()
    assert isinstance(end, SpeechEnd) and (end.at, end.reason) == (10 * WINDOW, EndpointReason.CLEAR)
    assert not endpoint.is_open and endpoint.clear() == []
    assert isinstance(outputs[0], SpeechStart)


def test_clear_forgets_speech_that_had_not_opened_an_utterance() -> None:
    endpoint = Endpoint(PLAIN, RATE)
    for one in scored("xxx"):
        endpoint.process(one)
    assert endpoint.clear() == []
    assert [o for one in scored("xxx....", first=3) for o in endpoint.process(one)] == []


def test_the_pre_roll_is_bounded() -> None:
    endpoint = Endpoint(PLAIN, RATE)
    longest = 0
    for i in range(3000):
        endpoint.process(scored("." if i % 8 else "o", first=i)[0])
        longest = max(longest, len(endpoint._held))
    assert longest <= 5 + 8


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("..-oxx"), st.integers(1, 30)), max_size=30),
    st.sampled_from([PLAIN, EndpointSettings(pre_roll=0, min_speech=0, min_silence=0.05, max_utterance=1.2)]),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["finalize", "clear"])), max_size=3),
)
def test_any_pattern(runs: list[tuple[str, int]], its: EndpointSettings, commands: list[tuple[int, str]]) -> None:
    """Marks alternate, times never go back, and the frames of an utterance are those of the stream, each once."""
    pattern = "".join(letter * count for letter, count in runs)
    stream = scored(pattern)
    endpoint = Endpoint(its, RATE)
    outputs: list[Output] = []
    for i, one in enumerate(stream):
        for at, command in commands:
            if at == i:
                outputs += endpoint.clear() if command == "clear" else endpoint.finalize(EndpointReason.FINALIZE)
        outputs += endpoint.process(one)
    outputs += endpoint.finalize(EndpointReason.CLOSE)
    whole = joined(one.frame for one in stream)
    for heard in utterances(outputs):
        assert heard.end is not None
        assert joined(heard.frames) == whole[2 * heard.first : 2 * heard.last]
        assert heard.last - heard.first <= its.max_utterance * RATE
    assert not endpoint.is_open


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("x."), st.integers(1, 40)), max_size=25))
def test_no_sure_speech_is_lost(runs: list[tuple[str, int]]) -> None:
    """Every run of sure speech that is long enough lies in an utterance, whole, even across cuts."""
    pattern = "".join(letter * count for letter, count in runs)
    heard = utterances(run(pattern, reason=EndpointReason.CLOSE))
    given_out = {at for one in heard for frame in one.frames for at in range(frame.start, frame.end, WINDOW)}
    at = 0
    for part in pattern.replace(".x", ". x").replace("x.", "x .").split():
        if part[0] == "x" and len(part) >= 5:
            assert all((at + i) * WINDOW in given_out for i in range(len(part)))
        at += len(part)


@pytest.mark.parametrize(
    "wrong",
    [{"release": 0.6}, {"threshold": 1.5}, {"release": 0.0}, {"min_silence": -1.0}, {"max_utterance": 1.0}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="endpoint"):
        EndpointSettings(**wrong)
