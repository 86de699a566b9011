"""What Home Assistant does with its package `wyoming`: the same calls in the same order."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator

with warnings.catch_warnings():
    # Python 3.11 and 3.12 say that `audioop`, which the package uses where it is there, will go.
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import Transcribe, Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.error import Error
    from wyoming.event import Event
    from wyoming.info import Describe, Info
    from wyoming.wake import Detect, Detection

RATE = 16_000
CHUNK = 2048
"""Bytes: 64 ms."""


async def load_info(port: int) -> Info:
    """What it does when the integration is set up. It gives the answer a second, and tries three times."""
    async with connected(port) as client:
        await client.write_event(Describe().event())
        while True:
            event = await client.read_event()
            assert event is not None
            if Info.is_type(event.type):
                return Info.from_event(event)


async def speech_to_text(port: int, pcm: bytes, language: str = "en") -> str | None:
    """One connection for one command. It sends and reads at the same time, and takes the first answer."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language=language).event())
        await client.write_event(AudioStart(rate=RATE, width=2, channels=1).event())
        upload = asyncio.create_task(go_on(client, pcm))
        receive = asyncio.create_task(_result(client))
        try:
            await asyncio.wait((upload, receive), return_when=asyncio.FIRST_COMPLETED)
            return await receive
        finally:
            for task in (upload, receive):
                task.cancel()
            await asyncio.gather(upload, receive, return_exceptions=True)


async def speech_to_text_before_2026(port: int, pcm: bytes, language: str = "en") -> str | None:
    """It sends all, and reads then. It knows no `error`."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language=language).event())
        await stream(client, pcm)
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
        return None


async def wake_word(port: int, pcm: bytes, name: str | None) -> Detection | None:
    """Sends until a wake word is told, or nothing is left."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Detect(names=None if name is None else [name]).event())
        await client.write_event(AudioStart(rate=RATE, width=2, channels=1, timestamp=0).event())
        for number, audio in enumerate(pieces(pcm)):
            await client.write_event(AudioChunk(RATE, 2, 1, audio, timestamp=64 * number).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Detection.is_type(event.type):
                return Detection.from_event(event)
            if event.type == "not-detected":
                return None
        raise ConnectionError("the connection ended without an answer")


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[AsyncTcpClient]:
    async with AsyncTcpClient("127.0.0.1", port, connect_timeout=10, read_timeout=10) as client:
        yield client


async def until(client: AsyncTcpClient, *types: str) -> list[Event]:
    """The events up to the first of these kinds, with it."""
    found: list[Event] = []
    while not found or found[-1].type not in types:
        event = await client.read_event()
        assert event is not None, f"the connection ended after {found}"
        found.append(event)
    return found


async def stream(client: AsyncTcpClient, pcm: bytes, rate: int = RATE, width: int = 2, channels: int = 1) -> None:
    """One stream from its beginning to its end."""
    await client.write_event(AudioStart(rate, width, channels).event())
    await go_on(client, pcm, rate, width, channels)


async def go_on(client: AsyncTcpClient, pcm: bytes, rate: int = RATE, width: int = 2, channels: int = 1) -> None:
    """The rest of a stream."""
    for audio in pieces(pcm):
        await client.write_event(AudioChunk(rate, width, channels, audio).event())
    await client.write_event(AudioStop().event())


def pieces(pcm: bytes) -> Iterator[bytes]:
    for at in range(0, len(pcm), CHUNK):
        yield pcm[at : at + CHUNK]


def text_of(events: Iterable[Event]) -> str:
    """Of the `transcript` among them."""
    (event,) = (event for event in events if Transcript.is_type(event.type))
    return Transcript.from_event(event).text


async def _result(client: AsyncTcpClient) -> str | None:
    while (event := await client.read_event()) is not None:
        if Error.is_type(event.type):
            return None
        if Transcript.is_type(event.type):
            return Transcript.from_event(event).text
    return None
