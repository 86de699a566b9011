"""The code of the protos is what protoc writes, and good for the oldest runtimes that are allowed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tools.make_protos import OLDEST_GRPC, OLDEST_PROTOBUF, ROOT, main, restamped

pytestmark = pytest.mark.unit


def test_the_code_in_the_tree_is_what_protoc_writes() -> None:
    assert main(["--check"]) == 0


def test_a_file_that_was_changed_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    code = tmp_path / "asr_hub" / "v1" / "asr_hub_pb2.py"
    code.write_text(code.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    assert main(["--check", str(tmp_path)]) == 1
    assert "asr_hub_pb2.py is out of date; run: python tools/make_protos.py" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0


def test_the_stamps_are_the_oldest_runtimes_that_pip_may_choose() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    oldest = ".".join(OLDEST_GRPC.split(".")[:2])
    assert f"grpcio>={oldest}" in extras["grpc"]
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "asr_hub" / "v1").glob("*.py"))
    assert f"GRPC_GENERATED_VERSION = '{OLDEST_GRPC}'" in code
    assert f"# Protobuf Python Version: {'.'.join(map(str, OLDEST_PROTOBUF))}\n" in code


def test_nothing_but_the_stamps_is_changed() -> None:
    newer = "# Protobuf Python Version: 7.35.1\nV(\n    Domain.PUBLIC,\n    7,\n    35,\n    1,\n    'x')\n"
    newer += "GRPC_GENERATED_VERSION = '1.85.1'\n"
    older = "# Protobuf Python Version: 5.29.0\nV(\n    Domain.PUBLIC,\n    5,\n    29,\n    0,\n    'x')\n"
    older += "GRPC_GENERATED_VERSION = '1.71.0'\n"
    assert restamped(newer) == older
    assert restamped(older) == older
