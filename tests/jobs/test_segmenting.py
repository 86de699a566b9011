from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.shapes import frames, voice

from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.light import LightVad
from asr_hub.jobs.job import Segment
from asr_hub.jobs.segmenting import Segmenter
from asr_hub.model import AudioFrame

pytestmark = pytest.mark.unit

RATE = 8_000
LONGEST_S = 5.0
TALK = voice(12.0, rate=RATE)
VADS = {"light": LightVad(), "off": None}

talks = st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 7.0)), min_size=1, max_size=3)
"""Seconds of silence and of speech, by turns."""


def spoken(talk: Sequence[tuple[float, float]]) -> bytes:
    return b"".join(bytes(2 * round(quiet * RATE)) + TALK[: 2 * round(loud * RATE)] for quiet, loud in talk)


def segments(pcms: Sequence[bytes], vad: str = "light", size: int = 4000) -> tuple[Segment, ...]:
    made = Segmenter(RATE, len(pcms), VADS[vad], EndpointSettings(max_utterance=LONGEST_S))
    for row in zip(*(frames(pcm, [size], rate=RATE) for pcm in pcms), strict=True):
        made.take(row)
    return made.finish()


@pytest.mark.parametrize("vad", VADS)
@settings(max_examples=15)
@given(talk=st.lists(talks, min_size=1, max_size=2), size=st.integers(100, 9000))
def test_segments_are_in_order_inside_the_audio_and_share_only_their_overlap(
    vad: str, talk: list[list[tuple[float, float]]], size: int
) -> None:
    pcms = [spoken(one) for one in talk]
    length = max(map(len, pcms))
    pcms = [pcm.ljust(length, b"\0") for pcm in pcms]
    found = segments(pcms, vad)
    assert found == segments(pcms, vad, size)
    assert [segment.number for segment in found] == list(range(len(found)))
    assert list(found) == sorted(found, key=lambda segment: (segment.start, segment.channel))
    for segment in found:
        assert 0 <= segment.start <= segment.start + segment.overlap < segment.end <= length // 2
        assert segment.end - segment.start <= LONGEST_S * RATE
    for channel in range(len(pcms)):
        own = [segment for segment in found if segment.channel == channel]
        for before, after in itertools.pairwise(own):
            shared = before.end - after.start
            assert shared == after.overlap if after.overlap else shared <= 0


@given(talk=talks)
def test_without_a_vad_every_sample_is_in_a_segment(talk: list[tuple[float, float]]) -> None:
    pcm = spoken(talk)
    found = segments([pcm], "off")
    assert sum(segment.end - segment.start - segment.overlap for segment in found) == len(pcm) // 2
    assert all(segment.overlap == RATE for segment in found[1:])
    assert all(segment.end - segment.start == LONGEST_S * RATE for segment in found[1:-1])


def test_who_speaks_for_long_is_cut_with_an_overlap() -> None:
    found = segments([bytes(2 * RATE) + TALK])
    assert len(found) >= 3 and found[0].overlap == 0
    assert [segment.overlap for segment in found[1:]] == [RATE] * (len(found) - 1)
    assert found[-1].end >= RATE + len(TALK) // 2 - 1


def test_who_stops_is_cut_without_an_overlap() -> None:
    found = segments([spoken([(1.0, 2.0), (2.0, 2.0)])])
    assert len(found) == 2
    assert all(segment.overlap == 0 for segment in found)
    assert found[0].start <= RATE and found[0].end >= 3 * RATE
    assert found[1].start <= 5 * RATE and found[1].end >= 7 * RATE - 1


def test_nobody_speaks() -> None:
    assert segments([bytes(20 * RATE)]) == ()


def test_channels_are_numbered_together() -> None:
    found = segments([spoken([(0.5, 2.0), (5.0, 0.0)]), spoken([(4.0, 2.0), (1.5, 0.0)])])
    assert [(segment.number, segment.channel) for segment in found] == [(0, 0), (1, 1)]


@pytest.mark.parametrize("vad", VADS)
@pytest.mark.parametrize(("longest_s", "overlap"), [(5.0, RATE), (2.4, RATE // 2), (1.9, 0)])
def test_the_overlap_is_shorter_where_the_longest_segment_has_no_room_for_it(
    vad: str, longest_s: float, overlap: int
) -> None:
    made = Segmenter(RATE, 1, VADS[vad], EndpointSettings(max_utterance=longest_s))
    for frame in frames(TALK, [4000], rate=RATE):
        made.take([frame])
    found = made.finish()
    assert [segment.overlap for segment in found[1:]] == [overlap] * (len(found) - 1) != []
    assert max(segment.end - segment.start for segment in found) <= longest_s * RATE


def test_a_frame_for_each_channel() -> None:
    made = Segmenter(RATE, 2, None, EndpointSettings())
    with pytest.raises(ValueError, match="shorter"):
        made.take([AudioFrame(bytes(100), 0, RATE)])
