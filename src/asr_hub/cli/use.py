"""`asr-hub use`: which engine listens, written into the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from asr_hub.cli.refusal import refused
from asr_hub.config import edit
from asr_hub.config.loader import parse
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers import registry


def use(
    provider: Annotated[str, typer.Argument(help="A provider of the file, a kind of engine, or auto.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The YAML file to change; made where there is none.")
    ] = Path("hub.yaml"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model: a name or a folder.")] = None,
) -> None:
    """Choose the engine that listens. Nothing else in the file changes: comments, order and quotes stay."""
    with refused():
        missing = change(config, provider, model)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[green]OK[/] {escape(str(config))}: provider {escape(provider)}")
    if missing:
        console.print(f"[yellow]missing[/] {escape(missing)}")


def change(path: Path, provider: str, model: str | None = None) -> str:
    """
    Make `provider` the one of the configuration file, and give what is missing for it to run, or nothing.

    Raises ConfigError, and leaves the file as it is, for a provider that is not known, a file that cannot be changed,
    and where the result would be no configuration.
    """
    if provider == "auto" and model:
        raise ConfigError("--model needs a provider: `auto` chooses one itself")
    before = edit.read(path)
    try:
        text = _edited(before if before is not None else edit.HEADER.replace("FILE", path.name), provider, model)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    try:
        config = parse(text, str(path))
        missing = _missing(config, provider)
    except ConfigError as exc:
        state = "is as it was" if before is not None else "is not made"
        raise ConfigError(f"{exc}\n{path} {state}") from exc
    edit.replace(path, text)
    return missing


def _edited(text: str, provider: str, model: str | None) -> str:
    kind = None
    if provider != "auto" and not edit.has_entry(text, provider):
        if provider not in registry.kinds():
            raise ConfigError(
                f"`providers` has no entry {provider!r}, and no kind of engine is called so; "
                f"there are: auto, {', '.join(sorted(registry.kinds()))}"
            )
        kind = provider
    return edit.use_provider(text, provider, kind=kind, model=model)


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
