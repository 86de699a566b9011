"""What was asked for, and why it can be refused."""

from __future__ import annotations

from pathlib import Path

import msgspec

MAKES = ("whisper", "vosk", "paraformer", "paraformer-streaming", "sensevoice")


class Order(msgspec.Struct, frozen=True):
    """What was asked for on the command line."""

    out: Path
    work: Path
    only: tuple[str, ...]
    budget: float | None
    steps: int | None
    utterances: int
    copies: int
    seed: int


class Refused(Exception):
    """What was asked for cannot be done; the message says what to do."""
