"""Folders and settings that cannot work are refused with what to do; FunASR itself would be wrong, vague or silent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.providers.funasr.engines import PARAFORMER, SENSEVOICE, STREAMING, hear, load, random_punctuation, torch

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.funasr.layout import layout
from asr_hub.providers.funasr.settings import missing
from asr_hub.providers.known_clip import packaged_clip

pytestmark = pytest.mark.engine

COMMAND = packaged_clip("self_test").pcm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model to be damaged."""
    return Path(shutil.copytree(PARAFORMER, tmp_path / "model"))


def _load(model: Path | str, **settings: Any) -> Any:
    return load({"model": str(model), "device": "cpu", **settings})


def _rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    change(config)
    file.write_text(yaml.safe_dump(config))


def _save(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = folder / "model.pt"
    torch.save({"state_dict": change(torch.load(file)["state_dict"])}, file)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("paraformer-zh", "asr-hub models pull paraformer-zh"),
        ("/nowhere/at/all", "there is no folder"),
        ("no-such-model", "the model 'no-such-model' is not here"),
    ],
)
def test_a_model_that_is_not_here(model: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_HUB_MODELS", str(tmp_path))
    with pytest.raises(ProviderUnavailable, match=message):
        _load(model)
    assert message in str(missing({"model": model}))


@pytest.mark.parametrize("file", ["config.yaml", "model.pt", "tokens.json"])
def test_a_folder_that_lacks_a_file(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ProviderUnavailable, match=rf"has no {file}.*copy the whole model"):
        _load(folder)
    assert file in str(missing({"model": str(folder)}))


def test_a_folder_of_sensevoice_that_lacks_its_pieces(tmp_path: Path) -> None:
    folder = shutil.copytree(SENSEVOICE, tmp_path / "model")
    (folder / "bpe.model").unlink()
    with pytest.raises(ProviderUnavailable, match=r"has no bpe\.model"):
        _load(folder)


def test_a_whole_folder_lacks_nothing() -> None:
    assert missing({"model": PARAFORMER}) is None
    assert missing({"model": SENSEVOICE}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", "cannot be parsed"),
        ("just a text", "names no `model`"),
        ("encoder: x", "FunASR 0.x"),
        ("\x00\x01", "cannot be parsed"),
    ],
)
def test_a_configuration_that_is_none(folder: Path, text: str, message: str) -> None:
    (folder / "config.yaml").write_text(text)
    with pytest.raises(ProviderUnavailable, match=message):
        _load(folder)


def test_a_configuration_without_end_is_not_read(folder: Path) -> None:
    (folder / "config.yaml").write_text("#" * (5 << 20))
    with pytest.raises(ProviderUnavailable, match="it is no configuration"):
        _load(folder)


def test_a_model_of_another_kind(folder: Path) -> None:
    _rewrite(folder, lambda config: config.update(model="FunASRNano"))
    with pytest.raises(ConfigError, match="'FunASRNano'; this provider runs SenseVoiceSmall, Paraformer"):
        _load(folder)
    assert "FunASRNano" in str(missing({"model": str(folder)}))


