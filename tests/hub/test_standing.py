"""Where a session stands, told to a reader that lost its place."""

from __future__ import annotations

import pytest
from immutables import Map

from asr_hub.hub.standing import standing
from asr_hub.model import Alternative, EndpointReason, Hypothesis, Word
from asr_hub.store.slices.transcripts import Partial, Transcript, Utterance

pytestmark = pytest.mark.unit


def said(text: str) -> Hypothesis:
    return Hypothesis(
        text=text, start=0, end=900, is_final=True, words=(Word(text, 0, 900),), alternatives=(Alternative("other"),)
    )


def test_finals_come_in_order_and_in_their_latest_reading() -> None:
    transcript = Transcript(
        partial=Partial(12, said("thr")),
        utterances=Map(
            {
                10: Utterance(number=10, final=said("ten")),
                2: Utterance(number=2, final=said("too"), revisions=(said("to"), said("two"))),
                11: Utterance(number=11, reason=EndpointReason.SILENCE),
            }
        ),
    )
    reset = standing(transcript, seq=40, provider="fast", audio_offset=16_000)
    assert [(reading.utterance, reading.hypothesis.text) for reading in reset.finals] == [(2, "two"), (10, "ten")]
    assert reset.partial is not None
    assert (reset.partial.utterance, reset.partial.hypothesis.text) == (12, "thr")
    assert (reset.seq, reset.provider, reset.audio_offset) == (40, "fast", 16_000)
    for reading in (*reset.finals, reset.partial):
        assert (reading.hypothesis.words, reading.hypothesis.alternatives) == ((), ())
        assert (reading.hypothesis.start, reading.hypothesis.end) == (0, 900)


def test_a_session_in_which_nothing_was_said_has_an_empty_transcript() -> None:
    reset = standing(None, seq=1, provider="", audio_offset=0)
    assert (reset.finals, reset.partial) == ((), None)
