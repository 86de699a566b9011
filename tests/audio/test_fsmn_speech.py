"""The published FSMN-VAD on real clips, beside FunASR itself."""

from __future__ import annotations

import importlib.util
import logging
import math
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.audio.fsmn import PUBLISHED
from tests.audio.shapes import Heard, frames, scores, through, utterances
from tests.speech import Clip, clip, clips, needs_clips

from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.fsmn import FsmnVad
from asr_hub.audio.pipeline import Pipeline
from asr_hub.model import AudioFormat, EndpointReason

pytestmark = [
    pytest.mark.engine, pytest.mark.data, needs_clips,
    pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published weights are not here; set ASR_HUB_DATA"),
    # FunASR's and torch's own.
    pytest.mark.filterwarnings("ignore"),
]  # fmt: skip

needs_funasr = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("funasr", "torch", "kaldi_native_fbank")),
    reason="funasr, torch and kaldi-native-fbank are not all installed",
)

NOT_SPEECH = [one for one in clips() if one.kind in {"noise", "tone"}]
SPEECH = [one for one in clips() if one.kind == "speech" and 1 < one.seconds < 20 and not one.file.endswith(".raw")]

EXAMPLE = "zh_funasr/asr_example.wav"

LEAD = 260
"""
Milliseconds from FunASR's start to its first frame of speech, where 15 frames of speech follow each other: it decides
on the 15th, and goes back 200 ms for its window and 200 ms more (`lookback_time_start_point`).
"""

POWER = math.log(0.5) / math.log(0.8)

Segments = list[list[int]]


def floats(pcm: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


class FunAsr:
    """FunASR's own VAD."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def segments(self, pcm: bytes) -> Segments:
        """Milliseconds where it hears speech."""
        found: Segments = self._model.generate(input=floats(pcm))[0]["value"]
        return found

    def features(self, pcm: bytes) -> npt.NDArray[np.float32]:
        import torch

        samples = torch.from_numpy(floats(pcm))[None]
        made, _ = self._model.kwargs["frontend"](samples, torch.tensor([samples.shape[1]]), is_final=True, cache={})
        return np.asarray(made[0])

    def speech(self, pcm: bytes) -> npt.NDArray[np.float32]:
        """The probability of each frame of 10 ms, by its own features and network, all at once."""
        import torch

        with torch.inference_mode():
            answers = self._model.model.encoder(torch.from_numpy(self.features(pcm))[None])
        return 1 - answers[0, :, 0].numpy()


@pytest.fixture(scope="module")
def funasr() -> Iterator[FunAsr]:
    # FunASR puts its own handlers on the root logger.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from funasr import AutoModel

        quiet = {"disable_update": True, "disable_pbar": True, "log_level": "ERROR"}
        model = AutoModel(model=str(PUBLISHED), device="cpu", ncpu=1, **quiet)
    yield FunAsr(model)
    root.handlers[:] = handlers
    root.setLevel(level)


@cache
def published() -> FsmnVad:
    return FsmnVad(PUBLISHED)


def listen(pcm: bytes, rate: int = 16_000) -> list[Heard]:
    pipeline = Pipeline(AudioFormat(rate), rate, published(), EndpointSettings())
    outputs = through(pipeline, published(), [pcm[i : i + rate // 5] for i in range(0, len(pcm), rate // 5)])
    return utterances(outputs + pipeline.finalize(EndpointReason.CLOSE))


def span(heard: Heard) -> tuple[float, float]:
    """Milliseconds in which an utterance was heard."""
    assert heard.end is not None
    return heard.start.at / 16, heard.end.at / 16


@needs_funasr
@pytest.mark.parametrize("file", [EXAMPLE, "noise1.wav", "zh_vad/fsmn_vad_example_0.wav"])
def test_scores_are_those_of_funasrs_network(funasr: FunAsr, file: str) -> None:
    pcm = clip(file).pcm()[: 2 * 16_000 * 20]
    theirs = funasr.speech(pcm)
    ours = np.array([one.speech for one in scores(published(), frames(pcm, [700]))])
    assert np.abs(ours[: len(theirs)] ** (1 / POWER) - theirs).max() < 1e-4
    assert set(ours[len(theirs) :]) <= {ours[len(theirs) - 1]}


@needs_funasr
def test_funasr_finds_its_known_answer_and_the_pipeline_lies_in_it(funasr: FunAsr) -> None:
    pcm = clip(EXAMPLE).pcm()
    assert funasr.segments(pcm) == [[610, 5530]]
    (heard,) = listen(pcm)
    start, end = span(heard)
    assert start == pytest.approx(610 + LEAD, abs=20)
    # At the end of the audio FunASR gives the last frame, the endpointer the last one with speech.
    speech = funasr.speech(pcm)
    assert end == pytest.approx(10 * (np.flatnonzero(speech >= 0.8)[-1] + 1), abs=30) and end <= 5530
    assert heard.first / 16 <= 610 and heard.last / 16 >= 5530


@needs_funasr
@pytest.mark.parametrize("one", NOT_SPEECH, ids=lambda one: one.file)
def test_no_speech_in_noise_but_what_funasr_hears_too(funasr: FunAsr, one: Clip) -> None:
    pcm = one.pcm()[: 2 * 16_000 * 40]
    theirs = funasr.segments(pcm)
    for heard in listen(pcm):
        start, end = span(heard)
        assert any(first <= start and end <= last for first, last in theirs), (theirs, start, end)


@needs_funasr
def test_speech_begins_and_ends_where_funasr_hears_it(funasr: FunAsr) -> None:
    for one in SPEECH[::12]:
        pcm = one.pcm()
        theirs, heard = funasr.segments(pcm), listen(pcm)
        assert theirs and heard, one.file
        # FunASR never goes back by more than 400 ms from where it decided.
        assert 0 <= span(heard[0])[0] - theirs[0][0] <= 400, one.file
        assert heard[0].first / 16 <= theirs[0][0], one.file
        assert span(heard[-1])[1] <= theirs[-1][1] + 20, one.file


@pytest.mark.parametrize(("rate", "apart"), [(8_000, 0.2), (48_000, 0.02)])
def test_at_other_rates_the_same_is_heard(rate: int, apart: float) -> None:
    """8 kHz lacks half of the band, and with it some certainty."""
    once, other = listen(clip(EXAMPLE).pcm()), listen(clip(EXAMPLE).pcm(rate), rate)
    assert len(once) == len(other) == 1
    assert other[0].start.at / rate == pytest.approx(once[0].start.at / 16_000, abs=apart)
    assert other[0].end is not None and once[0].end is not None
    assert other[0].end.at / rate == pytest.approx(once[0].end.at / 16_000, abs=apart)
