"""One session over several protocols, watched over another: `python move.py speech.wav [URL]`."""

import asyncio
import sys

from asr_hub_client import AsyncClient
from asr_hub_client.files import read_audio

URL = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8765"


async def main() -> None:
    format, blocks = read_audio(sys.argv[1])
    async with (
        AsyncClient(URL) as hub,
        hub.session(format=format) as session,
        hub.watch(session.id, protocol="http") as watch,
    ):
        for number, block in enumerate(blocks):
            if number == 3:
                await session.move("socketio")
            if number == 6:
                await session.move("http")
            await session.send(block)
        await session.close()
        async for final in watch.finals():
            print(final.hypothesis.text)


asyncio.run(main())
