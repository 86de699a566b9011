"""`asr-hub models`: weights for the engines, fetched, checked and removed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from asr_hub.cli.refusal import refused
from asr_hub.errors import ConfigError, NotFound, ProviderUnavailable
from asr_hub.models import download, sources
from asr_hub.models.catalogue import Model, catalogue, wanted
from asr_hub.models.folder import by_hand, models_folder, place
from asr_hub.models.installed import Installed, faults, installed, one, remove
from asr_hub.models.sources import Plan

app = typer.Typer(no_args_is_help=True, help="Weights for the engines: list, pull, path, verify, rm.")

Name = Annotated[str, typer.Argument(help="A name or alias of the list, or hf:OWNER/REPO[@REVISION].")]
Engine = Annotated[str | None, typer.Option("--engine", "-e", help="The engine that the model is for.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


ROOM_FOR_ABOUT = 120
"""Columns of a terminal from which on the list says what each model is."""


class Row(msgspec.Struct, frozen=True):
    """A model in the list."""

    name: str
    engine: str
    size: int
    """Bytes"""
    languages: str
    licence: str
    about: str
    is_here: bool
    path: str
    """Where it is or would be."""
    aliases: tuple[str, ...] = ()


@app.command("list")
def list_models(
    engine: Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show the models that can be fetched, and those that are here."""
    with refused():
        rows = [row for row in _rows() if engine in (None, row.engine)]
    if as_json:
        encoded = msgspec.json.encode({"folder": str(models_folder()), "models": rows})
        typer.echo(msgspec.json.format(encoded, indent=2).decode())
        return
    # Soft wrap: a name that is cut cannot be copied into `pull`.
    console = Console(highlight=False, soft_wrap=True)
    is_wide = not console.is_terminal or console.width >= ROOM_FOR_ABOUT
    for name in dict.fromkeys(row.engine for row in rows):
        console.print(f"[bold]{escape(name)}[/]")
        for line in _lines([row for row in rows if row.engine == name], with_about=is_wide):
            console.print(line)
        console.print()
    console.print(f"Models live in {escape(str(models_folder()))}")


@app.command()
def pull(name: Name, engine: Engine = None, yes: Yes = False) -> None:
    """Fetch a model. A pull that was cut short continues where it was."""
    with refused():
        model = wanted(name, engine)
        target = place(model.engine, model.name)
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        if target.is_dir():
            console.print(f"{escape(model.name)} is here already; `asr-hub models verify` checks it")
        else:
            if not _can_ask(yes):
                _show_listed(model, console)
            _may_ask(yes, f"pull {name}")
            _fetch(model, yes, console)
            if model.is_recogniser:
                console.print(f"[green]OK[/] use it: asr-hub use {model.engine} --model {escape(_spoken(model))}")
        typer.echo(str(target))


@app.command()
def path(name: Name, engine: Engine = None) -> None:
    """Print the folder of a model that is here."""
    with refused():
        typer.echo(str(one(name, engine).path))


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="A model; without it, all that are here.")] = None,
    engine: Engine = None,
) -> None:
    """Compute the checksums of a model's files again. Status 1 if a file is missing or not what it was."""
    console = Console(highlight=False, soft_wrap=True)
    is_good = True
    with refused():
        places = [one(name, engine)] if name else [found for found in installed() if engine in (None, found.engine)]
        if not places:
            console.print("no models here")
        for found in places:
            is_good = _verify(found, console) and is_good
    if not is_good:
        raise typer.Exit(1)


@app.command()
def rm(name: Name, engine: Engine = None, yes: Yes = False) -> None:
    """Remove a model from this machine."""
    with refused():
        found = one(name, engine)
        _may_ask(yes, f"rm {name}")
        if not yes and not typer.confirm(f"Remove {found.path} ({_human(found.size)})?", err=True):
            raise typer.Exit(1)
        remove(found)


def _spoken(model: Model) -> str:
    """The model as a configuration names it."""
    return model.source if model not in catalogue().models else model.name


