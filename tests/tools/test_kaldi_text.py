"""The text of a model holds what was put in, as Kaldi reads it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tools.train_tiny.kaldi_text import Affine, acoustic_model, entry, self_loop

pytestmark = pytest.mark.unit

CHANCE = np.random.default_rng(1)
LAYERS = [
    Affine(CHANCE.normal(size=(3, 6)), CHANCE.normal(size=3), (-2, 0, 1)),
    Affine(CHANCE.normal(size=(4, 3)), CHANCE.normal(size=4)),
]
TEXT = acoustic_model(4, 2, LAYERS, np.full(4, 0.25))


def numbers(text: str) -> list[float]:
    return [float(value) for value in text.split()]


def test_weights_and_biases_are_there_to_six_figures() -> None:
    found = re.findall(r"<LinearParams>\s+\[([^]]*)\]\s*<BiasParams>\s+\[([^]]*)\]", TEXT)
    assert len(found) == len(LAYERS)
    for (weight, bias), layer in zip(found, LAYERS, strict=True):
        assert numbers(weight) == pytest.approx(layer.weight.ravel().tolist(), rel=1e-5)
        assert [len(numbers(row)) for row in weight.strip().splitlines()] == [layer.weight.shape[1]] * len(layer.bias)
        assert numbers(bias) == pytest.approx(layer.bias.tolist(), rel=1e-5)


def test_layers_see_their_offsets_and_the_model_knows_its_context() -> None:
    assert "component=affine0 input=Append(Offset(input, -2), input, Offset(input, 1))\n" in TEXT
    assert "component=relu0 input=affine0\n" in TEXT
    assert "component=affine1 input=relu0\n" in TEXT
    assert "<LeftContext> 2 <RightContext> 1 " in TEXT


def test_no_empty_line_ends_the_nodes_before_they_begin() -> None:
    nodes, components = re.search(r"<Nnet3> \n(.*?)\n\n<NumComponents> (\d+)", TEXT, re.S).groups()
    assert "" not in nodes.splitlines()
    assert nodes.count("component-node") == int(components) == TEXT.count("<ComponentName>")


def test_each_phone_has_two_transitions_of_its_own() -> None:
    ids = [transition(phone) for phone in range(4) for transition in (self_loop, entry)]
    assert ids == list(range(1, 9))
    log_probs = re.search(r"<LogProbs> \n \[ (.*?) \]", TEXT).group(1)
    assert len(numbers(log_probs)) == 1 + len(ids)
