"""What each engine's front end makes of audio, and sets of it for training."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import kaldi_native_fbank as knf
import msgspec
import numpy as np
import numpy.typing as npt
from faster_whisper.feature_extractor import FeatureExtractor
from tools.train_tiny.augment import Audio, rough
from tools.train_tiny.corpus import RATE, Corpus

Frames = npt.NDArray[np.float32]
"""(frames, bins)."""
FrontEnd = Callable[[Audio], Frames]

LFR_WINDOW, LFR_STRIDE = 7, 6
"""FunASR stacks seven frames of 10 ms and moves on by six."""


class Examples(msgspec.Struct, frozen=True):
    """The training examples of one front end."""

    frames: npt.NDArray[np.float16]
    """(all frames of all examples, bins)."""
    starts: npt.NDArray[np.int64]
    """Where each example begins in `frames`; one more, the end, closes it."""
    utterance: npt.NDArray[np.int64]
    """Of the corpus."""
    speech: npt.NDArray[np.float32]
    """(examples, 2): where the speech begins and ends, in seconds."""

    def __len__(self) -> int:
        return len(self.utterance)

    def of(self, at: int) -> Frames:
        """The frames of one example."""
        return self.frames[self.starts[at] : self.starts[at + 1]].astype(np.float32)

    def length(self, at: int) -> int:
        """How many frames an example has."""
        return int(self.starts[at + 1] - self.starts[at])

    def moments(self) -> tuple[Frames, Frames]:
        """Mean and standard deviation of each bin."""
        some = self.frames[:: max(1, len(self.frames) // 100_000)].astype(np.float32)
        return some.mean(0), some.std(0)


def log_mel(audio: Audio) -> Frames:
    """80 bins, every 10 ms, as faster-whisper has them."""
    return np.asarray(_extractor()(audio), np.float32).T


def fbank(audio: Audio) -> Frames:
    """40 bins, every 10 ms, as Kaldi has them with the settings of conf/fbank.conf."""
    options = knf.FbankOptions()
    options.mel_opts.num_bins = 40
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = -400
    return _kaldi(np.round(np.clip(audio, -1, 1) * 32767), options)


def stacked_fbank(audio: Audio) -> Frames:
    """560 values, every 60 ms: FunASR's WavFrontend without its normalisation, seven frames of 80 bins side by side."""
    options = knf.FbankOptions()
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    options.energy_floor = 0.0
    frames = _kaldi(np.clip(audio, -1, 1) * 32768, options)
    count = -(-len(frames) // LFR_STRIDE)
    padded = np.concatenate([np.repeat(frames[:1], LFR_WINDOW // 2, 0), frames, np.repeat(frames[-1:], LFR_WINDOW, 0)])
    return np.stack([padded[at * LFR_STRIDE :][:LFR_WINDOW].ravel() for at in range(count)])


FRONT_ENDS: dict[str, FrontEnd] = {"log-mel": log_mel, "fbank": fbank, "stacked-fbank": stacked_fbank}


def build(corpus: Corpus, front_end: FrontEnd, *, copies: int, seed: int) -> Examples:
    """`copies` rough examples of each training utterance, other than each other. The same for each front end."""
    frames, lengths, utterances, speech = [], [], [], []
    for at in corpus.of("train"):
        for copy in range(copies):
            example = rough(corpus.samples[at], np.random.default_rng((seed, at, copy)))
            if example is None:
                continue
            frames.append(front_end(example.audio).astype(np.float16))
            lengths.append(len(frames[-1]))
            utterances.append(at)
            speech.append((example.begins, example.ends))
    return Examples(
        np.concatenate(frames),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array(utterances, np.int64),
        np.array(speech, np.float32),
    )


def save(path: Path, examples: Examples) -> None:
    """Writes one .npz; it is there whole or not at all."""
    part = path.with_suffix(".part.npz")
    np.savez(part, frames=examples.frames, starts=examples.starts, utterance=examples.utterance, speech=examples.speech)
    part.replace(path)


def load(path: Path) -> Examples:
    """Reads what `save` wrote."""
    with np.load(path) as stored:
        return Examples(stored["frames"], stored["starts"], stored["utterance"], stored["speech"])


@cache
def _extractor() -> FeatureExtractor:
    return FeatureExtractor(feature_size=80, sampling_rate=RATE, hop_length=160, chunk_length=30, n_fft=400)


def _kaldi(samples: npt.NDArray[np.floating], options: knf.FbankOptions) -> Frames:
    """Samples of the scale of 16-bit integers."""
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.use_energy = False
    computer = knf.OnlineFbank(options)
    computer.accept_waveform(RATE, samples.astype(np.float32))
    computer.input_finished()
    return np.stack([computer.get_frame(at) for at in range(computer.num_frames_ready)])
