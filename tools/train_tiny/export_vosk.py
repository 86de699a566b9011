"""Turns the trained network into a folder that vosk loads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tools.train_tiny import decoding_graph
from tools.train_tiny.bigram import Bigram
from tools.train_tiny.grammar import words
from tools.train_tiny.kaldi_text import Affine, acoustic_model
from tools.train_tiny.pronunciation import phones, pronunciations
from tools.train_tiny.tdnn import BINS, LAYERS, STRIDE, frame_offsets
from tools.train_tiny.train_vosk import Trained

_BLANK_PRIOR = 2.7
"""CTC is too sure of the blank: it counts as so many times as frequent as a phone."""

_FBANK = f"""\
--sample-frequency=16000
--num-mel-bins={BINS}
--low-freq=20
--high-freq=-400
--dither=0.0
--use-energy=false
"""
_MODEL = f"""\
--min-active=50
--max-active=3000
--beam=13.0
--lattice-beam=6.0
--acoustic-scale=1.0
--frame-subsampling-factor={STRIDE}
--endpoint.silence-phones=1
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.75
--endpoint.rule4.min-trailing-silence=1.0
"""


def export(trained: Trained, texts: Iterable[str], folder: Path) -> None:
    """Writes am/, conf/ and graph/; the bigram comes from the texts."""
    for name in ("am", "conf", "graph"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    priors = np.ones(len(phones()))
    priors[0] = _BLANK_PRIOR
    model = acoustic_model(len(phones()), BINS, layers(trained), priors / priors.sum())
    (folder / "am/final.mdl").write_text(model)
    (folder / "conf/fbank.conf").write_text(_FBANK)
    (folder / "conf/model.conf").write_text(_MODEL)
    labels = "".join(f"{word} {at}\n" for at, word in enumerate(("<eps>", *words())))
    (folder / "graph/words.txt").write_text(labels)
    graph = decoding_graph.build(words(), pronunciations(), phones(), Bigram(texts))
    graph.write(folder / "graph/HCLG.fst")


def layers(trained: Trained) -> list[Affine]:
    """The layers of the network; the first normalises its input as well."""
    linears = [*trained.net.hidden, trained.net.output]
    affine = [(linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()) for linear in linears]
    weight, bias = affine[0]
    repeats = len(LAYERS[0].offsets)
    weight = weight / np.tile(trained.deviation, repeats)
    affine[0] = (weight, bias - weight @ np.tile(trained.mean, repeats))
    return [Affine(*both, offsets) for both, offsets in zip(affine, (*frame_offsets(), (0,)), strict=True)]
