"""
Makes the ONNX models of tests/models/tiny-sherpa-* from the tiny models beside them.

    python -m tools.make_sherpa_models

Needs funasr, kaldi-native-fbank, torch, onnx and onnxruntime. FunASR exports the networks; what is added is what
sherpa-onnx reads beside them: the tokens, and the metadata (lfr window, feature mean and deviation, ids of the
languages) that its own export scripts write, see scripts/paraformer and scripts/sense-voice in
https://github.com/k2-fsa/sherpa-onnx. Weights of matrices are stored in 8 bits.

The transducer is the acoustic model of the tiny Vosk in another dress: it writes phones. What is a CTC network there
becomes a transducer by a predictor that forbids the token it has seen last, so that a phone that lasts is written once.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from funasr import AutoModel
from onnxruntime.quantization import QuantType, quantize_dynamic
from tools.train_tiny.pronunciation import phones
from torch import Tensor, nn

MODELS = Path(__file__).parents[1] / "tests" / "models"
OPSET = 14

CHUNK, SEEN = 24, 57
"""Frames of 10 ms that the transducer moves on by, and that it sees: its layers together look over 34."""
ENCODED = ("encoder_out", "next_h", "next_c")
LOUDER = 2 * math.log(32768)
"""By so much the log energies of 16-bit samples exceed those of samples of full scale 1, which sherpa-onnx has."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=MODELS, help="where the tiny models are and the new ones go")
    models: Path = parser.parse_args().models
    with tempfile.TemporaryDirectory() as folder:
        make_transducer(models / "tiny-vosk", models / "tiny-sherpa-transducer", Path(folder) / "encoder.onnx")
        make_sense_voice(models / "tiny-sensevoice", models / "tiny-sherpa-sensevoice", Path(folder) / "sensevoice")
        make_paraformer(
            models / "tiny-paraformer-streaming",
            models / "tiny-sherpa-paraformer-streaming",
            Path(folder) / "paraformer",
        )


def make_transducer(source: Path, out: Path, work: Path) -> None:
    """The streaming transducer: encoder.int8.onnx, decoder.onnx, joiner.onnx, tokens.txt and bpe.vocab."""
    net = Phones(source / "am" / "final.mdl")
    out.mkdir(exist_ok=True)
    state = torch.zeros(1, 1, 1)
    trace(net, (torch.zeros(1, SEEN, net.bins), state, state), work, ("x", "h", "c"), ENCODED)
    trace(Last(net.phones), (torch.zeros(1, 2, dtype=torch.int64),), out / "decoder.onnx", ("y",), ("decoder_out",))
    one = torch.zeros(1, net.phones)
    trace(Sum(), (one, one), out / "joiner.onnx", ("encoder_out", "decoder_out"), ("logit",))
    chunk = {"model_type": "lstm", "decode_chunk_len": CHUNK, "T": SEEN}
    _finish(work, out / "encoder.int8.onnx", {**chunk, "num_encoder_layers": 1, "d_model": 1, "rnn_hidden_size": 1})
    _describe(out / "decoder.onnx", {"context_size": 2, "vocab_size": net.phones})
    _describe(out / "joiner.onnx", {"joiner_dim": net.phones})
    names = ["<blk>", *(f"\u2581{phone}" for phone in phones()[1:])]
    _write_tokens(names, out)
    (out / "bpe.vocab").write_text("".join(f"{name}\t-1\n" for name in names))


def make_sense_voice(source: Path, out: Path, work: Path) -> None:
    """The offline model: model.int8.onnx and tokens.txt."""
    model = _export(source, work)
    tokenizer = model.kwargs["tokenizer"].sp
    tokens = [tokenizer.id_to_piece(number) for number in range(tokenizer.get_piece_size())]
    meta = {
        **_front_end(source),
        "model_type": "sense_voice_ctc",
        "version": "1",
        "vocab_size": len(tokens),
        "normalize_samples": 0,
        **{f"lang_{language}": number for language, number in model.model.lid_dict.items() if language != "nospeech"},
        "with_itn": model.model.textnorm_dict["withitn"],
        "without_itn": model.model.textnorm_dict["woitn"],
    }
    _finish(work / "model.onnx", out / "model.int8.onnx", meta)
    _write_tokens(tokens, out)


def make_paraformer(source: Path, out: Path, work: Path) -> None:
    """The streaming model: encoder.int8.onnx, decoder.int8.onnx and tokens.txt."""
    model = _export(source, work)
    tokens = json.loads((source / "tokens.json").read_text())
    decoder = model.kwargs["decoder_conf"]
    meta = {
        **_front_end(source),
        "model_type": "paraformer",
        "version": "1",
        "vocab_size": len(tokens),
        "encoder_output_size": model.kwargs["encoder_conf"]["output_size"],
        "decoder_num_blocks": decoder["att_layer_num"],
        "decoder_kernel_size": decoder["kernel_size"],
    }
    _finish(work / "model.onnx", out / "encoder.int8.onnx", meta)
    _finish(work / "decoder.onnx", out / "decoder.int8.onnx", meta)
    _write_tokens(tokens, out)


