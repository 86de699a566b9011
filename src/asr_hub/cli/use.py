"""`asr-hub use`: which engine listens, written into the configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape

from asr_hub.cli.refusal import refused
from asr_hub.config import edit
from asr_hub.config.loader import parse
from asr_hub.config.schema import Config, Provider
from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers import registry
from asr_hub.providers.settings import suggestion


def use(
    provider: Annotated[str, typer.Argument(help="A provider of the file, a kind of engine, or auto.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The YAML file to change; made where there is none.")
    ] = Path("hub.yaml"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model: a name or a folder.")] = None,
) -> None:
    """Choose the engine that listens. Nothing else in the file changes: comments, order and quotes stay."""
    with refused():
        done = change(config, provider, model)
    console = Console(highlight=False, soft_wrap=True)
    of_kind = f", the one of kind {provider}" if done.name != provider else ""
    console.print(f"[green]OK[/] {escape(f'{config}: provider {done.name}{of_kind}')}")
    if done.missing:
        console.print(f"[yellow]missing[/] {escape(done.missing)}")
    console.print(f"Next: asr-hub serve --config {escape(shlex.quote(str(config)))}")


class Change(NamedTuple):
    """What a configuration file came to say."""

    name: str
    """The provider that listens: an entry of `providers`, or `auto`."""
    missing: str
    """What it lacks to run on this machine, with the remedy, or nothing."""


def change(path: Path, provider: str, model: str | None = None) -> Change:
    """
    Make `provider` the one of the configuration file: an entry, or a kind, whose only entry is then taken.

    Raises ConfigError, and leaves the file as it is, for a provider that is not known, a file that cannot be changed,
    and where the result would be no configuration.
    """
    if provider == "auto" and model:
        raise ConfigError("--model needs a provider: `auto` chooses one itself")
    before = edit.read(path)
    text = before if before is not None else edit.HEADER.replace("FILE", path.name)
    try:
        name, kind = _entry(text, provider)
    except ConfigError as exc:
        lead = f"there is no such file yet, and a new one would say nothing of {provider!r}; " if before is None else ""
        raise ConfigError(f"{path}: {lead}{exc}") from exc
    unnamed = registry.missing_model(kind, {}) if kind is not None and model is None else None
    if unnamed:
        raise ConfigError(unnamed)
    try:
        text = edit.use_provider(text, name, kind=kind, model=model)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    try:
        config = parse(text, str(path))
        missing = _missing(config, name)
    except ConfigError as exc:
        state = "is as it was" if before is not None else "is not made"
        raise ConfigError(f"{exc}\n{path} {state}") from exc
    edit.replace(path, text)
    return Change(name, missing)


def _entry(text: str, provider: str) -> tuple[str, str | None]:
    """The entry of `providers` that is meant, and its kind where it is to be made."""
    if provider == "auto" or edit.has_entry(text, provider):
        return provider, None
    entries = _entries(text)
    if provider not in registry.kinds():
        known = {"auto", *entries, *registry.kinds()}
        raise ConfigError(
            f"`providers` has no entry {provider!r}, and no kind of engine is called so; {suggestion(provider, known)}"
        )
    of_kind = [name for name, entry in entries.items() if entry.kind == provider]
    return (of_kind[0], None) if len(of_kind) == 1 else (provider, provider)


def _entries(text: str) -> Mapping[str, Provider]:
    """The providers of a configuration, whichever of them it names as its own."""
    try:
        return parse(edit.use_provider(text, "auto"), "").providers
    except ConfigError:
        # What is wrong is told where the changed text is read, with its place.
        return {}


def _missing(config: Config, provider: str) -> str:
    """What the provider lacks here. Raises ConfigError where its settings are wrong."""
    entry = config.providers.get(provider)
    if entry is None:
        return ""
    try:
        registry.load(entry.kind, provider, entry.settings)
        return registry.missing_weights(entry.kind, entry.settings) or ""
    except ProviderUnavailable as exc:
        return str(exc)
