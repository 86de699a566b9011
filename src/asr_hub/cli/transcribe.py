"""`asr-hub transcribe`: audio files become text, through a hub inside this process."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from asr_hub import app
from asr_hub.cli.loop import run
from asr_hub.cli.refusal import refused
from asr_hub.config import schema
from asr_hub.config.loader import load
from asr_hub.errors import ConfigError, HubError
from asr_hub.hub.hub import Hub
from asr_hub.hub.segments import Segments
from asr_hub.jobs.cutting import CutterSettings, FileCutter
from asr_hub.jobs.job import Channels, Segment, Wish
from asr_hub.jobs.ports import Cut
from asr_hub.jobs.work import hear_all, result_of
from asr_hub.providers import registry
from asr_hub.providers.settings import suggestion
from asr_hub.telemetry import logs
from asr_hub.text.formats import Format, Transcript, render


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Audio or video files of any kind.", metavar="FILE...")],
    format: Annotated[
        list[Format] | None, typer.Option("--format", "-f", help="May be given several times; txt by default.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="A folder for one file per input and format, or - for stdout.")
    ] = "-",
    provider: Annotated[str | None, typer.Option(help="A provider of the configuration, or a kind of engine.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47, such as en or zh-TW.")] = None,
    hotwords: Annotated[
        list[str] | None, typer.Option(help="Words to prefer, by commas. May be given several times.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A YAML file; without it, the defaults.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Files at a time.", show_default="cores, 4 at most")
    ] = min(4, os.cpu_count() or 1),
) -> None:
    """Write down what is said in audio files. One that cannot be read does not stop the others."""
    formats = tuple(dict.fromkeys(format or [Format.TXT]))
    if output == "-" and len(formats) > 1:
        raise typer.BadParameter("several formats need a folder: --output DIR", param_hint="--output")
    with refused():
        settings = _for_files(load(config), provider)
        # What fails is told once for each file, when all are heard.
        logs.configure("error", settings.logging.format, settings.logging.transcripts)
        folder = None if output == "-" else _folder(Path(output))
        wish = _Wish(
            language, tuple(word for each in hotwords or () for word in map(str.strip, each.split(",")) if word)
        )
        heard = run(_transcribe(settings, files, wish, jobs))
        targets = None if folder is None else _targets(folder, files)
        for file, outcome in zip(files, heard, strict=True):
            if outcome.transcript is not None:
                _write(outcome.transcript, formats, targets[file] if targets else None)
    _report(files, heard)
    if any(outcome.problems for outcome in heard):
        raise typer.Exit(1)


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one file."""

    transcript: Transcript | None = None
    """Nothing where no audio could be read at all."""
    problems: list[str] = []
    """Why the transcript is missing or not whole."""
    warnings: list[str] = []


class _Wish(msgspec.Struct, frozen=True):
    language: str | None
    hotwords: tuple[str, ...]


async def _transcribe(config: schema.Config, files: Sequence[Path], wish: _Wish, jobs: int) -> list[Outcome]:
    turns = asyncio.Semaphore(jobs)
    settings = app.cutting_of(config)
    with _progress() as progress, TemporaryDirectory(prefix="asr-hub-") as spools:
        async with app.running_hub(config) as hub, FileCutter(settings, CutterSettings(processes=jobs)) as cutter:
            wanted = Wish(provider=hub.default, language=wish.language, hotwords=wish.hotwords)
            # Nobody else needs the engine here.
            hear = Segments(hub, at_once=lambda: _slots(hub))

            async def one(number: int, file: Path) -> Outcome:
                async with turns:
                    return await _File(file, wanted, hear, cutter, Path(spools) / str(number), progress).transcribe()

            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(one(number, file), name=f"transcribe {file}") for number, file in enumerate(files)
                ]
            return [task.result() for task in tasks]


def _slots(hub: Hub) -> int:
    try:
        return hub.engines.get(hub.default).capabilities.max_streams
    except HubError:
        return 1


