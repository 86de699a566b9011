from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asr_hub.config.docs import PATH, main, reference
from asr_hub.config.loader import section_in
from asr_hub.config.schema import Config, Section

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub.config.docs", "--check"], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_every_setting_is_explained() -> None:
    for section in _sections(Config):
        assert section.__doc__
        for name, field in section.model_fields.items():
            assert field.description or section_in(field.annotation), f"{section.__name__}.{name}"


def test_a_row_tells_kind_bounds_default_and_meaning() -> None:
    lines = reference().splitlines()
    assert "| `port` | whole number, at least 0, at most 65535 | `8765` | 0 takes a free one. |" in lines
    assert "## `providers.<name>`" in lines
    assert "## `audio.endpointing`" in lines


def test_check_tells_an_old_file_from_a_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep" / PATH.name
    assert main(["--check", str(path)]) == 1
    assert "is out of date; run: python -m asr_hub.config.docs" in capsys.readouterr().err
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text() + "x")
    assert main(["--check", str(path)]) == 1


def _sections(section: type[Section]) -> list[type[Section]]:
    found = [section]
    for field in section.model_fields.values():
        inner = section_in(field.annotation)
        if inner is not None:
            found += _sections(inner)
    return found
