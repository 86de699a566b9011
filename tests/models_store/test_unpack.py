from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.models_store.hub import zipped

from asr_hub.errors import ProviderUnavailable
from asr_hub.models.unpack import unpack, unpacked_size

pytestmark = pytest.mark.unit


def refusal(archive: Path, folder: Path) -> str:
    with pytest.raises(ProviderUnavailable) as caught:
        unpacked_size(archive)
        unpack(archive, folder)
    return str(caught.value)


def test_files_land_with_their_checksums(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"one/a": b"1", "two/b": b"22"}))
    assert unpacked_size(archive) == 3
    assert [(file.path, file.size) for file in unpack(archive, tmp_path / "out")] == [("one/a", 1), ("two/b", 2)]
    assert (tmp_path / "out" / "two" / "b").read_bytes() == b"22"


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "m/../../evil", "m/.asr-hub.json", "m\\..\\evil", "C:\\evil", "m/a\nb", "m//a"]
)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"m/good": b"1", name: b"evil"}))
    assert "not unpacked" in refusal(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as content:
        info = zipfile.ZipInfo("m/link")
        info.external_attr = (kind | 0o777) << 16
        content.writestr(info, "/etc/passwd")
    assert "'m/link', which no model needs" in refusal(archive, tmp_path / "out")


def test_an_archive_of_nothing_or_of_twins_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({}))
    assert "holds nothing" in refusal(archive, tmp_path / "out")
    with zipfile.ZipFile(archive, "w") as content, pytest.warns(UserWarning, match="Duplicate"):
        content.writestr("m/a", "1")
        content.writestr("m/a", "2")
    assert "two files of one name" in refusal(archive, tmp_path / "out")
    archive.write_bytes(zipped({"m/a": b"1", "m/a/b": b"2"}))
    assert "a file and a folder" in refusal(archive, tmp_path / "out")


def test_an_archive_that_claims_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_hub.models.unpack.MAX_UNPACKED", 10)
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"m/a": bytes(6), "m/b": bytes(6)}))
    assert "more than a model could" in refusal(archive, tmp_path / "out")


WHOLE = zipped({"m/a": b"alpha" * 50, "m/b/c": b"gamma" * 50})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@example(at=183, byte=0, cut=False)
@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_archive_is_an_error_or_unpacks_inside(tmp_path: Path, at: int, byte: int, cut: bool) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(WHOLE[:at] if cut else WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
    folder = tmp_path / "box" / f"out-{len(list(tmp_path.rglob('*')))}"
    try:
        size = unpacked_size(archive)
        files = unpack(archive, folder)
    except ProviderUnavailable:
        pass
    else:
        assert size == sum(file.size for file in files)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.zip", "box"}
