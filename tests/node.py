"""Clients in JavaScript: their packages, installed once, and how to run them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parent / "js"


def packages(folder: Path = CLIENTS) -> Path:
    """The folder with its packages installed as its lock file says. Skips the test where there is no Node.js."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node.js here: its clients cannot be run")
    lock, mark = folder / "package-lock.json", folder / "node_modules" / ".installed"
    wanted = lock.read_text(encoding="utf-8")
    # Two runs of the tests at once would install into each other's half-written folder.
    with lock.open(encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not mark.is_file() or mark.read_text(encoding="utf-8") != wanted:
            subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder, check=True)
            mark.write_text(wanted, encoding="utf-8")
    return folder


async def node(script: str, *arguments: str, folder: Path = CLIENTS, seconds: float = 120, **environment: str) -> Any:
    """
    Run a script of `folder` with Node.js; the JSON of the last line it prints.

    Fails with what it wrote to stderr where it ends with another status than 0.
    """
    process = await asyncio.create_subprocess_exec(
        *("node", str(packages(folder) / script), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, err.decode(errors="replace")
    return json.loads(out.decode().strip().splitlines()[-1])
