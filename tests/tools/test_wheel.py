"""The wheel brings the web client along."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from asr_hub.protocols.site import WEB, is_built

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not is_built(), reason="the web client is not built: `make web`")
def test_the_wheel_holds_the_page_as_it_was_built(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if name.startswith("asr_hub/web/")}
        built = {f"asr_hub/web/{path.relative_to(WEB).as_posix()}" for path in WEB.rglob("*") if path.is_file()}
        assert inside == built
        assert packed.read("asr_hub/web/index.html") == (WEB / "index.html").read_bytes()
