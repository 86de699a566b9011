"""
An OpenAI-compatible server on 127.0.0.1 that streams what a function says to each dictation, byte by byte as told.

It is strict about the request. What it shall do wrong is its `fault`; whoever waits in it waits for `released`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

_DICTATION = re.compile(r"<(?P<mark>dictation\d*)>\n(?P<text>.*)\n</(?P=mark)>\Z", re.S)


class Fault(StrEnum):
    """What goes wrong with each answer."""

    SILENT = "silent"
    """No byte comes."""
    STUCK = "stuck"
    """The head of the response comes, and nothing after it."""
    DRIPPING = "dripping"
    """One token comes, and the next one never."""
    PINGING = "pinging"
    """Comments come without end, and no token."""
    RESET = "reset"
    """The connection is cut before the response."""
    CUT = "cut"
    """The connection is cut in the middle of the answer."""
    BROKEN_OFF = "broken-off"
    """The response ends without its last event."""
    TOO_SHORT = "too-short"
    """The model ran out of tokens."""
    ENDLESS = "endless"
    """Tokens come without end."""
    LONG_LINE = "long-line"
    """A line comes without end."""
    NO_HTTP = "no-http"
    NO_JSON = "no-json"
    OTHER_JSON = "other-json"
    NO_UTF8 = "no-utf8"
    ERROR_EVENT = "error-event"
    PLAIN_JSON = "plain-json"
    """The whole answer as one JSON text: the server does not know `stream`."""
    COMPRESSED = "compressed"
    CENSORED = "censored"
    NOTHING = "nothing"
    """An answer of no token."""


class LanguageModel:
    """`url` is what `base_url` takes."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.url = ""
        self.answer = answer
        self.fault: Fault | int | None = None
        """A number is an HTTP status."""
        self.resets = 0
        """So many connections are cut before the response, without a fault."""
        self.asked: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.connections = 0
        self.begun = asyncio.Event()
        """A request is here."""
        self.released = asyncio.Event()
        self._serving: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = {}

    async def close(self) -> None:
        self.released.set()
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in self._serving if task))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving[asyncio.current_task()] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        del self._serving[asyncio.current_task()]

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"content-length: (\d+)", head, re.I)[1])  # type: ignore[index]
        body = json.loads(await reader.readexactly(length))
        assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
        assert body["stream"] is True
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        self.headers.append(head)
        self.asked.append(body)
        self.begun.set()
        if self.resets:
            self.resets -= 1
            return False
        said = self.answer(dictation(body))
        async for block in self._response(said):
            writer.write(block)
            await writer.drain()
        return self.fault is None

    async def _response(self, said: str) -> AsyncIterator[bytes]:
        match self.fault:
            case None:
                yield _head() + b"".join(map(_chunk, _events(said))) + b"0\r\n\r\n"
            case Fault.SILENT:
                await self.released.wait()
            case Fault.RESET:
                return
            case Fault.NO_HTTP:
                yield b"220 mail.example.org ready\r\n"
            case Fault.PLAIN_JSON:
                yield _head(kind="application/json") + _chunk(json.dumps({"choices": []}).encode()) + b"0\r\n\r\n"
            case Fault.COMPRESSED:
                yield _head("Content-Encoding: gzip\r\n") + b"0\r\n\r\n"
            case int(status):
                yield f"HTTP/1.1 {status} No\r\nContent-Length: {len(said)}\r\n\r\n{said}".encode("ascii", "replace")
            case _:
                yield _head()
                async for event in self._stream(said):
                    yield _chunk(event)
                if self.fault is not Fault.CUT:
                    yield b"0\r\n\r\n"

    async def _stream(self, said: str) -> AsyncIterator[bytes]:
        if self.fault in _WRONG:
            yield _WRONG[self.fault]
        if self.fault in (Fault.DRIPPING, Fault.CUT, Fault.BROKEN_OFF):
            yield _event(said[:3])
        if self.fault is Fault.ERROR_EVENT:
            yield f"data: {json.dumps({'error': {'message': said}})}\n\n".encode()
        if self.fault in (Fault.STUCK, Fault.DRIPPING):
            await self.released.wait()
        while self.fault in _WITHOUT_END:
            yield _WITHOUT_END[self.fault]


def dictation(body: dict[str, Any]) -> str:
    """What stands between the marks of a request."""
    found = _DICTATION.search(body["messages"][1]["content"])
    assert found is not None
    return found["text"]


@asynccontextmanager
async def running(answer: Callable[[str], str] = lambda said: said) -> AsyncIterator[LanguageModel]:
    model = LanguageModel(answer)
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        server.close()
        await model.close()


def _head(more: str = "", *, kind: str = "text/event-stream; charset=utf-8") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Transfer-Encoding: chunked\r\n\r\n".encode()


def _chunk(block: bytes) -> bytes:
    return f"{len(block):x}\r\n".encode() + block + b"\r\n"


def _events(said: str) -> list[bytes]:
    tokens = re.findall(r"\s*\S+|\s+", said)
    return [_event(role="assistant"), *map(_event, tokens), _event(finish_reason="stop"), b"data: [DONE]\n\n"]


def _event(content: str | None = None, *, finish_reason: str | None = None, **delta: str) -> bytes:
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "1", "object": "chat.completion.chunk", "model": "test", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


_WRONG: dict[Fault | int | None, bytes] = {
    Fault.TOO_SHORT: _event("I w", finish_reason="length"),
    Fault.NO_JSON: b"data: <html>\n\n",
    Fault.OTHER_JSON: b'data: {"object": "list", "data": [1]}\n\n',
    Fault.NO_UTF8: b"data: \xff\xfe\n\n",
    Fault.CENSORED: _event("", finish_reason="content_filter"),
    Fault.NOTHING: _event("", finish_reason="stop"),
}
_WITHOUT_END: dict[Fault | int | None, bytes] = {
    Fault.PINGING: b": ping\n\n" * 1000,
    Fault.ENDLESS: _event("yes ") * 20,
    Fault.LONG_LINE: b"data: " + b"x" * 10_000,
}
