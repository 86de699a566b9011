"""The client side of one live session over a real WebSocket, as the demo and the microphone use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from asr_hub.errors import ProviderUnavailable, unwrapped
from asr_hub.wire.messages import AnyServerMessage, Close, Closed, Error, Ready, Start

_decode = msgspec.json.Decoder(AnyServerMessage).decode
_encode = msgspec.json.Encoder().encode


async def converse(
    url: str, start: Start, audio: AsyncIterable[bytes], on_message: Callable[[AnyServerMessage], None]
) -> None:
    """
    Send `audio` as it comes, tell of every message, and return when the session is closed.

    Raises ProviderUnavailable when the hub cannot be reached, refuses, or goes away.
    """
    try:
        with unwrapped():
            await _converse(url, start, audio, on_message)
    except (OSError, ConnectionClosed) as exc:
        raise ProviderUnavailable(f"{url}: {exc}; is the hub running?") from None


async def _converse(
    url: str, start: Start, audio: AsyncIterable[bytes], on_message: Callable[[AnyServerMessage], None]
) -> None:
    async with connect(url, max_size=None, compression=None) as socket:
        await socket.send(_encode(start).decode())
        first = _decode(await socket.recv())
        if not isinstance(first, Ready):
            raise ProviderUnavailable(first.message if isinstance(first, Error) else f"{url} is no hub")
        on_message(first)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(socket.send, audio))
            async for data in socket:
                message = _decode(data)
                on_message(message)
                if isinstance(message, Closed):
                    break
            sending.cancel()


async def _send(send: Callable[[bytes | str], object], audio: AsyncIterable[bytes]) -> None:
    async for block in audio:
        await send(block)  # type: ignore[misc]  # the client's own awaitable
    await send(_encode(Close()).decode())  # type: ignore[misc]
