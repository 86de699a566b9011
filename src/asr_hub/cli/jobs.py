"""`asr-hub jobs`: files for a running hub to hear. They are written down there and outlive this command and the hub."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import stat
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from asr_hub.cli.jobs_client import JobsClient, Patience, Query, Submitted, Task
from asr_hub.cli.loop import run
from asr_hub.cli.refusal import refused
from asr_hub.errors import ConfigError, HubError, TooLarge, UnsupportedAudio, unwrapped
from asr_hub.jobs.job import FIRST_PRIORITY, LAST_PRIORITY, USUAL_PRIORITY, Channels, JobState
from asr_hub.wire.jobs import JobProgress

DEFAULT_URL = "http://127.0.0.1:8765"

WATCHED_AT_ONCE = 16
"""Jobs; the others wait for their turn."""

PAUSE_S = 1.0
"""Seconds between two questions, where the hub's events cannot be had."""

PAGE = 200
"""Jobs that are asked for at a time, at most."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""

app = typer.Typer(
    no_args_is_help=True, help="Files for a running hub: submit, watch, list, cancel, retry, export, history."
)
history = typer.Typer(no_args_is_help=True, help="All jobs: export.")
app.add_typer(history, name="history")

Url = Annotated[str, typer.Option(envvar="ASR_HUB_URL", help="The hub.")]
Key = Annotated[
    str | None,
    typer.Option(envvar="ASR_HUB_KEY", help="What lets you in; others on this machine can read a command line."),
]
For = Annotated[float, typer.Option("--patience", min=0, help="Seconds that a hub may be away while it is watched.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="As `submit` printed them.")]
Everybody = Annotated[bool, typer.Option("--all", help="Of every key, not of yours alone; for the scope admin.")]

T = TypeVar("T")


@app.command()
def submit(
    files: Annotated[list[Path], typer.Argument(help="Audio or video files of any kind.", metavar="FILE...")],
    provider: Annotated[str | None, typer.Option(help="One of the hub's; by default its default.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47, such as en or zh-TW.")] = None,
    hotwords: Annotated[
        list[str] | None, typer.Option(help="Words to prefer, by commas. May be given several times.")
    ] = None,
    priority: Annotated[
        int, typer.Option(min=FIRST_PRIORITY, max=LAST_PRIORITY, help="The lower, the sooner.")
    ] = USUAL_PRIORITY,
    channels: Annotated[Channels, typer.Option(help="split: each is heard by itself.")] = Channels.MIX,
    format: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="To offer; by default all. May be given several times.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="An address that is told when the job is over.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay until the jobs are over.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    patience: For = 120.0,
) -> None:
    """Send files. Prints the id of each job. What the hub has heard already is not heard again."""
    fields = {
        "provider": provider,
        "language": language,
        "hotwords": ",".join(hotwords or ()),
        "priority": str(priority),
        "channels": channels.value,
        "formats": ",".join(format or ()),
        "webhook": webhook,
    }
    given = {name: value for name, value in fields.items() if value}
    _with_hub(url, key, patience, lambda desk: desk.submit(files, given, watch=watch))


@app.command()
def watch(ids: Ids, url: Url = DEFAULT_URL, key: Key = None, patience: For = 120.0) -> None:
    """Stay until these jobs are over. Status 1 if one failed or was cancelled."""
    _with_hub(url, key, patience, lambda desk: desk.watch(ids))


@app.command("list")
def list_jobs(
    state: Annotated[list[JobState] | None, typer.Option(help="May be given several times.")] = None,
    text: Annotated[str, typer.Option(help="In the name of the file, or in what was said.")] = "",
    since: Annotated[str | None, typer.Option(help="A date such as 2026-01-31T12:00Z, or an age such as 7d.")] = None,
    everybody: Everybody = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Jobs at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show jobs, the newest first."""
    query = _query(everybody, state=[one.value for one in state or ()], text=text, since=_since(since, time.time()))
    _with_hub(url, key, 0, lambda desk: desk.list(query, limit, as_json=as_json))


