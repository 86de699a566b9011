"""`asr-hub keys`: API keys, made here and kept by their owners; the configuration holds their hashes."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from asr_hub.access.entrance import Entrance
from asr_hub.access.grant import Grant, Scope
from asr_hub.access.keys import new_key
from asr_hub.cli.refusal import refused
from asr_hub.config.loader import load
from asr_hub.config.schema import Access, Key
from asr_hub.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="API keys: new, check.")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is: it stands in logs, and is no secret.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="May be given more than once. [default: speak, watch]")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="How long it is good for. [default: always]")] = None,
    sessions: Annotated[int | None, typer.Option(min=1, help="At the same time.")] = None,
    audio: Annotated[float | None, typer.Option(min=1, help="Seconds of audio per hour.")] = None,
    requests: Annotated[float | None, typer.Option(min=0.001, help="Requests per minute.")] = None,
) -> None:
    """Make a key. It is printed once, to stdout; the lines for the configuration go to stderr."""
    with refused():
        key = new_key()
        entry: dict[str, object] = {"id": key.id, "hash": key.sha256}
        entry["scopes"] = [one.value for one in scope or (Scope.SPEAK, Scope.WATCH)]
        if days is not None:
            entry["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        limits = {"sessions": sessions, "audio_s_per_hour": audio, "requests_per_minute": requests}
        entry |= {limit: value for limit, value in limits.items() if value is not None}
        _check(name, entry)
    typer.echo("The key. It is shown this once, and nobody can read it out of the configuration:", err=True)
    typer.echo(key.secret)
    typer.echo(f"\nFor the configuration:\n\n{_lines(name, entry)}", err=True)


@app.command("check")
def check(
    config: Annotated[Path, typer.Option("--config", "-c", help="The YAML file that a hub runs with.")],
) -> None:
    """Read a key or token from stdin, and say what a hub with this configuration would let it do."""
    secret = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    with refused():
        access = load(config).access
        if not access.is_on:
            raise ConfigError(f"{config}: asks for no key: everybody may do everything; see `access.required`")
        grant = Entrance(access, tell=lambda code, protocol, times: None).admit(secret.strip(), "cli")
    typer.echo(_said(grant))


def _check(name: str, entry: dict[str, object]) -> None:
    """Raises ConfigError."""
    try:
        Access(keys={name: Key.model_validate(entry)})
    except ValidationError as exc:
        raise ConfigError(exc.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _lines(name: str, entry: dict[str, object]) -> str:
    """YAML, with quotes around what else might be taken for a number."""
    plain = name if name.isidentifier() and yaml.safe_load(name) == name else json.dumps(name, ensure_ascii=False)
    fields = "".join(f"      {field}: {json.dumps(value)}\n" for field, value in entry.items())
    return f"access:\n  keys:\n    {plain}:\n{fields}"


def _said(grant: Grant) -> str:
    limits = grant.allowance
    lines = [f"good: {grant.name}", f"may: {', '.join(sorted(grant.scopes)) or 'nothing'}"]
    if grant.session is not None:
        lines.append(f"for the session {grant.session[:6]}…")
    if grant.expires_at is not None:
        lines.append(f"until: {datetime.fromtimestamp(grant.expires_at, tz=UTC):%Y-%m-%dT%H:%M:%SZ}")
    for what, value in (
        ("sessions at a time", limits.sessions),
        ("seconds of audio per hour", limits.audio_s_per_hour),
        ("requests per minute", limits.requests_per_minute),
    ):
        if value is not None:
            lines.append(f"{what}: {value:g}")
    return "\n".join(lines)
