"""Speak and see it written: `python live.py [URL]`, or `python live.py URL speech.wav` without a microphone."""

import asyncio
import sys

from asr_hub_client import AsyncClient, AudioFormat, Final, Partial, microphone
from asr_hub_client.files import read_audio

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8765"


async def main() -> None:
    format, source = read_audio(sys.argv[2]) if len(sys.argv) > 2 else (AudioFormat(), microphone())
    async with AsyncClient(URL) as hub, hub.session(format=format) as session:
        async for message in session.stream(source):
            match message:
                case Partial():
                    print(f"\r{message.hypothesis.text}", end="", flush=True)
                case Final():
                    print(f"\r{message.hypothesis.text}")


asyncio.run(main())
