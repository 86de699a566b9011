"""Clients of FunASR's runtime, in their three generations: what each sends, and what each waits for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

Message = dict[str, Any]

BINARY = [Subprotocol("binary")]


def first(mode: str, **said: Any) -> str:
    """The first message of the clients in Python."""
    return json.dumps(
        {
            "mode": mode,
            "chunk_size": [5, 10, 5],
            "chunk_interval": 10,
            "encoder_chunk_look_back": 4,
            "decoder_chunk_look_back": 0,
            "audio_fs": 16000,
            "wav_name": "demo",
            "wav_format": "pcm",
            "is_speaking": True,
            "hotwords": "",
            "itn": True,
            **said,
        }
    )


async def send(socket: ClientConnection, mode: str, audio: bytes, *, piece: int = 1920, **said: Any) -> None:
    await socket.send(first(mode, **said))
    for at in range(0, len(audio), piece):
        await socket.send(audio[at : at + piece])


async def receive(socket: ClientConnection) -> Message:
    message: Message = json.loads(await socket.recv())
    assert isinstance(message["mode"], str)
    assert isinstance(message["text"], str)
    assert isinstance(message["is_final"], bool)
    return message


async def new_client(where: str, mode: str, recordings: Sequence[bytes], **said: Any) -> list[list[Message]]:
    """That of 2026: each recording is ended with `is_end`, and the next one waits for its acknowledgement."""
    told = []
    async with connect(where, subprotocols=BINARY, ping_interval=None, ssl=said.pop("ssl", None)) as socket:
        assert socket.subprotocol == "binary"
        for number, audio in enumerate(recordings):
            await send(socket, mode, audio, wav_name=f"wav{number}", **said)
            await socket.send('{"is_speaking": false, "is_end": true}')
            messages = [await receive(socket)]
            while not messages[-1].get("is_end"):
                messages.append(await receive(socket))
            told.append(messages)
    return told


async def old_client(where: str, recordings: Sequence[bytes], **said: Any) -> list[Message]:
    """The one before, in the mode `offline`: it sends all recordings, and waits for as many answers for ever."""
    async with connect(where, subprotocols=BINARY, ping_interval=None) as socket:
        for number, audio in enumerate(recordings):
            await send(socket, "offline", audio, wav_name=f"wav{number}", **said)
            await socket.send('{"is_speaking": false}')
        return [await receive(socket) for _ in recordings]


async def voice_assistant(where: str, audio: bytes) -> Message:
    """A server of voice assistants: an utterance in one frame; the first message that does not deny it is the last."""
    async with connect(where, subprotocols=BINARY, max_size=None) as socket:
        await socket.send('{"mode": "offline", "chunk_size": [5, 10, 5], "wav_name": "a", "is_speaking": true}')
        await socket.send(audio)
        await socket.send('{"is_speaking": false}')
        while not (message := await receive(socket)).get("is_final", True):
            pass
        return message


async def web_page(where: str, audio: bytes, *, wav_format: str | None = None, mode: str = "offline") -> str:
    """The page of the runtime: what it shows of a file, or of a microphone, when it has read the last message."""
    request: Message = {"chunk_size": [5, 10, 5], "wav_name": "h5", "chunk_interval": 10, "mode": mode}
    shown = final = ""
    async with connect(where) as socket:
        assert socket.subprotocol is None
        formats = {} if wav_format is None else {"wav_format": wav_format, "audio_fs": 16000}
        await socket.send(json.dumps({**request, "is_speaking": True, "itn": False, **formats}))
        for at in range(0, len(audio), 960):
            await socket.send(audio[at : at + 960])
        await socket.send(json.dumps({**request, "is_speaking": False}))
        while True:
            message = await receive(socket)
            if message["mode"] in ("2pass-offline", "offline"):
                count_off(message["text"], message.get("timestamp"))
                final += message["text"]
                shown = final
            else:
                shown += message["text"]
            if message["is_final"]:
                return shown


def count_off(text: str, timestamp: str | None) -> None:
    """How the page puts times to words; one that is missing ends its script."""
    if timestamp is None or not text:
        return
    times, at = json.loads(timestamp), 0
    for word in re.split("[\u3002\uff1f\uff0c\u3001?. ]", text):
        if word:
            assert times[at][0] <= times[at][1]
            at += 1 if re.fullmatch("[a-zA-Z]+", word) else len(word)
