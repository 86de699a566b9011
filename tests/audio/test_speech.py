"""Silero and the endpointer at their default settings on real clips."""

from __future__ import annotations

import numpy as np
import pytest
from tests.audio.shapes import Heard, joined, noise, through, utterances
from tests.speech import Clip, clips, needs_clips

from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.audio.pipeline import Pipeline
from asr_hub.model import AudioFormat, EndpointReason

pytestmark = [pytest.mark.engine, pytest.mark.data, needs_clips]

GATED = SileroVad()
PLAIN = SileroVad(gate=None)

SPEECH = [clip for clip in clips() if clip.kind in {"speech", "format", "tts"} and 0 < clip.seconds < 20]


def listen(pcm: bytes, rate: int, vad: SileroVad = GATED) -> list[Heard]:
    pipeline = Pipeline(AudioFormat(rate), rate, vad, EndpointSettings())
    outputs = through(pipeline, vad, [pcm[i : i + rate // 5] for i in range(0, len(pcm), rate // 5)])
    return utterances(outputs + pipeline.finalize(EndpointReason.CLOSE))


def rate_of(clip: Clip) -> int:
    return 8_000 if clip.rate == 8_000 else 16_000


def readable(some: list[Clip]) -> list[Clip]:
    return [clip for clip in some if not clip.file.endswith(".raw")]


@pytest.mark.parametrize("clip", [c for c in clips() if c.kind in {"noise", "tone"}], ids=lambda clip: clip.file)
def test_noise_and_tones_open_no_utterance(clip: Clip) -> None:
    for rate in (16_000, 8_000):
        assert listen(clip.pcm(rate)[: 2 * 40 * rate], rate) == []


def test_every_speech_clip_opens_and_the_gate_costs_nothing() -> None:
    some = readable(SPEECH)[::10]
    for clip in some:
        pcm, rate = clip.pcm(rate_of(clip)), rate_of(clip)
        gated, plain = listen(pcm, rate), listen(pcm, rate, PLAIN)
        assert gated, clip.file
        assert gated[0].first <= plain[0].first + rate // 10, clip.file
        given, wanted = (sum(len(joined(one.frames)) for one in heard) for heard in (gated, plain))
        assert given >= 0.98 * wanted, clip.file


def test_short_words_between_quiet_are_whole() -> None:
    """Digits of a fifth to half a second, cut tight: the first and the last sample of each must be given out."""
    digits = [clip for clip in clips() if "fsdd_8k" in clip.file]
    for n, clip in enumerate(digits[::2]):
        pcm = clip.pcm(8_000)
        before, after = noise(4 * 8_000 + 57 * n, level=15, seed=n), noise(8_000, level=15, seed=n + 100)
        heard = listen(before + pcm + after, 8_000)
        assert heard, clip.file
        assert heard[0].first <= len(before) // 2, clip.file
        loud = np.abs(np.frombuffer(pcm, "<i2")).cumsum()
        spoken = int(np.searchsorted(loud, 0.98 * loud[-1]))
        assert heard[-1].last >= len(before) // 2 + spoken, clip.file
