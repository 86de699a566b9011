from __future__ import annotations

import importlib.util
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.audio.fsmn import PUBLISHED, archive, checkpoint, number, tensor, tensors, text

from asr_hub.audio.operators.fsmn_checkpoint import MAX_FILE, MAX_NODES, read_checkpoint
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
one_folder = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

FLOATS = st.sampled_from(["<f2", "<f4", "<f8"]).flatmap(
    lambda kind: arrays.arrays(
        kind,
        arrays.array_shapes(max_dims=4, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": -1000, "max_value": 1000},
    )
)


def read(folder: Path, content: bytes) -> dict[str, npt.NDArray[np.float32]]:
    path = folder / "model.pt"
    path.write_bytes(content)
    return read_checkpoint(path)


def same(read: dict[str, npt.NDArray[np.float32]], wanted: dict[str, npt.NDArray[np.generic]]) -> None:
    assert list(read) == list(wanted)
    for name, array in read.items():
        assert array.dtype == np.float32 and array.shape == wanted[name].shape
        np.testing.assert_array_equal(array, wanted[name].astype(np.float32))


@one_folder
@given(state=st.dictionaries(st.text(max_size=20), FLOATS, min_size=1, max_size=4))
def test_every_tensor_comes_back(state: dict[str, npt.NDArray[np.generic]], tmp_path: Path) -> None:
    same(read(tmp_path, checkpoint(state)), state)


@one_folder
@given(data=st.data())
def test_a_damaged_file_is_refused_or_gives_finite_numbers(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(checkpoint({name: array[:2] for name, array in list(tensors().items())[:4]}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "drop", "cut"])):
            case "change":
                content[at] = data.draw(st.integers(0, 255))
            case "drop":
                del content[at + 1 : at + data.draw(st.integers(2, 40))]
            case _:
                del content[max(1, at) :]
    try:
        state = read(tmp_path, bytes(content))
    except ConfigError:
        return
    assert all(np.isfinite(array).all() for array in state.values())


@one_folder
@given(instructions=st.binary(max_size=60) | st.lists(
    st.sampled_from([
        b"(", b"t", b"}", b")", b"R", b"Q", b"u", b"s", b"b", b"\x85", b"\x86", b"\x87", b"q\x01", b"h\x01", b"N",
        b"\x88", number(3), text("x"), b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n",
        tensor("0", count=2, shape=(2,), strides=(1,)),
    ]), max_size=30,
).map(b"".join))  # fmt: skip
def test_any_description_is_refused_or_gives_tensors(instructions: bytes, tmp_path: Path) -> None:
    try:
        state = read(tmp_path, archive(instructions, {"data/0": bytes(8)}))
    except ConfigError:
        return
    assert all(array.shape == (2,) for array in state.values())


def test_nothing_in_the_file_is_called(tmp_path: Path) -> None:
    victim = tmp_path / "made"
    for module in ("os", "posix", "nt"):
        call = f"c{module}\nmkdir\n".encode() + b"(" + text(str(victim)) + b"tR"
        with pytest.raises(ConfigError, match=r"calls.*mkdir"):
            read(tmp_path, archive(call, {}))
    with pytest.raises(ConfigError, match="more than tensors"):
        read(tmp_path, archive(b"(" + text(str(victim)) + b"ios\nmkdir\n", {}))
    assert not victim.exists()


GOOD = tensor("0", count=6, shape=(2, 3), strides=(3, 1))


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        (tensor("0", count=6, shape=(2, 3), strides=(4, 1)), "beyond its storage"),
        (tensor("0", count=6, shape=(-2, 3), strides=(3, 1)), "impossible shape"),
        (tensor("0", count=6, shape=(2, 3), strides=(-3, 1)), "impossible shape"),
        (tensor("0", count=6, shape=(2, 3), strides=(1,)), "impossible shape"),
        (tensor("0", count=6, shape=(1 << 24, 1 << 24), strides=(0, 0)), "beyond its storage"),
        (tensor("0", count=6, shape=(1,) * 40, strides=(1,) * 40), "impossible shape"),
        (tensor("0", count=1 << 30, shape=(2, 3), strides=(3, 1)), "what its description says"),
        (tensor("1", count=6, shape=(2, 3), strides=(3, 1)), "missing"),
        (tensor("../0", count=6, shape=(2, 3), strides=(3, 1)), "missing"),
        (tensor("0", count=6, shape=(2, 3), strides=(3, 1), kind="Long"), "not of floats"),
        (number(7), "no tensor"),
        (b"(\x85", "broken"),
        (GOOD + b"Nb", "broken"),
        (GOOD + number(3) + GOOD, "mapping of names"),
        (b"(" * MAX_NODES, "too long"),
    ],
)
def test_a_lying_description_is_refused(tmp_path: Path, described: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read(tmp_path, archive(b"}(" + text("w") + described + b"u", {"data/0": bytes(24)}))


def test_a_far_place_in_the_memo_costs_nothing(tmp_path: Path) -> None:
    described = b"}(" + text("w") + GOOD + b"r\xff\xff\xff\xff" + b"u"
    same(read(tmp_path, archive(described, {"data/0": bytes(24)})), {"w": np.zeros((2, 3), "<f4")})


def test_a_transposed_tensor_comes_back(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype="<f4")
    described = b"}(" + text("w") + tensor("0", count=6, shape=(3, 2), strides=(1, 3)) + b"u"
    state = read(tmp_path, archive(described, {"data/0": numbers.tobytes()}))
    same(state, {"w": numbers.reshape(2, 3).T})


def test_one_storage_cannot_stand_for_many(tmp_path: Path) -> None:
    raw = bytes(40_000)
    described = [text(str(i)) + tensor("0", count=10_000, shape=(10_000,), strides=(1,)) for i in range(30)]
    with pytest.raises(ConfigError, match="too long"):
        read(tmp_path, archive(b"}(" + b"".join(described) + b"u", {"data/0": raw}))


def test_numbers_of_the_other_byte_order_are_refused(tmp_path: Path) -> None:
    described = b"}(" + text("w") + GOOD + b"u"
    with pytest.raises(ConfigError, match="little-endian"):
        read(tmp_path, archive(described, {"data/0": bytes(24)}, byteorder=b"big"))


def test_a_compressed_or_endless_file_is_refused(tmp_path: Path) -> None:
    described = b"}(" + text("w") + GOOD + b"u"
    with pytest.raises(ConfigError, match="is compressed"):
        read(tmp_path, archive(described, {"data/0": bytes(24)}, compression=zipfile.ZIP_DEFLATED))
    path = tmp_path / "long.pt"
    with path.open("wb") as file:
        file.truncate(MAX_FILE + 1)
    with pytest.raises(ConfigError, match="longer than 64 MiB"):
        read_checkpoint(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ConfigError, match="not finite"):
        read(tmp_path, checkpoint({"w": np.array([1, value], dtype="<f8")}))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"PK", b"\x80\x02}.", os.urandom(500)):
        with pytest.raises(ConfigError, match=r"model\.pt: is no checkpoint"):
            read(tmp_path, content)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_checkpoint(tmp_path / "missing.pt")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_checkpoint(tmp_path)


