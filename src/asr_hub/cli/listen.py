"""`asr-hub listen`: the microphone, live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from asr_hub.app import serving
from asr_hub.cli.conversation import converse
from asr_hub.cli.loop import run
from asr_hub.cli.refusal import refused
from asr_hub.cli.screen import Screen
from asr_hub.config.loader import load
from asr_hub.errors import ProviderUnavailable
from asr_hub.model import HUB_RATE
from asr_hub.telemetry import logs
from asr_hub.wire.messages import Start

BLOCK = HUB_RATE // 10
"""Samples"""

MAX_BLOCKS = 100
"""Blocks that may wait for the hub: ten seconds. Past that the microphone is ahead of the machine, and we say so."""


def listen(
    url: Annotated[str | None, typer.Option(help="A running hub, such as ws://127.0.0.1:8765/v1/stream.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="For a hub of its own.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47, such as en-US.")] = None,
    provider: Annotated[str | None, typer.Option(help="One of the configured providers.")] = None,
) -> None:
    """Show what the microphone hears until Ctrl-C. Needs the extra `microphone` and PortAudio."""
    with refused():
        start = Start(language=language, provider=provider)
        run(_listen(url, config, start))


async def _listen(url: str | None, config: Path | None, start: Start) -> None:
    _sound()
    screen = Screen(Console(highlight=False))
    if url is not None:
        await converse(url, start, microphone(), screen.show)
        return
    logs.configure(level="warning")
    settings = load(config)
    settings = settings.model_copy(update={"server": settings.server.model_copy(update={"port": 0})})
    async with serving(settings) as running:
        await converse(running.stream_url, start, microphone(), screen.show)


async def microphone() -> AsyncIterator[bytes]:
    """
    Blocks of 100 ms of 16 kHz mono from the default microphone, until cancelled.

    Raises ProviderUnavailable where there is no microphone or no library for it.
    """
    sounddevice = _sound()
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes] = asyncio.Queue(MAX_BLOCKS)

    def heard(data: object, frames: int, when: object, status: object) -> None:
        loop.call_soon_threadsafe(offer, bytes(data))  # type: ignore[call-overload]

    def offer(block: bytes) -> None:
        if not blocks.full():
            blocks.put_nowait(block)

    try:
        with sounddevice.RawInputStream(HUB_RATE, BLOCK, channels=1, dtype="int16", callback=heard):
            while True:
                yield await blocks.get()
    except sounddevice.PortAudioError as exc:
        raise ProviderUnavailable(f"no microphone: {exc}") from None


def _sound() -> Any:  # Any: the library is untyped
    """The library of the microphone. Raises ProviderUnavailable."""
    try:
        import sounddevice
    except (ImportError, OSError) as exc:
        raise ProviderUnavailable(
            f"no microphone: {exc}; install PortAudio (Debian: apt-get install libportaudio2) "
            "and the extra `microphone` of asr-hub"
        ) from None
    return sounddevice