@app.command()
def cancel(ids: Ids, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Stop jobs. What was heard is kept for `retry`."""
    _with_hub(url, key, 0, lambda desk: desk.change(ids, desk.hub.cancel))


@app.command()
def retry(ids: Ids, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Go on with jobs that failed or were cancelled, where they stopped."""
    _with_hub(url, key, 0, lambda desk: desk.change(ids, desk.hub.retry))


@app.command()
def export(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `submit` printed it.")],
    format: Annotated[str, typer.Option("--format", "-f", help="txt, json, srt, vtt … as the hub has them.")] = "txt",
    output: Annotated[str, typer.Option("--output", "-o", help="A file, or - for stdout.")] = "-",
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Fetch what was said, of a job that is done."""
    _with_hub(url, key, 0, lambda desk: desk.export(id, format, output))


@history.command("export")
def export_history(
    everybody: Everybody = False,
    output: Annotated[str, typer.Option("--output", "-o", help="A file, or - for stdout.")] = "-",
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Write every job that the hub keeps as JSON Lines, the newest first, without what was said."""
    _with_hub(url, key, 120, lambda desk: desk.export_history(_query(everybody), output))


class _Desk:
    """What the commands do, at one hub. Each gives the exit status."""

    def __init__(self, hub: JobsClient, progress: Progress) -> None:
        self.hub = hub
        self.progress = progress
        self._turns = asyncio.Semaphore(WATCHED_AT_ONCE)
        self.watched: dict[str, str] = {}
        """The names of the jobs that are not over, by their ids."""

    async def submit(self, files: Sequence[Path], fields: dict[str, str], *, watch: bool) -> int:
        max_bytes = (await self.hub.limits()).max_bytes
        watched: list[asyncio.Task[int]] = []
        ids: set[str] = set()
        status = 0
        with unwrapped():
            async with asyncio.TaskGroup() as group:
                for file in files:
                    id = await self._send(file, fields, max_bytes)
                    status = status if id is not None else 1
                    if watch and id is not None and id not in ids:
                        ids.add(id)
                        watched.append(group.create_task(self._watch(id, file.name), name=f"watch {id}"))
        return max([status, *(task.result() for task in watched)])

    async def watch(self, ids: Sequence[str]) -> int:
        # A hub that is not there, or a wrong key, is told once and not for each job.
        await self.hub.limits()
        with unwrapped():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._watch(id, id), name=f"watch {id}") for id in dict.fromkeys(ids)]
        return max(task.result() for task in tasks)

    async def list(self, query: Query, limit: int, *, as_json: bool) -> int:
        jobs: list[dict[str, Any]] = []
        total = 0
        async with contextlib.aclosing(self.hub.pages({**query, "limit": str(min(limit, PAGE))})) as pages:
            async for page in pages:
                jobs += page.jobs[: limit - len(jobs)]
                total = page.total
                if len(jobs) >= limit:
                    break
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode({"jobs": jobs, "total": total}), indent=2).decode())
            return 0
        console = Console(highlight=False, soft_wrap=True)
        for line in _table([_task(job) for job in jobs]):
            console.print(line)
        more = f"; --limit {total} shows the others" if total > len(jobs) else ""
        console.print(f"[dim]{len(jobs)} of {total} jobs{more}[/]")
        return 0

    async def change(self, ids: Sequence[str], ask: Callable[[str], Awaitable[Task]]) -> int:
        status = 0
        for id in dict.fromkeys(ids):
            try:
                self._tell(id, (await ask(id)).status)
            except HubError as exc:
                if len(ids) == 1 or exc.retryable:
                    raise
                status = 2
                self._tell(id, str(exc), "bold red")
        return status

    async def export(self, id: str, format: str, output: str) -> int:
        with _written(output) as write:
            await self.hub.document(id, format, write)
        return 0

    async def export_history(self, query: Query, output: str) -> int:
        with _written(output) as write:
            async with contextlib.aclosing(self.hub.pages({**query, "limit": str(PAGE)})) as pages:
                async for page in pages:
                    write(b"".join(msgspec.json.encode(job) + b"\n" for job in page.jobs))
        return 0

    async def _send(self, file: Path, fields: dict[str, str], max_bytes: int) -> str | None:
        """The id of its job; nothing where this file cannot be one, which is told."""
        bar = self.progress.add_task(escape(file.name), total=None, note="sending")
        try:
            self.progress.update(bar, total=_size(file, max_bytes))
            taken = await self.hub.submit(file, fields, lambda sent: self.progress.update(bar, completed=sent))
        except (TooLarge, UnsupportedAudio) as exc:
            self._tell(str(file), str(exc), "bold red")
            return None
        except OSError as exc:
            self._tell(str(file), f"cannot be read: {exc.strerror}", "bold red")
            return None
        finally:
            self.progress.remove_task(bar)
        typer.echo(taken.task_id)
        self._tell(file.name, _said(taken))
        return taken.task_id

    async def _watch(self, id: str, name: str) -> int:
        """
        Until the job is over: 0 where it is done, 1 where it is not, 2 where the hub does not tell of it.

        Raises HubError where the hub is away for too long.
        """
        self.watched[id] = name
        async with self._turns:
            bar = self.progress.add_task(escape(name), total=100, note="")
            try:
                async with contextlib.aclosing(self.hub.follow(id)) as following:
                    async for progress in following:
                        self._show(bar, progress)
                status = self._over(name, progress)
            except HubError as exc:
                if exc.retryable:
                    raise
                self._tell(name, str(exc), "bold red")
                status = 2
            finally:
                self.progress.remove_task(bar)
        del self.watched[id]
        return status

    def _show(self, bar: TaskID, progress: JobProgress) -> None:
        note = progress.status
        if progress.status == "queued" and progress.position:
            note = f"queued, {progress.position} before it"
        elif progress.segments:
            note = f"segment {progress.segments_done} of {progress.segments}"
        self.progress.update(bar, completed=progress.progress, note=note)

    def _over(self, name: str, progress: JobProgress) -> int:
        if progress.status == "done":
            length = f", {progress.seconds:.0f} s of audio" if progress.seconds is not None else ""
            self._tell(name, f"done{length}; its text: asr-hub jobs export {progress.id}")
            return 0
        why = f": {progress.error.code}: {progress.error.message}" if progress.error is not None else ""
        self._tell(name, f"{progress.status}{why}; to go on with it: asr-hub jobs retry {progress.id}", "bold red")
        return 1

    def _tell(self, about: str, what: str, style: str = "bold") -> None:
        line = Text.assemble((about, style), f": {what}")
        self.progress.console.print(line, highlight=False, soft_wrap=True)


