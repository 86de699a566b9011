"""Notes read out of ONNX files, whatever the files hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.providers.sherpa.direct import WHOLE

from asr_hub.errors import ProviderUnavailable
from asr_hub.providers.sherpa.onnx_metadata import MOST_BYTES, read_metadata

pytestmark = pytest.mark.unit

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number: int, raw: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _note(key: str, value: str) -> bytes:
    return _field(14, _field(1, key.encode()) + _field(2, value.encode()))


def test_a_real_models_notes_are_those_that_the_library_reads() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(WHOLE / "model.int8.onnx"), providers=["CPUExecutionProvider"])
    assert read_metadata(WHOLE / "model.int8.onnx") == session.get_modelmeta().custom_metadata_map


_text = st.text(st.characters(codec="utf-8"))
_others = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 13), st.binary()).map(lambda field: _field(*field)),
        st.integers(0, 2**64 - 1).map(lambda value: _varint(3 << 3) + _varint(value)),
        st.binary(min_size=8, max_size=8).map(lambda raw: _varint(4 << 3 | 1) + raw),
        st.binary(min_size=4, max_size=4).map(lambda raw: _varint(5 << 3 | 5) + raw),
    )
)


@shared_folder
@given(notes=st.dictionaries(_text, _text, max_size=5), before=_others, after=_others)
def test_notes_are_found_among_everything_else(
    tmp_path: Path, notes: dict[str, str], before: list[bytes], after: list[bytes]
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"".join([*before, *(_note(*pair) for pair in notes.items()), *after]))
    assert read_metadata(file) == notes


@shared_folder
@given(st.binary(max_size=200))
def test_any_bytes_give_notes_or_a_named_error(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(raw)
    try:
        assert isinstance(read_metadata(file), dict)
    except ProviderUnavailable as exc:
        assert "ONNX" in str(exc)


@shared_folder
@given(st.integers(1, 60))
def test_a_file_that_is_cut_off_is_told(tmp_path: Path, cut: int) -> None:
    whole = _field(7, bytes(100)) + _note("model_type", "paraformer")
    file = tmp_path / "model.onnx"
    file.write_bytes(whole[: len(whole) - 1 - cut % 25])
    with pytest.raises(ProviderUnavailable, match="too early"):
        read_metadata(file)


def test_notes_without_end_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(_note("a", "x" * (MOST_BYTES // 2)) * 3)
    with pytest.raises(ProviderUnavailable, match="more than"):
        read_metadata(file)
    with pytest.raises(ProviderUnavailable, match="ONNX"):
        read_metadata(tmp_path / "nothing.onnx")