def _export(source: Path, work: Path) -> Any:
    """FunASR's own export, into `work`; the model, which has no types. It writes beside the weights, so into a copy."""
    shutil.copytree(source, work)
    torch.set_num_threads(1)
    model = AutoModel(model=str(work), disable_update=True, disable_pbar=True, log_level="ERROR", ncpu=1, device="cpu")
    plain = torch.onnx.export

    def traced(*args: Any, **options: Any) -> Any:
        # The exporter that torch takes by default cannot follow FunASR's dynamic axes.
        return plain(*args, **options, dynamo=False)

    torch.onnx.export = traced
    try:
        model.export(type="onnx", quantize=False, opset_version=OPSET)
    finally:
        torch.onnx.export = plain
    return model


def _front_end(source: Path) -> dict[str, object]:
    """How features are made: seven frames of 80 mel bands, every sixth time, normalised as `am.mvn` says."""
    text = (source / "am.mvn").read_text()
    vectors = [numbers.split() for numbers in re.findall(r"<LearnRateCoef>\s+\S+\s+\[([^\]]*)\]", text)]
    neg_mean, inv_stddev = (",".join(f"{float(number):.6g}" for number in vector) for vector in vectors)
    return {"lfr_window_size": 7, "lfr_window_shift": 6, "neg_mean": neg_mean, "inv_stddev": inv_stddev}


class Phones(nn.Module):
    """The network of a Kaldi model in text form: layers over frames at offsets, a score for each phone."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        text = path.read_text()
        wired = re.findall(r"component=affine\d+ input=(.*)", text)
        self.offsets = [[int(n) for n in re.findall(r"Offset\(\w+, (-?\d+)\)", node)] or [0] for node in wired]
        # A frame that is not shifted stands in the middle without an offset of its own.
        self.offsets = [sorted({*near, 0}) if len(near) > 1 else near for near in self.offsets]
        found = re.findall(r"<LinearParams>\s+\[(.*?)\]\s*<BiasParams>\s+\[(.*?)\]", text, re.DOTALL)
        layers = [(_numbers(matrix), _numbers(bias)) for matrix, bias in found]
        self.layers = nn.ModuleList(nn.Linear(len(matrix) // len(bias), len(bias)) for matrix, bias in layers)
        with torch.no_grad():
            for layer, (matrix, bias) in zip(self.layers, layers, strict=True):
                layer.weight.copy_(torch.tensor(matrix).view(len(bias), -1))
                layer.bias.copy_(torch.tensor(bias))
        self.bins = self.layers[0].in_features // len(self.offsets[0])
        self.phones = self.layers[-1].out_features

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, SEEN, bins) to a score for each phone in every fourth frame of CHUNK. Keeps no state."""
        x = x + LOUDER
        for layer, offsets in zip(self.layers[:-1], self.offsets, strict=False):
            x = torch.relu(layer(_beside(x, offsets)))
        return self.layers[-1](x)[:, ::4], h + 0, c + 0


class Last(nn.Module):
    """Forbids the token before, unless that is a blank."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.register_buffer("forbidden", -30.0 * torch.diag(torch.arange(tokens).clamp(max=1).float()))

    def forward(self, y: Tensor) -> Tensor:
        return self.forbidden[y[:, -1]]


class Sum(nn.Module):
    def forward(self, encoder_out: Tensor, decoder_out: Tensor) -> Tensor:
        return encoder_out + decoder_out


def trace(
    part: nn.Module, example: tuple[Tensor, ...], path: Path, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Writes `part` as ONNX, for any number of streams: the first dimension, but the second of states."""
    axes = {name: {1 if name.endswith(("h", "c")) else 0: "N"} for name in (*inputs, *outputs)}
    torch.onnx.export(
        part.eval(),
        example,
        path,
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )


def _beside(x: Tensor, offsets: Sequence[int]) -> Tensor:
    """The frames at `offsets` side by side, where there is one at each."""
    count = x.shape[1] - (offsets[-1] - offsets[0])
    return torch.cat([x[:, offset - offsets[0] : offset - offsets[0] + count] for offset in offsets], -1)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split()]


def _describe(path: Path, meta: Mapping[str, object]) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {key: str(value) for key, value in meta.items()})
    onnx.save(model, path)


def _finish(network: Path, out: Path, meta: Mapping[str, object]) -> None:
    out.parent.mkdir(exist_ok=True)
    quantize_dynamic(network, out, weight_type=QuantType.QUInt8, op_types_to_quantize=["MatMul"])
    _describe(out, meta)


def _write_tokens(tokens: list[str], out: Path) -> None:
    (out / "tokens.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(tokens)))


if __name__ == "__main__":
    main()
