"""The files of a model for sherpa-onnx: which are found, and what is said of those that are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.providers.sherpa.direct import STREAMING, WHOLE

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.sherpa.kinds import KINDS, kind_of
from asr_hub.providers.sherpa.model_files import ModelFiles, alphabet, look

pytestmark = pytest.mark.unit


def _look(folder: Path, **chosen: Any) -> ModelFiles:
    return look(folder, **{"kind": None, "files": {}, "precision": "int8", **chosen})


def _note(key: str, value: str) -> bytes:
    pair = b"\x0a" + bytes([len(key)]) + key.encode() + b"\x12" + bytes([len(value)]) + value.encode()
    return b"\x72" + bytes([len(pair)]) + pair


def _folder(folder: Path, names: Iterable[str], notes: Mapping[str, str]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"".join(_note(*pair) for pair in notes.items()))
    (folder / "tokens.txt").write_text("<blk> 0\na 1\n")
    return folder


def test_the_tiny_models_tell_what_they_are() -> None:
    assert _look(WHOLE).name == "sense-voice" and _look(STREAMING).name == "streaming-paraformer"
    assert _look(STREAMING).parts == {
        "encoder": STREAMING / "encoder.int8.onnx",
        "decoder": STREAMING / "decoder.int8.onnx",
    }


@pytest.mark.parametrize(
    ("names", "notes", "kind"),
    [
        ("encoder decoder joiner", {"model_type": "zipformer2", "decode_chunk_len": "32"}, "streaming-transducer"),
        ("encoder decoder joiner", {"model_type": "zipformer2"}, "transducer"),
        ("encoder decoder joiner", {"model_type": "EncDecRNNTBPEModel"}, "nemo-transducer"),
        ("encoder decoder joiner", {"model_type": "EncDecRNNTBPEModel", "chunk_shift": "8"}, "streaming-transducer"),
        ("base-encoder base-decoder", {"model_type": "whisper-base"}, "whisper"),
        ("model", {"model_type": "zipformer2_ctc"}, "zipformer-ctc"),
        ("model", {"model_type": "zipformer2", "decode_chunk_len": "32"}, "streaming-zipformer2-ctc"),
        ("model", {"model_type": "EncDecCTCModelBPE"}, "nemo-ctc"),
        ("model", {"model_type": "EncDecHybridRNNTCTCBPEModel", "chunk_shift": "8"}, "streaming-nemo-ctc"),
    ],
)
def test_a_model_is_known_by_its_files_and_notes(tmp_path: Path, names: str, notes: dict[str, str], kind: str) -> None:
    folder = _folder(tmp_path / "m", (f"{name}.onnx" for name in names.split()), notes)
    assert _look(folder).name == kind
    assert kind_of(frozenset(KINDS[kind].parts), notes) == kind


def test_the_wanted_precision_is_taken(tmp_path: Path) -> None:
    names = [f"{part}{suffix}" for part in ("encoder", "decoder", "joiner") for suffix in (".onnx", ".int8.onnx")]
    folder = _folder(tmp_path / "m", names, {"model_type": "zipformer2"})
    assert _look(folder).parts["joiner"].name == "joiner.int8.onnx"
    assert _look(folder, precision="float").parts["joiner"].name == "joiner.onnx"
    with pytest.raises(ConfigError, match=r"encoder\.int8\.onnx, encoder\.onnx"):
        _look(folder, precision="fp16")


def test_several_files_for_one_part_are_the_users_choice(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", ["one.onnx", "two.onnx"], {"model_type": "zipformer2_ctc"})
    with pytest.raises(ConfigError, match=r"one\.onnx, two\.onnx"):
        _look(folder)
    assert _look(folder, files={"model": "two.onnx"}).parts["model"].name == "two.onnx"
    with pytest.raises(ProviderUnavailable, match=r"three\.onnx"):
        _look(folder, files={"model": "three.onnx"})
    with pytest.raises(ConfigError, match="lexicon"):
        _look(folder, files={"lexicon": "two.onnx"})


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ProviderUnavailable, match=re.escape("no .onnx file")):
        _look(empty)
    folder = _folder(tmp_path / "half", ["encoder.onnx", "decoder.onnx"], {"model_type": "zipformer2"})
    with pytest.raises(ProviderUnavailable, match="joiner"):
        _look(folder, kind="streaming-transducer")
    with pytest.raises(ConfigError, match="set `type`"):
        _look(folder)
    (folder / "tokens.txt").unlink()
    with pytest.raises(ProviderUnavailable, match=r"tokens\.txt"):
        _look(folder, kind="whisper")


def test_a_model_without_the_notes_that_the_sdk_needs_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", ["model.onnx"], {"model_type": "paraformer", "vocab_size": "84"})
    with pytest.raises(ProviderUnavailable, match="lfr_window_size, lfr_window_shift, neg_mean, inv_stddev"):
        _look(folder)


def test_a_broken_list_of_tokens_is_told_with_its_line(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("<blk> 0\n\u2581go 1\n\n")
    assert alphabet(tokens) == set("<blk>\u2581go")
    tokens.write_text("<blk> 0\ngo one\n")
    with pytest.raises(ProviderUnavailable, match="line 2"):
        alphabet(tokens)
