"""`asr-hub serve`: the hub on its port, until it is told to stop."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from asr_hub import app
from asr_hub.cli.loop import run
from asr_hub.cli.refusal import refused
from asr_hub.config.loader import load
from asr_hub.config.schema import Config
from asr_hub.telemetry import logs


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A YAML file; without it, the defaults.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Overrides `server.host`.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Overrides `server.port`; 0 takes a free one.")
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is being said, and stop. SIGHUP reads the file again."""
    with refused():
        changes = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
        settings = _read(config, changes)
        logs.configure(
            level=settings.logging.level, format=settings.logging.format, transcripts=settings.logging.transcripts
        )
        run(app.serve(settings, read=functools.partial(_read, config, changes) if config is not None else None))


def _read(path: Path | None, changes: Mapping[str, str | int]) -> Config:
    """The file, with what the command line says of the server. Raises ConfigError."""
    settings = load(path)
    return settings.model_copy(update={"server": settings.server.model_copy(update=dict(changes))})
