"""The hub as a process of its own, with keys, and the dialects that the frameworks speak."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from utterances import WORDS

ROOT = Path(__file__).parents[2]

KEY = f"ah_0123456789ab_{'a' * 43}"
"""The one key that the hub lets in."""


class Hub(NamedTuple):
    """A hub that serves."""

    url: str
    """`http://127.0.0.1:…`"""
    riva: str
    """`127.0.0.1:…`"""


@contextlib.contextmanager
def hub(folder: Path) -> Iterator[Hub]:
    """`asr-hub serve`, until the block is left: that of the repository, or what `ASR_HUB` names."""
    settings = folder / "hub.yaml"
    settings.write_text(json.dumps(_settings()))
    command = os.environ.get("ASR_HUB", str(ROOT / ".venv" / "bin" / "asr-hub"))
    log = folder / "hub.log"
    with (
        log.open("wb") as kept,
        subprocess.Popen(
            [command, "serve", "--config", str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_DATA_HOME": str(folder)},
        ) as process,
    ):
        assert process.stderr is not None
        try:
            serving = _serving(process.stderr)
            # Who does not read stops the hub when the pipe is full.
            reading = Thread(target=shutil.copyfileobj, args=(process.stderr, kept))
            reading.start()
            yield serving
        finally:
            process.terminate()
        reading.join()
        assert process.wait() == 0, log.read_text()


def _settings() -> dict[str, object]:
    scripted = {"kind": "scripted", "settings": {"transcript": WORDS}}
    key = {"id": KEY.split("_")[1], "hash": hashlib.sha256(KEY.encode()).hexdigest(), "scopes": ["speak"]}
    return {
        "provider": "scripted",
        "providers": {"scripted": scripted},
        "server": {"port": 0},
        "audio": {"vad": "light", "tick_ms": 10},
        "access": {"keys": {"assistant": key}},
        "dialects": {"riva": {"port": 0}},
        "logging": {"format": "json"},
    }


def _serving(lines: Iterable[bytes]) -> Hub:
    told: list[bytes] = []
    riva = 0
    for line in lines:
        told.append(line)
        if not line.startswith(b"{"):
            continue
        match json.loads(line):
            case {"event": "dialect.serving", "dialect": "riva", "port": int(port)}:
                riva = port
            case {"event": "hub.serving", "url": str(url)}:
                return Hub(url, f"127.0.0.1:{riva}")
    raise AssertionError(f"the hub ended before it served: {b''.join(told).decode()}")
