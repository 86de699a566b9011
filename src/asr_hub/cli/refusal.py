"""An error of ours becomes one line and exit status 2, not a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from asr_hub.errors import HubError


@contextmanager
def refused() -> Iterator[None]:
    """Print a HubError raised inside and leave with status 2. Its code is for programs and stays out."""
    try:
        yield
    except HubError as exc:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(exc))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
