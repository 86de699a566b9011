"""`asr-hub certificate`: a certificate that vouches for itself, to be kept, copied to clients and trusted there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr_hub.access.certificate import LIFETIME, self_signed, write_private
from asr_hub.cli.refusal import refused
from asr_hub.errors import ConfigError


def certificate(
    folder: Annotated[Path, typer.Argument(help="Where certificate.pem and key.pem are to be.")],
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address of the hub. May be given more than once.")
    ] = None,
) -> None:
    """Make a certificate for this machine and these hosts, and its key. Nothing that is there is overwritten."""
    public, private = folder / "certificate.pem", folder / "key.pem"
    with refused():
        pair = self_signed(host or ())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_private(private, pair.key)
            public.write_bytes(pair.certificate)
        except FileExistsError:
            raise ConfigError(f"{private} is there already; remove it, or name another folder") from None
        except OSError as exc:
            raise ConfigError(f"{folder} cannot be written to: {exc.strerror}; name another folder") from None
    typer.echo(f"{public}: for clients, to be trusted; good for {LIFETIME.days} days\n{private}: for the hub only")
    typer.echo(f"SHA-256 {pair.fingerprint}")
    typer.echo(f"Next: asr-hub serve --tls {public} --tls-key {private}")
