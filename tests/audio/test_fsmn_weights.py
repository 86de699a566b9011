from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.audio.fsmn import CONFIG, folder, tensors

from asr_hub.audio.operators.fsmn_weights import MAX_TEXT, read_model
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit

one_folder = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_folder_is_read(tmp_path: Path) -> None:
    model = read_model(folder(tmp_path))
    assert model.decision == pytest.approx(0.6)
    assert model.network.silence == (0, 2)
    assert model.network.nothing().shape == (2, 6, 8)
    assert set(model.network.shift) == {np.float32(-9.5)} and set(model.network.scale) == {np.float32(0.3)}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("fs: 16000", "fs: 8000", "frontend_conf.fs"),
        ("lfr_m: 5", "lfr_m: 7", "frontend_conf.lfr_m"),
        ("window: hamming", "window: povey", "frontend_conf.window"),
        ("rorder: 0", "rorder: 20", "encoder_conf.rorder"),
        ("FsmnVADStreaming", "Paraformer", r"\$.model"),
        ("sil_pdf_ids: [0, 2], ", "", "sil_pdf_ids"),
        ("[0, 2]", "[]", "sil_pdf_ids"),
        ("[0, 2]", "[0, 5]", "no output 5"),
        ("thres: 0.2", "thres: .nan", "speech_noise_thres"),
        ("fsmn_layers: 2", "fsmn_layers: 3", "holds no encoder.fsmn.2"),
        ("lorder: 7", "lorder: 8", "conv_left.weight has the shape"),
        ("encoder: FSMN", "encoder: [FSMN", "FSMN-VAD of FunASR"),
        ("model:", "[" * 20_000, "FSMN-VAD of FunASR"),
        ("model:", "#" * MAX_TEXT, "longer than 64 KiB"),
    ],
)
def test_another_configuration_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in CONFIG
    folder(tmp_path, config=CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError, match=reason):
        read_model(tmp_path)


def test_merge_keys_do_not_multiply(tmp_path: Path) -> None:
    bomb = "a0: &a0 {x: 1, y: 2}\n"
    for i in range(40):
        bomb += f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}\n"
    assert read_model(folder(tmp_path, config=CONFIG + bomb)).network.silence == (0, 2)


@pytest.mark.parametrize("name", ["config.yaml", "am.mvn", "model.pt"])
def test_a_missing_or_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    folder(tmp_path)
    (tmp_path / name).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=name):
        read_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match=f"{name}: cannot be read"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [("-9.5 ", "x "), ("-9.5 ", ""), ("0.3 ", "1e99 "), ("0.3 ", "nan "), ("<Rescale>", "<Splice>"), ("]", "")],
)
def test_a_broken_normalisation_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = folder(tmp_path) / "am.mvn"
    path.write_text(path.read_text().replace(old, new, 2))
    with pytest.raises(ConfigError, match=r"am\.mvn: <(AddShift|Rescale)>"):
        read_model(tmp_path)


@one_folder
@given(name=st.sampled_from(sorted(tensors())), shape=st.lists(st.integers(0, 3), max_size=5).map(tuple))
def test_a_tensor_of_another_size_is_refused(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    state = tensors() | {name: np.zeros(shape, dtype="<f4")}
    with pytest.raises(ConfigError, match=r"model\.pt"):
        read_model(folder(tmp_path, state=state))


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"fsmn.1.linear.linear.weight": (4, 20), "fsmn.1.fsmn_block.conv_left.weight": (4, 1, 7, 1),
          "fsmn.1.affine.linear.weight": (20, 4)}, "differ in size"),
        ({"fsmn.1.affine.linear.weight": (19, 8), "fsmn.1.affine.linear.bias": (19,)}, "gives 19 numbers, not 20"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_refused(tmp_path: Path, shapes: dict[str, tuple[int, ...]], reason: str) -> None:
    state = tensors() | {f"encoder.{name}": np.zeros(shape, dtype="<f4") for name, shape in shapes.items()}
    with pytest.raises(ConfigError, match=reason):
        read_model(folder(tmp_path, state=state))


def test_numbers_that_overflow_are_refused(tmp_path: Path) -> None:
    state = {name: array * np.float32(1e30) for name, array in tensors().items()}
    with pytest.raises(ConfigError, match="too large"):
        read_model(folder(tmp_path, state=state))
