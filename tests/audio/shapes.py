"""Audio made on the spot, and ways to cut it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st

from asr_hub.audio.operators.base import Output, Scored, SpeechEnd, SpeechStart, Vad
from asr_hub.audio.pipeline import Pipeline
from asr_hub.model import AudioFrame


def noise(samples: int, *, level: float = 3000.0, seed: int = 0) -> bytes:
    """White noise with this standard deviation."""
    values = np.random.default_rng(seed).normal(0.0, level, samples)
    return np.rint(values).clip(-32768, 32767).astype("<i2").tobytes()


def voice(seconds: float, *, rate: int = 16_000, pitch: float = 120.0, level: float = 0.3) -> bytes:
    """
    Something like speech: a buzz through two moving resonances, in syllables of a quarter of a second.

    Silero takes it for speech.
    """
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * time))) / rate
    first, second = 550 + 200 * np.sin(2 * np.pi * 2 * time), 1500 + 500 * np.sin(2 * np.pi * 1.3 * time)
    sound = np.zeros_like(time)
    for harmonic in range(1, int(min(3600, rate / 2.2) / pitch)):
        hertz = harmonic * pitch
        gain = 1 / (1 + ((hertz - first) / 120) ** 2) + 0.5 / (1 + ((hertz - second) / 160) ** 2) + 0.02
        sound += gain * np.sin(harmonic * phase)
    sound *= 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    return np.rint(level * 32767 * sound / np.abs(sound).max()).astype("<i2").tobytes()


def frames(pcm: bytes, cuts: Iterable[int], *, rate: int = 16_000) -> list[AudioFrame]:
    """`pcm` in pieces of these many samples, over and over; sizes of 0 are left out."""
    sizes = [cut for cut in cuts if cut > 0] or [len(pcm)]
    pieces, at, i = [], 0, 0
    while at < len(pcm):
        size = 2 * sizes[i % len(sizes)]
        pieces.append(AudioFrame(pcm[at : at + size], at // 2, rate))
        at += size
        i += 1
    return pieces


def joined(parts: Iterable[AudioFrame]) -> bytes:
    return b"".join(part.pcm for part in parts)


def assert_in_row(parts: Sequence[AudioFrame]) -> None:
    """Every frame begins where the one before ends."""
    for before, after in itertools.pairwise(parts):
        assert after.start == before.end


def scores(vad: Vad, pieces: Sequence[AudioFrame], *, rate: int = 16_000) -> list[Scored]:
    """What a VAD makes of one session, frame by frame, to its end."""
    state = vad.open(rate)
    return [s for piece in pieces for s in vad.score([(state, [piece])])[0]] + vad.flush(state)


def through(pipeline: Pipeline, vad: Vad, pieces: Iterable[bytes]) -> list[Output]:
    """The outputs of a pipeline, as the hub drives it."""
    outputs: list[Output] = []
    for raw in pieces:
        assert pipeline.state is not None
        outputs += pipeline.cut(vad.score([(pipeline.state, pipeline.take(raw))])[0])
    return outputs


class Heard:
    """An utterance as it came out."""

    def __init__(self, start: SpeechStart) -> None:
        self.start = start
        self.frames: list[AudioFrame] = []
        self.end: SpeechEnd | None = None

    @property
    def first(self) -> int:
        return self.frames[0].start

    @property
    def last(self) -> int:
        return self.frames[-1].end

    def key(self) -> tuple[object, ...]:
        """Everything but how the samples were cut into frames."""
        return (self.start, self.first, joined(self.frames), self.end)


def utterances(outputs: Iterable[Output]) -> list[Heard]:
    """Group outputs, and assert what always holds: marks alternate, times never go back, no sample comes twice."""
    heard: list[Heard] = []
    for output in outputs:
        is_open = bool(heard) and heard[-1].end is None
        if isinstance(output, SpeechStart):
            assert not is_open
            heard.append(Heard(output))
        else:
            assert is_open, output
            if isinstance(output, AudioFrame):
                heard[-1].frames.append(output)
            else:
                heard[-1].end = output
    for utterance in heard:
        assert utterance.frames
        assert_in_row(utterance.frames)
        assert utterance.first <= utterance.start.at < utterance.last
        if utterance.end is not None:
            assert utterance.start.at <= utterance.end.at <= utterance.last
    for before, after in itertools.pairwise(heard):
        assert before.last <= after.first
        assert before.end is not None and before.end.at <= after.start.at
    return heard


def cuts(largest: int = 2000) -> st.SearchStrategy[list[int]]:
    """Sizes of frames, in samples: from one to `largest`, with the usual ones among them."""
    return st.lists(
        st.one_of(st.sampled_from([160, 320, 512, 640, 1600]), st.integers(1, largest)), min_size=1, max_size=12
    )
