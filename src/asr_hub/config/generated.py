"""A page that is written from the code, and checked to be what the code says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def keep(module: str, path: Path, text: str, arguments: Sequence[str] | None, *, about: str | None) -> int:
    """
    The command `python -m MODULE [--check] [PATH]`: writes `text`, or compares it with what is there.

    Gives the exit status: 1 where `--check` finds another text.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is out of date")
    parser.add_argument("path", nargs="?", type=Path, default=path)
    options = parser.parse_args(arguments)
    there: Path = options.path
    if not options.check:
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text, encoding="utf-8")
        return 0
    if there.is_file() and there.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{there} is out of date; run: python -m {module}\n")
    return 1
