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
from asr_hub.config.schema import SELF_SIGNED, Config, Tls
from asr_hub.errors import ConfigError
from asr_hub.telemetry import logs


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A YAML file; without it, the defaults.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Overrides `server.host`.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Overrides `server.port`; 0 takes a free one.")
    ] = None,
    tls: Annotated[
        str | None,
        typer.Option(metavar="self-signed|CERT", help="Overrides `server.tls.certificate`: https and wss."),
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The key of CERT, where it is not in the same file.")
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is being said, and stop. SIGHUP reads the file again."""
    with refused():
        given = (("host", host), ("port", port), ("tls", _tls(tls, tls_key)))
        changes = {key: value for key, value in given if value is not None}
        settings = _read(config, changes)
        logs.configure(
            level=settings.logging.level, format=settings.logging.format, transcripts=settings.logging.transcripts
        )
        run(app.serve(settings, read=functools.partial(_read, config, changes) if config is not None else None))


def _tls(certificate: str | None, key: str | None) -> Tls | None:
    """Raises ConfigError."""
    if certificate is None:
        if key is not None:
            raise ConfigError("--tls-key belongs to --tls CERT; name the certificate too")
        return None
    if certificate == SELF_SIGNED and key is not None:
        raise ConfigError("--tls self-signed makes its own key; leave out --tls-key, or name a certificate")
    return Tls(certificate=certificate, key=key)


def _read(path: Path | None, changes: Mapping[str, str | int | Tls]) -> Config:
    """The file, with what the command line says of the server. Raises ConfigError."""
    settings = load(path)
    return settings.model_copy(update={"server": settings.server.model_copy(update=dict(changes))})
