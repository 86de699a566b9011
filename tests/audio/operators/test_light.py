from __future__ import annotations

import pytest
from hypothesis import given, settings
from tests.audio.shapes import cuts, frames, joined, noise, scores, voice

from asr_hub.audio.operators.light import LightVad
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit

VAD = LightVad()


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_speech_is_told_from_noise(rate: int) -> None:
    pcm = noise(2 * rate, level=60) + voice(1.0, rate=rate) + noise(2 * rate, level=60)
    scored = scores(VAD, frames(pcm, [rate // 50], rate=rate), rate=rate)
    inside = [one.speech for one in scored if 2.1 * rate < one.frame.start < 2.9 * rate]
    outside = [one.speech for one in scored if one.frame.end < 2 * rate or one.frame.start > 3.6 * rate]
    assert min(inside) > 0.5 and max(outside) < 0.35
    assert joined(one.frame for one in scored) == pcm


@settings(max_examples=20, deadline=None)
@given(cuts(largest=5000))
def test_neither_the_cut_nor_the_company_matters(sizes: list[int]) -> None:
    pcm, other = noise(9000, level=50) + voice(0.5), voice(1.0, rate=8_000)
    alone = scores(VAD, frames(pcm, [len(pcm)]))
    state, its = VAD.open(16_000), VAD.open(8_000)
    together = []
    for piece, theirs in zip(frames(pcm, sizes), frames(other * 1000, [333], rate=8_000), strict=False):
        together += VAD.score([(its, [theirs]), (state, [piece])])[1]
    together += VAD.flush(state)
    assert [one.frame for one in together] == [one.frame for one in alone]
    assert [one.speech for one in together] == pytest.approx([one.speech for one in alone])


def test_nothing_new_gives_nothing() -> None:
    state = VAD.open(16_000)
    assert VAD.score([(state, [])]) == [[]] and VAD.score([]) == [] and VAD.flush(state) == []


@pytest.mark.parametrize("rate", [4_000, 44_100])
def test_a_rate_it_cannot_take_is_refused(rate: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 125"):
        VAD.open(rate)
