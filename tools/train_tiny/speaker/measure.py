"""How well the real engine tells people apart with a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import sherpa_onnx
from tools.train_tiny.augment import plain
from tools.train_tiny.corpus import RATE
from tools.train_tiny.speaker.people import Split
from tools.train_tiny.speaker.speaking import Talk

Floats = npt.NDArray[np.float32]

TESTS: tuple[Split, ...] = ("phrases", "people")


class Figures(msgspec.Struct, frozen=True):
    """Of all pairs of utterances."""

    error: float
    """The equal error rate: so many pairs of one person are refused, and as many of two are taken for one."""
    threshold: float
    """The cosine at which that is so."""
    same: float
    """The mean cosine of two utterances of one person."""
    other: float
    """The same of two people."""


def measure(talk: Talk, model: Path, split: Split) -> Figures:
    """The figures of a split, by sherpa-onnx."""
    extractor = sherpa_onnx.SpeakerEmbeddingExtractor(sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(model)))
    embeddings = []
    for at in talk.of(split):
        stream = extractor.create_stream()
        stream.accept_waveform(RATE, plain(talk.samples[at]))
        stream.input_finished()
        embeddings.append(extractor.compute(stream))
    return figures(np.array(embeddings, np.float32), [talk.turns[at].person for at in talk.of(split)])


def figures(embeddings: Floats, people: Sequence[int]) -> Figures:
    """Raises ValueError where there is no pair of one person, or none of two."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    upper = np.triu_indices(len(unit), 1)
    cosines, is_same = (unit @ unit.T)[upper], np.equal.outer(people, people)[upper]
    same, other = np.sort(cosines[is_same]), np.sort(cosines[~is_same])
    if not len(same) or not len(other):
        raise ValueError("equal errors need pairs of one person and pairs of two")
    refused = np.searchsorted(same, cosines) / len(same)
    taken = 1 - np.searchsorted(other, cosines) / len(other)
    at = int(np.argmin(np.abs(refused - taken)))
    return Figures(float(refused[at] + taken[at]) / 2, float(cosines[at]), float(same.mean()), float(other.mean()))