@needs_torch
@pytest.mark.engine
@pytest.mark.filterwarnings("ignore")
def test_what_torch_writes_is_read(tmp_path: Path) -> None:
    import torch

    layer = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.Conv2d(4, 4, (3, 1), groups=4))
    state = layer.state_dict()
    wanted = {name: values.numpy() for name, values in state.items()}
    path = tmp_path / "model.pt"
    for saved in (state, dict(state), {"state_dict": state}, {"model": OrderedDict(state), "epoch": 3}):
        torch.save(saved, path)
        same(read_checkpoint(path), wanted)
    weight = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    torch.save({"turned": weight.T, "part": weight[1:3, ::2], "half": weight.half()}, path)
    same(read_checkpoint(path), {"turned": weight.numpy().T, "part": weight.numpy()[1:3, ::2], "half": weight.numpy()})
    torch.save({"count": torch.tensor(3)}, path)
    with pytest.raises(ConfigError, match="not of floats"):
        read_checkpoint(path)


@needs_torch
@pytest.mark.engine
@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published weights are not here; set ASR_HUB_DATA")
def test_the_published_weights_are_those_that_torch_reads() -> None:
    import torch

    theirs = torch.load(PUBLISHED / "model.pt", map_location="cpu", weights_only=True)
    same(read_checkpoint(PUBLISHED / "model.pt"), {name: values.numpy() for name, values in theirs.items()})
