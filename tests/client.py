"""A client of the native protocol that loses its socket on purpose and comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

Message = dict[str, Any]


class Client:
    """
    Publishes one session. Keeps every byte until the end, so that it can send again from any offset it is told.

    Sends as fast as the hub takes it, and so asks for no pongs: they would queue behind minutes of its own audio.

    Every message received is checked: `seq` goes up by one, plus what was skipped.
    """

    def __init__(self, url: str, **start: Any) -> None:
        self._url = url
        self._start = {"type": "start", **start}
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.session: str | None = None
        self.seq = 0
        self.audio_offset = 0
        """Samples the hub had when this connection was made."""
        self.messages: list[Message] = []
        self.resumes = 0
        self.is_gone = False

    @classmethod
    def attaching(cls, url: str, session: str, **attach: Any) -> Client:
        """A client for a session that is there already; it takes what the session still keeps."""
        client = cls(url)
        client._start = {"type": "attach", "session": session, **attach}
        return client

    async def first(self, message: Message) -> Message:
        """The answer to a connection's first message. The connection is then dropped."""
        async with connect(self._url, max_size=None, compression=None, close_timeout=1) as socket:
            await socket.send(json.dumps(message))
            answer: Message = json.loads(await socket.recv())
            return answer

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.cut()

    async def connect(self) -> None:
        """Open the session, or come back to it."""
        self._socket = await connect(self._url, max_size=None, compression=None, ping_interval=None)
        self.is_gone = False
        if self.session is None:
            first = self._start
        else:
            first = {"type": "attach", "session": self.session, "seq": self.seq, "take_over": True}
            self.resumes += 1
        await self.send(first)
        ready = json.loads(await self._socket.recv())
        assert ready["type"] == "ready", ready
        if self.session is not None:
            assert ready["seq"] == self.seq
        self.seq = ready["seq"]
        self.session, self.audio_offset = ready["session"], ready["audio_offset"]
        self.is_gone = False
        self._reading = asyncio.create_task(self._read(self._socket))

    async def cut(self) -> None:
        """Drop the TCP connection without a word."""
        if self._socket is not None:
            self._socket.transport.abort()
        if self._reading is not None:
            await asyncio.wait((self._reading,))

    async def send(self, message: Message | bytes) -> None:
        assert self._socket is not None
        await self._socket.send(message if isinstance(message, bytes) else json.dumps(message))

    async def echo(self) -> None:
        """Wait until the other end's socket has read what was sent."""
        assert self._socket is not None
        await (await self._socket.ping())

    async def wait_for(self, *types: str, seconds: float = 60) -> Message:
        """The first message of one of these types, now or later."""
        return await self.wait_until(lambda m: m["type"] in types, seconds=seconds)

    async def wait_until(self, wanted: Callable[[Message], bool], *, seconds: float = 60, after: int = 0) -> Message:
        async with asyncio.timeout(seconds):
            while True:
                for message in self.messages[after:]:
                    if wanted(message):
                        return message
                assert not self.is_gone, f"the hub closed the connection; last: {self.messages[-1:]}"
                self._changed.clear()
                await self._changed.wait()

    def of(self, *types: str) -> list[Message]:
        return [m for m in self.messages if m["type"] in types]

    @property
    def finals(self) -> list[str]:
        return [m["hypothesis"]["text"] for m in self.of("final")]

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                self._take(json.loads(data))
        except OSError:
            pass
        except Exception as exc:
            if type(exc).__name__ not in ("ConnectionClosedError",):
                raise
        finally:
            self.is_gone = True
            self._changed.set()

    def _take(self, message: Message) -> None:
        if message["type"] == "error" and message["scope"] == "connection":
            assert message["seq"] == self.seq, (message, self.seq)
        else:
            assert message["seq"] == self.seq + 1 + message.get("skipped", 0), (message, self.seq)
            self.seq = message["seq"]
        self.messages.append(message)
        self._changed.set()
