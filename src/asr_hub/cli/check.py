"""`asr-hub check`: would a hub start with these files?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from asr_hub.access.certificate import certificate_of
from asr_hub.access.entrance import check_access
from asr_hub.access.exposure import exposure
from asr_hub.config import schema
from asr_hub.config.loader import load
from asr_hub.errors import ConfigError, HubError
from asr_hub.hub.correcting import settled
from asr_hub.providers import registry, speakers
from asr_hub.providers.base import Provider
from asr_hub.providers.policy import stay_inside
from asr_hub.recordings.redaction import hook_of


def check(configs: Annotated[list[Path], typer.Argument(help="YAML files.", metavar="CONFIG...")]) -> None:
    """
    Check configuration files: keys, values, variables, engines and their settings. Starts nothing.

    error: what keeps a hub from running with the file. Status 1.

    missing: weights that are not here. The hub starts and tries again: the status stays 0.

    open: the hub would let everybody in who can reach it. The status stays 0.
    """
    console = Console(soft_wrap=True, highlight=False)
    is_good = True
    for path in configs:
        problems = problems_of(path)
        is_good = is_good and not problems
        if not problems:
            console.print(f"[green]OK[/] {escape(str(path))}")
        for problem in problems:
            console.print(f"[bold red]error[/] {escape(problem)}")
        for name, lack in missing_weights(path).items():
            console.print(f"[yellow]missing[/] {escape(f'{path}: providers.{name}: {lack}')}")
        if (warning := exposure_of(path)) is not None:
            console.print(f"[bold yellow]open[/] {escape(f'{path}: {warning}')}")
    if not is_good:
        raise typer.Exit(1)


def problems_of(path: Path | None) -> list[str]:
    """What keeps the configuration, or the default one, from running here: one line each, with the remedy."""
    try:
        config = load(path)
    except ConfigError as exc:
        return str(exc).splitlines()
    place = f"{path}: " if path else ""
    problems = (
        *_access_problems(config),
        *_engine_problems(config),
        *_correction_problems(config),
        *_speaker_problems(config),
        *_recorder_problems(config),
    )
    return [f"{place}{problem}" for problem in problems]


def exposure_of(path: Path | None) -> str | None:
    """That a hub with this configuration would let everybody in, where it would."""
    try:
        return exposure(load(path))
    except ConfigError:
        return None


def missing_weights(path: Path | None) -> dict[str, str]:
    """What is not here of the weights of each provider of a configuration, by its name, with the remedy."""
    try:
        config = load(path)
    except ConfigError:
        return {}
    lacks = {name: _lack(name, entry) for name, entry in config.providers.items()}
    return {name: lack for name, lack in lacks.items() if lack}


def _lack(name: str, entry: schema.Provider) -> str | None:
    try:
        registry.load(entry.kind, name, entry.settings)
        return registry.missing_weights(entry.kind, entry.settings)
    except HubError:
        # Told as a problem: weights are looked for by settings that are right.
        return None


def _access_problems(config: schema.Config) -> list[str]:
    server = config.server
    return [*_told(lambda: check_access(config.access)), *_told(lambda: certificate_of(server.tls, server.host))]


def _engine_problems(config: schema.Config) -> list[str]:
    problems = []
    providers: dict[str, Provider] = {}
    entries = {name: registry.Entry(it.kind, it.settings) for name, it in config.providers.items()}
    if config.policy == "local":
        try:
            stay_inside(entries)
        except HubError as exc:
            problems.append(str(exc))
    for name, entry in config.providers.items():
        try:
            providers[name] = registry.load(entry.kind, name, entry.settings)
        except HubError as exc:
            where = f"providers.{name}"
            problems.append(str(exc) if str(exc).startswith(where) else f"{where}: {exc}")
    if config.provider == "auto":
        try:
            name, _ = registry.resolve_auto(entries)
            if not config.providers:
                registry.load(name, name, {})
        except HubError as exc:
            problems.append(f"provider: {exc}")
    spotter = providers.get(config.wake_word.provider) if config.wake_word else None
    if spotter is not None and not spotter.capabilities.wake_words:
        problems.append(f"wake_word.provider: {spotter.name!r} cannot spot phrases; name one that can")
    return problems


def _speaker_problems(config: schema.Config) -> list[str]:
    wanted = config.recognition.speakers
    if wanted is None:
        return []
    try:
        why = speakers.missing_weights("sherpa-onnx", {"model": wanted.model})
    except HubError as exc:
        why = str(exc)
    return [why if why.startswith("recognition.speakers") else f"recognition.speakers: {why}"] if why else []


def _correction_problems(config: schema.Config) -> list[str]:
    corrected = config.recognition.passes.corrected
    return [] if corrected is None else _told(lambda: settled(corrected, policy=config.policy))


def _recorder_problems(config: schema.Config) -> list[str]:
    return _told(lambda: hook_of(config.recorder.redact))


def _told(check: Callable[[], object]) -> list[str]:
    """What a hub would refuse to start for."""
    try:
        check()
    except ConfigError as exc:
        return [str(exc)]
    return []