def _with_hub(url: str, key: str | None, patience: float, work: Callable[[_Desk], Coroutine[Any, Any, int]]) -> None:
    """Do it, and leave with its status."""
    console = Console(stderr=True)

    def tell(what: str) -> None:
        console.print(f"[yellow]{escape(what)}[/]", highlight=False, soft_wrap=True)

    desk: _Desk | None = None
    try:
        with refused():
            client = JobsClient(url, key, patience=Patience(total_s=patience, pause_s=PAUSE_S), on_trouble=tell)
            desk = _Desk(client, _bars(console))
            status = run(_working(desk, work))
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        if desk is not None and desk.watched:
            tell(f"the jobs go on in the hub; to see how: asr-hub jobs watch {' '.join(desk.watched)}")
    if status:
        raise typer.Exit(status)


async def _working(desk: _Desk, work: Callable[[_Desk], Coroutine[Any, Any, int]]) -> int:
    async with desk.hub:
        with desk.progress:
            return await work(desk)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
        # In a pipe a bar is noise.
        disable=not console.is_terminal,
        # What is printed goes above the bars, and never to stderr where it is meant for a pipe.
        redirect_stdout=sys.stdout.isatty(),
    )


def _size(file: Path, max_bytes: int) -> int:
    """Raises OSError, TooLarge."""
    facts = file.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "is no file that has an end")
    size = facts.st_size
    if size > max_bytes:
        raise TooLarge(f"has {size} bytes, and the hub takes {max_bytes}; cut it, or make it FLAC, Opus or MP3")
    return size


def _said(taken: Submitted) -> str:
    if not taken.is_new:
        return f"is a job already: {taken.status}"
    if taken.status != "queued":
        return taken.status
    before = f"queued, {taken.position} before it" if taken.position else "queued"
    wait = round(taken.estimated_wait or 0)
    return f"{before}, to begin in about {wait} s" if wait else before


def _query(everybody: bool, **wanted: str | Sequence[str] | None) -> dict[str, str | Sequence[str]]:
    query: dict[str, str | Sequence[str]] = {name: value for name, value in wanted.items() if value}
    return {**query, "all": "true"} if everybody else query


def _since(given: str | None, now: float) -> str | None:
    """A date as it is, or the moment so long ago, in seconds since the epoch."""
    age = _AGE.fullmatch(given or "")
    if age is None:
        return given
    return f"{max(0.0, now - int(age[1]) * _UNITS[age[2]]):.0f}"


_AGE = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _task(job: dict[str, Any]) -> Task:
    try:
        return msgspec.convert(job, Task)
    except msgspec.ValidationError:
        raise ConfigError("the hub tells jobs in another way: it is of another version than this command") from None


def _table(tasks: Sequence[Task]) -> Iterator[Text]:
    """A line for each, in columns."""
    cells = [
        (
            task.task_id,
            task.status if task.status != "processing" else f"{task.progress:.0f} %",
            f"{task.duration:.0f} s" if task.duration is not None else "",
            f"{datetime.fromtimestamp(task.created_at).astimezone():%Y-%m-%d %H:%M}",
            task.provider,
        )
        for task in tasks
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    styles = {JobState.DONE: "green", JobState.FAILED: "bold red", JobState.CANCELLED: "yellow"}
    for task, row in zip(tasks, cells, strict=True):
        line = Text("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)))
        style = next((style for state, style in styles.items() if state == task.status), "")
        line.stylize(style, widths[0] + 2, widths[0] + 2 + widths[1])
        line.append(f"  {task.name}")
        if task.error is not None:
            line.append(f"  {task.error.code}: {task.error.message}", "dim")
        yield line


@contextlib.contextmanager
def _written(output: str) -> Iterator[Callable[[bytes], object]]:
    """Where an answer goes: a file is there when it is whole, or not at all. Raises ConfigError."""
    if output == "-":
        yield lambda piece: typer.echo(piece, nl=False)
        return
    target = Path(output)
    # A pipe or a device is written to as it is.
    part = target if target.exists() and not target.is_file() else target.with_name(f".{target.name}.part")
    try:
        try:
            with part.open("wb") as file:
                yield file.write
            if part is not target:
                part.replace(target)
        finally:
            if part is not target:
                part.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(f"--output: cannot write {output}: {exc.strerror}; choose another file") from None
