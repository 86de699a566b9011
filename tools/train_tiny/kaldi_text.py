"""
Kaldi's text form of a transition model and an nnet3 network.

Kaldi reads every object as text that does not begin with its mark for binary (kaldi-asr.org/doc/io.html), so numpy and
a few strings write a model without Kaldi.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.floating]


class Affine(msgspec.Struct, frozen=True):
    """An affine layer over its input at some offsets in frames, side by side."""

    weight: Matrix
    """(outputs, inputs x offsets)."""
    bias: Vector
    offsets: tuple[int, ...] = (0,)


def self_loop(phone: int) -> int:
    """The transition id of staying in a phone, by its place. Ids begin at 1, two for each phone."""
    return 2 * phone + 1


def entry(phone: int) -> int:
    """The transition id that emits the first frame of a phone, by its place."""
    return 2 * phone + 2


def acoustic_model(phones: int, bins: int, layers: Sequence[Affine], priors: Vector) -> str:
    """
    The content of am/final.mdl: one state for each phone, layers with ReLU between, a log-softmax above.

    `priors` divide the probabilities of the phones. Offsets are in frames.
    """
    before = -sum(min(layer.offsets) for layer in layers)
    after = sum(max(layer.offsets) for layer in layers)
    return (
        _transition_model(phones)
        + _network(bins, layers)
        + f"<LeftContext> {before} <RightContext> {after} <Priors> {_vector(priors)}"
    )


def _transition_model(phones: int) -> str:
    ids = " ".join(str(phone + 1) for phone in range(phones))
    triples = "".join(f"{phone + 1} 0 {phone} \n" for phone in range(phones))
    chances = _vector(np.array([0.0, *[np.log(0.5)] * (2 * phones)]))
    return (
        f"<TransitionModel> \n<Topology> \n<TopologyEntry> \n<ForPhones> \n{ids} \n</ForPhones> \n"
        "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State> \n<State> 1 </State> \n"
        f"</TopologyEntry> \n</Topology> \n<Triples> {phones} \n{triples}</Triples> \n"
        f"<LogProbs> \n{chances}</LogProbs> \n</TransitionModel> \n"
    )


def _network(bins: int, layers: Sequence[Affine]) -> str:
    # No empty line after <Nnet3>: Kaldi takes it for the end of the nodes.
    nodes, components, below = [f"input-node name=input dim={bins}"], [], "input"
    for at, layer in enumerate(layers):
        nodes.append(f"component-node name=affine{at} component=affine{at} input={_spliced(below, layer.offsets)}")
        components.append((f"affine{at}", _affine(layer)))
        below = f"affine{at}"
        if at < len(layers) - 1:
            nodes.append(f"component-node name=relu{at} component=relu{at} input={below}")
            components.append((f"relu{at}", _nonlinear("RectifiedLinear", len(layer.bias))))
            below = f"relu{at}"
    nodes.append(f"component-node name=softmax component=softmax input={below}")
    components.append(("softmax", _nonlinear("LogSoftmax", len(layers[-1].bias))))
    nodes.append("output-node name=output input=softmax objective=linear")
    named = "".join(f"<ComponentName> {name} {component}" for name, component in components)
    listed = "\n".join(nodes)
    return f"<Nnet3> \n{listed}\n\n<NumComponents> {len(components)} \n{named}</Nnet3> "


def _spliced(below: str, offsets: tuple[int, ...]) -> str:
    if offsets == (0,):
        return below
    return f"Append({', '.join(f'Offset({below}, {offset})' if offset else below for offset in offsets)})"


def _affine(layer: Affine) -> str:
    parameters = f"<LinearParams> {_matrix(layer.weight)}<BiasParams> {_vector(layer.bias)}"
    return f"<FixedAffineComponent> {parameters}</FixedAffineComponent> \n"


def _nonlinear(kind: str, size: int) -> str:
    return (
        f"<{kind}Component> <Dim> {size} <ValueAvg>  [ ]\n<DerivAvg>  [ ]\n<Count> 0 <OderivRms>  [ ]\n<OderivCount> 0 "
        f"<NumDimsSelfRepaired> 0 <NumDimsProcessed> 0 <SelfRepairScale> 0 </{kind}Component> \n"
    )


def _matrix(matrix: Matrix) -> str:
    rows = "\n  ".join(" ".join(f"{value:.6g}" for value in row) for row in matrix)
    return f" [\n  {rows} ]\n"


def _vector(vector: Vector) -> str:
    return f" [ {' '.join(f'{value:.6g}' for value in vector)} ]\n"
