"""A folder with an FSMN-VAD of FunASR, of random numbers; and torch's file format, written without torch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tests.speech import ROOT

PUBLISHED = ROOT / "models" / "fsmn_vad_funasr"

CONFIG = """\
model: FsmnVADStreaming
model_conf: {sil_pdf_ids: [0, 2], speech_noise_thres: 0.2}
frontend_conf: {fs: 16000, window: hamming, n_mels: 80, frame_length: 25, frame_shift: 10, lfr_m: 5, lfr_n: 1}
encoder: FSMN
encoder_conf: {fsmn_layers: 2, lorder: 7, rorder: 0, lstride: 1}
"""

Tensors = Mapping[str, npt.NDArray[np.generic]]


def tensors(seed: int = 0) -> dict[str, npt.NDArray[np.generic]]:
    """Random numbers for a small network, as torch names them."""
    shapes = {"in_linear1": (12, 400), "in_linear2": (20, 12), "out_linear1": (9, 20), "out_linear2": (5, 9)}
    shapes |= {f"fsmn.{i}.affine": (20, 8) for i in range(2)}
    chance, made = np.random.default_rng(seed), {}
    for name, (outputs, inputs) in shapes.items():
        made[f"encoder.{name}.linear.weight"] = chance.normal(0, 1.5 / np.sqrt(inputs), (outputs, inputs))
        made[f"encoder.{name}.linear.bias"] = chance.normal(0, 0.2, outputs)
    # Answers near each other: none of the scores sticks at 0 or 1.
    made["encoder.out_linear2.linear.weight"] *= 0.15
    for i in range(2):
        made[f"encoder.fsmn.{i}.linear.linear.weight"] = chance.normal(0, 0.3, (8, 20))
        made[f"encoder.fsmn.{i}.fsmn_block.conv_left.weight"] = chance.normal(0, 0.4, (8, 1, 7, 1))
    return {name: array.astype("<f4") for name, array in made.items()}


def folder(path: Path, *, config: str = CONFIG, state: Tensors | None = None) -> Path:
    """Write it there."""
    row = "<LearnRateCoef> 0 [ {} ]\n"
    shift, scale = (" ".join([value] * 400) for value in ("-9.5", "0.3"))
    (path / "config.yaml").write_text(config)
    (path / "am.mvn").write_text(
        "<Nnet>\n<Splice> 400 400\n[ 0 ]\n<AddShift> 400 400\n" + row.format(shift)
        + "<Rescale> 400 400\n" + row.format(scale) + "</Nnet>\n"
    )  # fmt: skip
    (path / "model.pt").write_bytes(checkpoint(tensors() if state is None else state))
    return path


def checkpoint(state: Tensors) -> bytes:
    """What `torch.save` writes for these arrays of floats."""
    described = b"".join(text(name) + _described(str(i), array) for i, (name, array) in enumerate(state.items()))
    return archive(b"}(" + described + b"u", {f"data/{i}": array.tobytes() for i, array in enumerate(state.values())})


def archive(
    instructions: bytes,
    entries: Mapping[str, bytes],
    *,
    compression: int = zipfile.ZIP_STORED,
    byteorder: bytes = b"little",
) -> bytes:
    """A zip file as torch makes it, whose description is the pickle of these instructions."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        file.writestr("model/data.pkl", b"\x80\x02" + instructions + b".")
        file.writestr("model/byteorder", byteorder)
        for name, content in entries.items():
            file.writestr(f"model/{name}", content)
    return out.getvalue()


def text(value: str) -> bytes:
    """The instruction for a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """The instruction for a number."""
    return b"J" + struct.pack("<i", value)


def tensor(key: str, *, count: int, shape: tuple[int, ...], strides: tuple[int, ...], kind: str = "Float") -> bytes:
    """The instructions for a tensor."""
    storage = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu") + number(count)
    sizes, steps = (b"(" + b"".join(map(number, values)) + b"t" for values in (shape, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + number(0) + sizes + steps + b"\x89" + hooks + b"tR"
    )


def _described(key: str, array: npt.NDArray[np.generic]) -> bytes:
    kind = {"<f2": "Half", "<f4": "Float", "<f8": "Double"}[array.dtype.str]
    strides = tuple(step // array.itemsize for step in np.ascontiguousarray(array).strides)
    return tensor(key, count=array.size, shape=array.shape, strides=strides, kind=kind)