def test_configuration_json_says_where_the_files_are(folder: Path) -> None:
    (folder / "model.pt").rename(folder / "weights.pt")
    metas = {
        "init_param": "weights.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"token_list": "tokens.json"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    }
    (folder / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    assert hear(_load(folder), COMMAND)[0].text == "go forward ten meters"
    (folder / "weights.pt").unlink()
    # FunASR prints a line and goes on with random weights.
    with pytest.raises(ProviderUnavailable, match=r"has no weights\.pt"):
        _load(folder)


def test_weights_without_their_prefix_are_not_taken_for_loaded(folder: Path) -> None:
    """FunASR prints warnings and hears with random weights."""
    _save(folder, lambda state: {name.removeprefix("encoder."): value for name, value in state.items()})
    with pytest.raises(ProviderUnavailable, match=r"fits \d+ of the model's \d+ parameters.*random: encoder\."):
        _load(folder)


def test_weights_of_another_shape_are_not_taken_for_loaded(folder: Path) -> None:
    _save(folder, lambda state: state | {"predictor.cif_output.weight": torch.zeros(1, 7)})
    total = len(torch.load(folder / "model.pt")["state_dict"])
    with pytest.raises(ProviderUnavailable, match=rf"fits {total - 1} of the model's {total} parameters.*cif_output"):
        _load(folder)


def test_one_parameter_too_few_is_refused_and_can_be_allowed(folder: Path) -> None:
    _save(folder, lambda state: {name: value for name, value in state.items() if not name.startswith("ctc.")})
    with pytest.raises(ProviderUnavailable, match="strict_weights: false"):
        _load(folder)
    # The CTC branch is for training: it hears as before.
    assert hear(_load(folder, strict_weights=False), COMMAND)[0].text == "go forward ten meters"


def test_weights_of_a_training_on_several_devices_are_known(folder: Path) -> None:
    _save(folder, lambda state: {f"module.{name}": value for name, value in state.items()})
    assert hear(_load(folder), COMMAND)[0].text == "go forward ten meters"


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 and then nothing"])
def test_weights_that_cannot_be_read(folder: Path, content: bytes) -> None:
    (folder / "model.pt").write_bytes(content)
    with pytest.raises(ProviderUnavailable, match="cannot be loaded as a Paraformer"):
        _load(folder)


def test_weights_that_would_run_code_do_not(folder: Path) -> None:
    (folder / "model.pt").unlink()
    torch.save({"state_dict": _Mine(folder / "touched")}, folder / "model.pt")
    with pytest.raises(ProviderUnavailable, match="cannot be loaded"):
        _load(folder)
    assert not (folder / "touched").exists()


def test_code_and_requirements_of_a_model_are_left_alone(folder: Path) -> None:
    _rewrite(folder, lambda config: config.update(trust_remote_code=True, remote_code=str(folder / "model.py")))
    (folder / "requirements.txt").write_text("no-such-package-at-all\n")
    (folder / "model.py").write_text(f"open({str(folder / 'touched')!r}, 'w')")
    _load(folder)
    assert not (folder / "touched").exists()


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"device": "cuda:99"}, ProviderUnavailable, "CUDA devices, and 'cuda:99' is asked for"),
        ({"device": "gpu"}, ConfigError, "'gpu' is not one of"),
        ({"device": "meta"}, ConfigError, "'meta' is not one of"),
        ({"streaming": True}, ConfigError, "holds a Paraformer; set `streaming: false`"),
        ({"punctuation": PARAFORMER}, ConfigError, "must be one of CTTransformer"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        _load(PARAFORMER, **settings)


def test_a_punctuation_model_does_not_hear(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not hear; name it under `punctuation`"):
        _load(random_punctuation(tmp_path / "punc"))


def test_punctuation_that_is_not_here_is_missing(tmp_path: Path) -> None:
    assert "punc" in str(missing({"model": PARAFORMER, "punctuation": str(tmp_path / "punc")}))


def test_a_streaming_model_with_other_positions_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STREAMING, tmp_path / "model"))
    _rewrite(folder, lambda config: config["encoder_conf"].update(input_layer="pe"))
    with pytest.raises(ConfigError, match="pe_online"):
        _load(folder)


def test_an_engine_tells_what_it_is() -> None:
    for model, languages in ((PARAFORMER, {"en"}), (STREAMING, {"en"}), (SENSEVOICE, {"zh", "yue", "en", "ja", "ko"})):
        loaded = _load(model)
        assert loaded.device == "cpu"
        assert set(loaded.languages) == languages
        assert loaded.version.startswith("funasr ")
        assert Path(model).name in loaded.version
        assert _load(model, languages=("de",)).languages == ("de",)


def test_a_layout_tells_the_rate(folder: Path) -> None:
    assert layout(str(folder)).rate == 16_000
    _rewrite(folder, lambda config: config["frontend_conf"].update(fs=8000))
    assert layout(str(folder)).rate == 8000


class _Mine:
    """What it is unpickled as is a call."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return (open, (str(self._file), "w"))
