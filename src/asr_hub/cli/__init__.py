"""The command line: `asr-hub`."""

from __future__ import annotations

from asr_hub.cli.main import app

__all__ = ["app"]