class _File:
    """One file on its way."""

    def __init__(
        self, path: Path, wish: Wish, hear: Segments, cutter: FileCutter, spool: Path, progress: Progress
    ) -> None:
        self._path = path
        self._wish = wish
        self._hear = hear
        self._cutter = cutter
        self._spool = spool
        self._progress = progress
        self._bar = progress.add_task(escape(path.name), total=None, text="")
        self._outcome = Outcome()

    async def transcribe(self) -> Outcome:
        """Never raises a HubError or an OSError: they are problems of this file alone."""
        try:
            cut = await self._cutter.cut(self._path, self._spool, Channels.MIX, on_progress=self._decoded)
            self._outcome.problems += cut.warnings
            self._outcome.transcript = await self._heard(cut)
        except HubError as exc:
            self._fail(exc)
        except OSError as exc:
            self._outcome.problems.append(f"not-found: cannot be read: {exc.strerror}")
        finally:
            await asyncio.to_thread(shutil.rmtree, self._spool, ignore_errors=True)
        return self._outcome

    async def _heard(self, cut: Cut) -> Transcript:
        speech = sum(segment.end - segment.start for segment in cut.segments)
        self._progress.update(self._bar, total=speech, completed=0, text="")
        heard = await hear_all(cut, self._wish, "", self._hear, on_done=self._done, on_error=self._fail)
        duration_ms = cut.spool.samples * 1000 // cut.spool.rate
        result = result_of(duration_ms, heard, self._wish, rate=cut.spool.rate)
        self._outcome.warnings += result.warnings
        return Transcript(
            source=self._path.name,
            provider=self._wish.provider,
            language=result.language,
            duration_ms=result.duration_ms,
            hypotheses=result.hypotheses,
        )

    def _decoded(self, seconds: float) -> None:
        self._progress.update(self._bar, text=f"{seconds:.0f} s decoded")

    def _done(self, segment: Segment) -> None:
        self._progress.update(self._bar, advance=segment.end - segment.start)

    def _fail(self, exc: HubError) -> None:
        self._outcome.problems.append(f"{exc.code}: {exc}")


def _for_files(config: schema.Config, provider: str | None) -> schema.Config:
    """
    The configuration without what only a server needs: a wake word, which no file begins with, and the journal, which
    belongs to the hub that serves. Raises ConfigError for an unknown provider.
    """
    changes: dict[str, object] = {"wake_word": None, "journal": config.journal.model_copy(update={"path": None})}
    name = provider or config.provider
    if name != "auto":
        entry = config.providers.get(name)
        if entry is None and name in registry.kinds():
            entry = schema.Provider(kind=name)
        if entry is None:
            there = {*config.providers, *registry.kinds()}
            raise ConfigError(f"--provider {name}: there is no such provider; {suggestion(name, there)}")
        changes |= {"provider": name, "providers": {name: entry}}
    return config.model_copy(update=changes)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"--output {path}: cannot be made: {exc.strerror}; choose another folder") from None
    return path


def _targets(folder: Path, files: Sequence[Path]) -> dict[Path, Callable[[Format], Path]]:
    """Where each file's text goes: by its stem, or by its whole name where two inputs share the stem."""
    stems = [file.stem for file in dict.fromkeys(files)]

    def target(file: Path) -> Callable[[Format], Path]:
        name = file.stem if stems.count(file.stem) == 1 else file.name
        return lambda format: folder / f"{name}{format.suffix}"

    return {file: target(file) for file in files}


def _write(transcript: Transcript, formats: Sequence[Format], target: Callable[[Format], Path] | None) -> None:
    for format in formats:
        text = render(transcript, format)
        if target is None:
            typer.echo(text, nl=False)
            continue
        try:
            target(format).write_text(text, encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"--output: cannot write {target(format)}: {exc.strerror}") from None


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[text]}"),
        console=console,
        disable=not console.is_terminal,
    )


def _report(files: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    console = Console(stderr=True)
    for file, outcome in zip(files, outcomes, strict=True):
        for warning in dict.fromkeys(outcome.warnings):
            console.print(f"[yellow]{escape(str(file))}[/]: {escape(warning)}", highlight=False, soft_wrap=True)
        for problem in dict.fromkeys(outcome.problems):
            console.print(f"[bold red]{escape(str(file))}[/]: {escape(problem)}", highlight=False, soft_wrap=True)
