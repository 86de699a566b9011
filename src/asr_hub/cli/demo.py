"""`asr-hub demo`: speech becomes text, live, on this machine alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from asr_hub.app import Serving, serving
from asr_hub.audio.files import decode
from asr_hub.cli.conversation import converse
from asr_hub.cli.loop import run
from asr_hub.cli.refusal import refused
from asr_hub.cli.screen import Screen
from asr_hub.config.loader import load
from asr_hub.config.schema import Config
from asr_hub.model import HUB_RATE
from asr_hub.store.slices.system import select_system
from asr_hub.telemetry import logs
from asr_hub.wire.messages import Start

BLOCK_S = 0.1

_EMBEDDED = """\
This was the embedded engine, and it is modest: good at commands, poor at dictation.
Whisper and others are one line of YAML: see "Any engine" in README.md."""


def demo(
    file: Annotated[Path | None, typer.Argument(help="Any audio file; without it, a spoken sample of ours.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A YAML file; without it, the defaults.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="Stop after the sample, even on a terminal.")] = False,
) -> None:
    """Start a hub, speak a sample to it over a real WebSocket at the pace of speech, and show the live transcript."""
    with refused():
        settings = load(config)
        settings = settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
        # The screen shows what fails.
        logs.configure(level="error")
        run(_demo(settings, file, stays=not once and Console().is_terminal))


async def _demo(config: Config, file: Path | None, *, stays: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    screen = Screen(console)
    began = time.monotonic()
    console.print("Starting the hub …", style="dim")
    with resources.as_file(resources.files("asr_hub.providers") / "clips" / "demo.wav") as sample:
        async with serving(config) as running:
            console.print(f"ready in {time.monotonic() - began:.1f} s: {running.stream_url}", style="dim")
            if resolved := _resolved(running):
                console.print(resolved, style="dim")
            console.print()
            await converse(running.stream_url, Start(), _spoken(file or sample), screen.show)
            _tell(console, screen)
            console.print(f"\n{_closing(config, running)}")
            _say_how_to_go_on(console, running, stays=stays)
            if stays:
                await asyncio.Event().wait()


async def _spoken(file: Path) -> AsyncIterator[bytes]:
    """The audio of `file` in blocks of 100 ms, at the pace at which it was spoken."""
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    for frame in decode(file, HUB_RATE):
        for at in range(0, len(frame.pcm), step := int(2 * HUB_RATE * BLOCK_S)):
            block = frame.pcm[at : at + step]
            sent += len(block) // 2
            yield block
            await asyncio.sleep(began + sent / HUB_RATE - loop.time())


def _resolved(running: Serving) -> str | None:
    resolution = select_system(running.hub.store.state).resolution
    return f"auto: {resolution.reason}" if resolution is not None else None


def _closing(config: Config, running: Serving) -> str:
    """What to think of the text above: words about the provider that listened."""
    resolution = select_system(running.hub.store.state).resolution
    name = resolution.provider if resolution is not None else config.provider
    # Without an entry, `auto` takes a kind by its own name.
    kind = config.providers[name].kind if name in config.providers else name
    if kind == "pocketsphinx":
        return _EMBEDDED
    listened = name if name == kind else f"{name} ({kind})"
    return f"{escape(listened)} listened. [bold]asr-hub doctor[/] lists what else this machine has."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _tell(console: Console, screen: Screen) -> None:
    finals = [final for final in screen.finals if final.hypothesis.text]
    latencies = sorted(final.latency_ms for final in finals if final.latency_ms is not None)
    middle = f", a final {latencies[len(latencies) // 2]} ms after its endpoint (median)" if latencies else ""
    heard = f"{_count(len(finals), 'utterance')}, {_count(screen.partials, 'partial')}"
    console.print(f"\n{heard}{middle}.", style="dim")


def _say_how_to_go_on(console: Console, running: Serving, *, stays: bool) -> None:
    if stays:
        console.print(f"\nThe hub keeps running: [bold]{running.url}[/]   API docs: [bold]{running.url}/docs[/]")
        console.print("Ctrl-C ends it.", style="dim")
    else:
        console.print(
            "\n[bold]asr-hub serve[/] keeps a hub running: page http://127.0.0.1:8765, API docs http://127.0.0.1:8765/docs"
        )
