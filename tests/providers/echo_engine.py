"""An engine for the pool's tests: its final is the number of bytes it was given."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from asr_hub.errors import ConfigError
from asr_hub.providers.worker_messages import Begin, Heard


class EchoEngine:
    version = "echo 1"

    def __init__(self) -> None:
        self._bytes = 0

    def begin(self, begin: Begin) -> None:
        self._bytes = 0

    def hear(self, pcm: bytes) -> Iterable[Heard]:
        if pcm == b"raise":
            raise ValueError("told to raise")
        self._bytes += len(pcm)
        return ()

    def end(self) -> Iterable[Heard]:
        return (Heard(text=str(self._bytes), end=0, is_final=True),)


def load(settings: dict[str, Any]) -> EchoEngine:
    match settings.get("fault"):
        case "config":
            raise ConfigError("a setting is wrong")
        case "raise":
            raise OSError("no weights")
        case "exit":
            print("last words", file=sys.stderr, flush=True)
            os._exit(3)
    return EchoEngine()
