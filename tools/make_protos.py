"""
Writes the Python code of protos/ into src/.

`python tools/make_protos.py` writes it; with `--check` it only says, by its exit status, whether the files are as they
would be written. It takes the grpcio-tools that constraints.txt pins: another one may write another style.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROTO = "asr_hub/v1/asr_hub.proto"

OLDEST_GRPC = "1.71.0"
OLDEST_PROTOBUF = (5, 29, 0)
"""
The oldest runtimes that the written code is good for, and that pyproject.toml allows.

protoc stamps its own version on what it writes, and the code then refuses an older runtime. From these versions on
nothing but the stamp differs, so the stamp says these.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 where `--check` finds a file to be another."""
    parser = argparse.ArgumentParser(prog="python tools/make_protos.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "src", help="where the package asr_hub lies")
    options = parser.parse_args(arguments)
    stale = [name for name, text in sorted(written().items()) if _keep(options.folder / name, text, options.check)]
    for name in stale:
        sys.stderr.write(f"{name} is out of date; run: python tools/make_protos.py\n")
    return 1 if stale else 0


def written() -> dict[str, str]:
    """What protoc writes, by the path below src/."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "pyi")]
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", *outputs, PROTO]
        subprocess.run(command, check=True, cwd=ROOT)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): restamped(path.read_text(encoding="utf-8")) for path in files}


def restamped(code: str) -> str:
    """Generated code that takes the oldest runtimes."""
    major, minor, patch = OLDEST_PROTOBUF
    code = re.sub(r"(?<=# Protobuf Python Version: )[\d.]+", f"{major}.{minor}.{patch}", code)
    code = re.sub(r"(Domain\.PUBLIC,\s+)\d+(,\s+)\d+(,\s+)\d+", rf"\g<1>{major}\g<2>{minor}\g<3>{patch}", code)
    return re.sub(r"(?<=GRPC_GENERATED_VERSION = ')[\d.]+", OLDEST_GRPC, code)


def _keep(path: Path, text: str, is_check: bool) -> bool:
    """Write the file, or say whether it is out of date."""
    if is_check:
        return not path.is_file() or path.read_text(encoding="utf-8") != text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return False


if __name__ == "__main__":
    raise SystemExit(main())
