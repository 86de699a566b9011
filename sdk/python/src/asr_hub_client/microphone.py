"""The microphone of this machine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from importlib import import_module
from typing import Any

from asr_hub_client.errors import MissingExtra
from asr_hub_client.messages import AudioFormat

MAX_SECONDS = 30.0
"""Of audio that waits to be sent. Beyond it the oldest is dropped: the device does not wait."""

_TYPES = {"pcm_s16le": "int16", "pcm_f32le": "float32"}


async def microphone(
    format: AudioFormat | None = None, *, device: int | str | None = None, block_ms: int = 100
) -> AsyncGenerator[bytes, None]:
    """
    What the microphone hears, in blocks of `block_ms`, until the iteration is left.

    `device` is a number or part of a name, as `python -m sounddevice` lists them. Raises MissingExtra, ValueError, and
    what sounddevice raises where there is no such device.
    """
    format = format or AudioFormat()
    if format.encoding not in _TYPES:
        raise ValueError(f"a microphone gives {' or '.join(_TYPES)}, not {format.encoding}")
    loop = asyncio.get_running_loop()
    # The device runs a thread of its own; only the loop touches the queue.
    waiting: deque[bytes] = deque(maxlen=max(int(MAX_SECONDS * 1000 / block_ms), 1))
    heard = asyncio.Event()

    def take(block: bytes) -> None:
        waiting.append(block)
        heard.set()

    def on_block(data: Any, frames: int, time: Any, status: Any) -> None:
        loop.call_soon_threadsafe(take, bytes(data))

    with _sounddevice().RawInputStream(
        samplerate=format.sample_rate,
        channels=format.channels,
        dtype=_TYPES[format.encoding],
        blocksize=format.sample_rate * block_ms // 1000,
        device=device,
        callback=on_block,
    ):
        while True:
            while waiting:
                yield waiting.popleft()
            heard.clear()
            await heard.wait()


def _sounddevice() -> Any:
    try:
        return import_module("sounddevice")
    except (ImportError, OSError):
        # OSError: the package is there, and the PortAudio library of the system is not.
        raise MissingExtra("the microphone", "microphone") from None
