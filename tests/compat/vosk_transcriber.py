"""The client of the package `vosk`."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace


async def transcriber(where: str, pcm: bytes, output: str = "txt") -> str:
    """What it writes; the class alone, since its command loads a model that is not used here."""
    from vosk.transcriber.transcriber import Transcriber

    client = Transcriber.__new__(Transcriber)
    client.args = SimpleNamespace(server=where, output_type=output)
    stdout = asyncio.StreamReader()
    stdout.feed_data(pcm)
    stdout.feed_eof()
    result, samples = await client.recognize_stream_server(SimpleNamespace(stdout=stdout))
    assert samples == len(pcm)
    written: str = client.format_result(result)
    return written
