"""What can be told of a checkpoint for transformers by its folder, without loading it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from asr_hub.errors import ProviderUnavailable

_MOST = 4 << 20
"""Bytes of config.json that are read."""
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_PREPARATION = ("preprocessor_config.json", "processor_config.json")


class Checkpoint(msgspec.Struct, frozen=True):
    """What config.json says."""

    model_type: str = ""
    architectures: tuple[str, ...] = ()
    auto_map: dict[str, object] = {}
    """Python files of the checkpoint that the library would run. Empty for models that the library has itself."""


def read_checkpoint(folder: Path) -> Checkpoint:
    """Raises ProviderUnavailable, naming the file, where one is missing or broken that is needed to load anything."""
    config = folder / "config.json"
    if not config.is_file():
        raise ProviderUnavailable(f"transformers: {folder} has no config.json; `model` must name a checkpoint's folder")
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        raise ProviderUnavailable(f"transformers: {folder} has no weights (*.safetensors); fetch the whole checkpoint")
    if not any((folder / name).is_file() for name in _PREPARATION):
        raise ProviderUnavailable(
            f"transformers: {folder} has no {' or '.join(_PREPARATION)}, which says how audio is prepared; "
            "fetch the whole checkpoint, and one for speech"
        )
    try:
        with config.open("rb") as file:
            return msgspec.json.decode(file.read(_MOST), type=Checkpoint)
    except msgspec.DecodeError as exc:
        raise ProviderUnavailable(f"transformers: {config} cannot be read: {exc}; fetch it again") from exc
