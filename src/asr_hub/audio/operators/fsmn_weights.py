"""Reads a folder with FunASR's FSMN-VAD: `config.yaml`, `am.mvn` and `model.pt`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import yaml
from msgspec import Meta

from asr_hub.audio.operators.fsmn_checkpoint import Floats, read_checkpoint
from asr_hub.audio.operators.fsmn_features import MELS, STACKED
from asr_hub.audio.operators.fsmn_network import Affine, Block, Network
from asr_hub.errors import ConfigError

MAX_TEXT = 64 * 1024
"""Bytes of `config.yaml`, and of `am.mvn`."""


class FsmnModel(msgspec.Struct, frozen=True):
    """What the folder holds."""

    network: Network
    decision: float
    """The probability from which on FunASR takes a frame for speech."""


def read_model(folder: Path) -> FsmnModel:
    """
    The network, and how sure it must be.

    Raises ConfigError, whose message names the file, where one is missing, broken, or of another model: only the 16 kHz
    FSMN-VAD without look-ahead in its memory can be read, as FunASR 1.x publishes it.
    """
    config = _config(folder / "config.yaml")
    shift, scale = _normalisation(folder / "am.mvn")
    path = folder / "model.pt"
    network = _Tensors(path).network(config.encoder_conf, shift, scale, config.model_conf.sil_pdf_ids)
    with np.errstate(all="ignore"):
        heard = network.speech(np.zeros((1, shift.size), dtype=np.float32), [1], network.nothing()[None])
    if not np.isfinite(heard).all():
        raise ConfigError(f"{path}: its numbers are too large to be those of a network; {_REMEDY}")
    return FsmnModel(network, (1 + config.model_conf.speech_noise_thres) / 2)


def _exactly(value: int) -> Meta:
    return Meta(ge=value, le=value)


class _Frontend(msgspec.Struct, frozen=True):
    fs: Annotated[int, _exactly(16_000)]
    window: Literal["hamming"]
    n_mels: Annotated[int, _exactly(MELS)]
    frame_length: Annotated[int, _exactly(25)]
    frame_shift: Annotated[int, _exactly(10)]
    lfr_m: Annotated[int, _exactly(STACKED)]
    lfr_n: Annotated[int, _exactly(1)]


class _Encoder(msgspec.Struct, frozen=True):
    fsmn_layers: Annotated[int, Meta(ge=1, le=32)]
    lorder: Annotated[int, Meta(ge=2, le=100)]
    rorder: Annotated[int, _exactly(0)]
    lstride: Annotated[int, _exactly(1)]


class _Decision(msgspec.Struct, frozen=True):
    sil_pdf_ids: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1, max_length=1000)]
    speech_noise_thres: Annotated[float, Meta(ge=0, le=0.98)] = 0.6


class _Config(msgspec.Struct, frozen=True):
    model: Literal["FsmnVADStreaming"]
    encoder: Literal["FSMN"]
    frontend_conf: _Frontend
    encoder_conf: _Encoder
    model_conf: _Decision


def _config(path: Path) -> _Config:
    try:
        # The base loader leaves scalars as text and merges nothing: no value can be made larger than the file.
        raw = yaml.load(_text(path), yaml.BaseLoader)
        return msgspec.convert(raw, _Config, strict=False)
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        reason = str(exc).replace("\n", " ")[:200]
        raise ConfigError(f"{path}: is not the 16 kHz FSMN-VAD of FunASR 1.x: {reason}; {_REMEDY}") from exc


def _normalisation(path: Path) -> tuple[Floats, Floats]:
    text = _text(path)
    return _row(path, text, "AddShift"), _row(path, text, "Rescale")


def _row(path: Path, text: str, name: str) -> Floats:
    """The numbers of one component of a Kaldi nnet1 file: `<Name> n n <LearnRateCoef> 0 [ … ]`."""
    match = re.search(rf"<{name}> \d+ \d+\s+<LearnRateCoef> \S+ \[([^\]]*)\]", text)
    try:
        with np.errstate(over="ignore"):
            row = np.array([float(word) for word in match[1].split()] if match else [], dtype=np.float32)
    except ValueError as exc:
        raise ConfigError(f"{path}: <{name}> holds what is no number; {_REMEDY}") from exc
    if row.size != STACKED * MELS or not np.isfinite(row).all():
        raise ConfigError(f"{path}: <{name}> must hold {STACKED * MELS} numbers; {_REMEDY}")
    return row


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TEXT + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror or exc}; {_REMEDY}") from exc
    if len(raw) > MAX_TEXT:
        raise ConfigError(f"{path}: is longer than {MAX_TEXT // 1024} KiB; {_REMEDY}")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8; {_REMEDY}") from exc


_REMEDY = "docs/how-to/fsmn-vad.md says what the folder must hold"


class _Tensors:
    """The checkpoint, piece by piece. Each piece must have the size that those before it ask for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tensors = read_checkpoint(path)

    def network(self, encoder: _Encoder, shift: Floats, scale: Floats, silence: tuple[int, ...]) -> Network:
        first = self._affine("in_linear1", inputs=shift.size)
        second = self._affine("in_linear2", inputs=_outputs(first))
        wide = _outputs(second)
        blocks = tuple(self._block(f"fsmn.{i}", wide, encoder.lorder) for i in range(encoder.fsmn_layers))
        narrow = {block.taps.shape for block in blocks}
        if len(narrow) != 1:
            raise ConfigError(f"{self._path}: the layers of encoder.fsmn differ in size; {_REMEDY}")
        before_last = self._affine("out_linear1", inputs=wide)
        last = self._affine("out_linear2", inputs=_outputs(before_last))
        if max(silence) >= _outputs(last):
            raise ConfigError(f"{self._path}: has no output {max(silence)}, which sil_pdf_ids names; {_REMEDY}")
        return Network(shift, scale, (first, second), blocks, (before_last, last), silence)

    def _block(self, name: str, wide: int, order: int) -> Block:
        down = Affine(self._weight(f"{name}.linear", inputs=wide))
        narrow = _outputs(down)
        taps = self._tensor(f"{name}.fsmn_block.conv_left.weight", narrow, 1, order, 1)
        up = self._affine(f"{name}.affine", inputs=narrow)
        if _outputs(up) != wide:
            raise ConfigError(f"{self._path}: encoder.{name} gives {_outputs(up)} numbers, not {wide}; {_REMEDY}")
        return Block(down, np.ascontiguousarray(taps[:, 0, :, 0].T), up)

    def _affine(self, name: str, inputs: int) -> Affine:
        weight = self._weight(name, inputs)
        return Affine(weight, self._tensor(f"{name}.linear.bias", weight.shape[1]))

    def _weight(self, name: str, inputs: int) -> Floats:
        return np.ascontiguousarray(self._tensor(f"{name}.linear.weight", None, inputs).T)

    def _tensor(self, name: str, *shape: int | None) -> Floats:
        tensor = self._tensors.get(f"encoder.{name}")
        if tensor is None:
            raise ConfigError(f"{self._path}: holds no encoder.{name}; {_REMEDY}")
        wanted = tuple(tensor.shape[i] if size is None else size for i, size in enumerate(shape[: tensor.ndim]))
        if tensor.shape != wanted or len(wanted) != len(shape):
            raise ConfigError(f"{self._path}: encoder.{name} has the shape {tensor.shape}; {_REMEDY}")
        return tensor


def _outputs(step: Affine) -> int:
    return int(step.weight.shape[1])
