from __future__ import annotations

import pytest
from hypothesis import given, settings
from tests.audio.shapes import cuts, frames, joined, noise, utterances

from asr_hub.audio.operators.base import SpeechEnd, SpeechStart
from asr_hub.audio.operators.continuous import Continuous
from asr_hub.model import AudioFrame, EndpointReason

pytestmark = pytest.mark.unit


@settings(max_examples=50, deadline=None)
@given(cuts(largest=9000))
def test_all_audio_is_given_once_in_utterances_of_the_greatest_length(sizes: list[int]) -> None:
    pcm = noise(20_000)
    step = Continuous(0.5, 16_000)
    outputs = [output for piece in frames(pcm, sizes) for output in step.process(piece)]
    heard = utterances([*outputs, *step.finalize(EndpointReason.CLOSE)])
    assert [one.last - one.first for one in heard] == [8000, 8000, 4000]
    assert [one.end.reason for one in heard if one.end] == [
        EndpointReason.MAX_LENGTH,
        EndpointReason.MAX_LENGTH,
        EndpointReason.CLOSE,
    ]
    assert b"".join(joined(one.frames) for one in heard) == pcm


def test_commands() -> None:
    step = Continuous(30.0, 16_000)
    assert step.finalize(EndpointReason.FINALIZE) == [] and step.clear() == []
    frame = AudioFrame(noise(320), 0)
    assert step.process(frame) == [SpeechStart(0), frame]
    assert step.is_open
    assert step.clear() == [SpeechEnd(320, EndpointReason.CLEAR)]
    assert not step.is_open
    assert step.process(AudioFrame(b"", 320)) == []
