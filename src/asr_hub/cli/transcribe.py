"""`asr-hub transcribe`: audio files become text, through a hub inside this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from asr_hub import app
from asr_hub.audio.files import Probe, decode, probe
from asr_hub.cli.loop import run
from asr_hub.cli.refusal import refused
from asr_hub.config import schema
from asr_hub.config.loader import load
from asr_hub.errors import ConfigError, HubError
from asr_hub.model import HUB_RATE, AudioFormat, Hypothesis
from asr_hub.protocols.port import AttachmentPort, HubPort
from asr_hub.providers import registry
from asr_hub.providers.settings import suggestion
from asr_hub.telemetry import logs
from asr_hub.text.formats import Format, Transcript, render
from asr_hub.wire import messages as wire

TELEPHONE_RATE = 8_000
"""Hertz. A file at this rate is not resampled here: an engine may prefer it so."""


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
        heard = run(_transcribe(settings, files, wish, min(jobs, settings.sessions.max_sessions)))
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
    with _progress() as progress:
        async with app.running_hub(config) as hub:

            async def one(file: Path) -> Outcome:
                async with turns:
                    return await _File(hub, file, wish, progress).transcribe()

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(file), name=f"transcribe {file}") for file in files]
            return [task.result() for task in tasks]


class _File:
    """One file on its way through one session."""

    def __init__(self, hub: HubPort, path: Path, wish: _Wish, progress: Progress) -> None:
        self._hub = hub
        self._path = path
        self._wish = wish
        self._progress = progress
        self._bar = progress.add_task(escape(path.name), total=None, text="")
        self._room = asyncio.Event()
        self._news = asyncio.Event()
        self._outcome = Outcome()
        self._provider = ""
        self._samples = 0
        self._readings: dict[int, Hypothesis] = {}

    async def transcribe(self) -> Outcome:
        """Never raises a HubError or an OSError: they are problems of this file alone."""
        with self._noted():
            facts = probe(self._path)
            rate = TELEPHONE_RATE if facts.rate == TELEPHONE_RATE else HUB_RATE
            port = self._open(rate)
            try:
                await self._through(port, facts, rate)
            finally:
                port.detach()
            if self._samples:
                self._outcome.transcript = self._transcript(rate)
        return self._outcome

    def _open(self, rate: int) -> AttachmentPort:
        start = wire.Start(
            format=AudioFormat(sample_rate=rate), language=self._wish.language, hotwords=self._wish.hotwords
        )
        return self._hub.open(start, protocol="cli", on_messages=self._news.set, on_room=self._room.set)

    async def _through(self, port: AttachmentPort, facts: Probe, rate: int) -> None:
        self._progress.update(self._bar, total=facts.seconds)
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed(port, rate), name=f"feed {self._path}")
            with self._noted():
                await self._listen(port, rate)
            # A session may end before its audio does, and then gives no more room.
            feeding.cancel()

    async def _feed(self, port: AttachmentPort, rate: int) -> None:
        # Half a second of audio is decoded in about a millisecond: not worth a thread.
        with self._noted(), contextlib.closing(_decode(self._path, rate)) as frames:
            for pcm in frames:
                self._room.clear()
                has_room = port.push(pcm)
                self._samples += len(pcm) // 2
                if not has_room:
                    await self._room.wait()
        # A file that breaks off is closed too: what was heard until then is worth having.
        with self._noted():
            if not port.is_over:
                port.close()

    async def _listen(self, port: AttachmentPort, rate: int) -> None:
        while not port.is_over:
            await self._news.wait()
            self._news.clear()
            for data in port.read():
                self._take(_DECODER.decode(data), rate)

    def _take(self, message: wire.AnyServerMessage, rate: int) -> None:
        match message:
            case wire.Ready():
                self._provider = message.provider
            case wire.AudioAck() | wire.Closed():
                self._progress.update(self._bar, completed=message.audio_offset / rate)
            case wire.Partial():
                self._progress.update(self._bar, text=escape(message.hypothesis.text[-40:]))
            case wire.Final() | wire.Revision():
                self._readings[message.utterance] = message.hypothesis
                self._progress.update(self._bar, text=escape(message.hypothesis.text[-40:]))
            case wire.Error():
                self._outcome.problems.append(f"{message.code}: {message.message}")
            case wire.Warning():
                self._outcome.warnings.append(f"{message.code}: {message.message}")
            case _:
                pass

    def _transcript(self, rate: int) -> Transcript:
        hypotheses = tuple(hypothesis for _, hypothesis in sorted(self._readings.items()))
        heard = next((each.language for each in hypotheses if each.language), None)
        return Transcript(
            source=self._path.name,
            provider=self._provider,
            language=self._wish.language or heard,
            duration_ms=self._samples * 1000 // rate,
            hypotheses=hypotheses,
        )

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except HubError as exc:
            self._outcome.problems.append(f"{exc.code}: {exc}")
        except OSError as exc:
            self._outcome.problems.append(f"not-found: cannot be read: {exc.strerror}")


_DECODER: msgspec.json.Decoder[wire.AnyServerMessage] = msgspec.json.Decoder(wire.AnyServerMessage)


def _decode(path: Path, rate: int) -> Generator[bytes, None, None]:
    for frame in decode(path, rate):
        yield frame.pcm


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