def _rows() -> list[Row]:
    here = {(found.engine, found.name): found for found in installed()}
    rows = []
    for model in catalogue().models:
        found = here.pop((model.engine, model.name), None)
        target = place(model.engine, model.name)
        rows.append(
            Row(
                name=model.name,
                engine=model.engine,
                size=found.size if found else model.size,
                languages=model.languages,
                licence=model.licence,
                about=model.about,
                is_here=found is not None,
                path=str(target),
                aliases=model.aliases,
            )
        )
    return rows + [_own_row(found) for found in here.values()]


def _own_row(found: Installed) -> Row:
    listed = found.manifest
    return Row(
        name=found.name,
        engine=found.engine,
        size=found.size,
        languages="",
        licence=listed.licence if listed else "",
        about=f"from {listed.source}" if listed else "put here by hand",
        is_here=True,
        path=str(found.path),
    )


def _lines(rows: Sequence[Row], *, with_about: bool) -> Iterator[Text]:
    """The models of one engine, a line for each, in columns."""
    cells = [
        (f"{row.name} ({', '.join(row.aliases)})" if row.aliases else row.name, _human(row.size), row.languages)
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row, (name, size, languages) in zip(rows, cells, strict=True):
        line = Text(f"  {name:<{widths[0]}}  {size:>{widths[1]}}  {languages:<{widths[2]}}  {row.licence}")
        if row.is_here:
            line.append("  [installed]", "green")
        if with_about and row.about:
            line.append(f"  {row.about}", "dim")
        line.rstrip()
        yield line


def _fetch(model: Model, yes: bool, console: Console) -> None:
    try:
        with sources.web() as client:
            plan = sources.resolve(model, client)
            _show(plan, console)
            if not yes and not typer.confirm("Fetch it?", err=True):
                raise typer.Exit(1)
            with _progress(console) as progress:
                task = progress.add_task(model.name, total=plan.size)
                download.fetch(
                    plan,
                    client,
                    lambda done, total, path: progress.update(
                        task, completed=done, total=total, description=escape(path)
                    ),
                )
    except ProviderUnavailable as exc:
        hint = by_hand(model, place(model.engine, model.name))
        raise ProviderUnavailable(f"{exc}. If this machine has no network: {hint}") from exc


def _show(plan: Plan, console: Console) -> None:
    model = plan.model
    lines = {
        "model": model.name,
        "engine": model.engine,
        "from": f"{model.source} ({plan.revision[:12]})",
        "size": f"{_human(plan.size)} in {len(plan.files)} file{'s' if len(plan.files) > 1 else ''}",
        "licence": f"{plan.licence}, see {model.page}",
        "to": str(place(model.engine, model.name)),
    }
    for key, value in lines.items():
        console.print(f"[dim]{key:>8}[/]  {escape(value)}")


def _show_listed(model: Model, console: Console) -> None:
    """What is known of a model before its source is asked."""
    size = _human(model.size) if model.size else "size on its page"
    console.print(f"{escape(model.name)}: {size}, licence: {escape(model.licence)}, see {model.page}")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        # In a pipe a bar is noise.
        disable=not console.is_terminal,
    )


def _verify(found: Installed, console: Console) -> bool:
    try:
        wrong = list(faults(found))
    except NotFound as exc:
        console.print(f"[yellow]unknown[/] {escape(str(exc))}")
        return True
    for fault in wrong:
        console.print(f"[bold red]wrong[/] {escape(f'{found.name}: {fault}')}")
    if wrong:
        again = f"asr-hub models rm {found.name} -e {found.engine} -y, then asr-hub models pull"
        console.print(f"  mend it: {escape(again)}")
    else:
        console.print(f"[green]OK[/] {escape(found.name)}")
    return not wrong


def _can_ask(yes: bool) -> bool:
    return yes or (sys.stdin.isatty() and sys.stderr.isatty())


def _may_ask(yes: bool, command: str) -> None:
    if not _can_ask(yes):
        raise ConfigError(f"nobody is here to be asked: asr-hub models {command} --yes")


def _human(size: int) -> str:
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
