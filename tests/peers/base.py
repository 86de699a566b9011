"""One client of the native protocol, whatever carries it: what the tests across protocols are written against."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from asr_hub.app import Serving

Message = dict[str, Any]


class Refused(Exception):
    """
    The hub said no. `code` is the name on the wire.

    `status` is what the protocol says by its own means: HTTP's status, the close code of a WebSocket, the name of
    gRPC's code. Socket.IO has nothing of the kind.
    """

    def __init__(self, message: Message, status: int | str | None = None) -> None:
        super().__init__(message.get("message", ""))
        self.code: str = message["code"]
        self.message = message
        self.status = status


class Peer(ABC):
    """
    A connection to one session, as publisher or viewer.

    Every message received is checked: `seq` goes up by one, plus what was skipped.
    """

    protocol: str

    def __init__(self, serving: Serving, *, key: str | None = None) -> None:
        self.serving = serving
        self.key = key
        self.session = ""
        self.seq = 0
        self.audio_offset = 0
        """Samples the hub had when this connection was made."""
        self.messages: list[Message] = []
        self.is_gone = False
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    # What each protocol does in its own way.

    @abstractmethod
    async def _open(self, start: Message) -> Message:
        """Open a session; `ready`. Raises Refused."""

    @abstractmethod
    async def _attach(self, attach: Message) -> Message:
        """Attach to a session; `ready`. Raises Refused."""

    @abstractmethod
    async def send(self, pcm: bytes) -> None:
        """Audio, in the session's format."""

    @abstractmethod
    async def tell(self, type: str, **fields: Any) -> None:
        """`configure`, `finalize`, `clear` or `close`. Raises Refused where the protocol answers at once."""

    @abstractmethod
    async def _read(self) -> None:
        """Hand every message to `_take` until the connection ends. Runs in a task."""

    @abstractmethod
    async def _cut(self) -> None:
        """Drop what carries the connection, without a word."""

    # What is the same for all.

    async def start(self, **fields: Any) -> Peer:
        """Open a session and publish in it."""
        self._began(await self._open({"type": "start", **fields}))
        return self

    async def attach(self, session: str, **fields: Any) -> Peer:
        """Come to a session that is there: as its publisher, or with `role="viewer"`."""
        self._began(await self._attach({"type": "attach", "session": session, **fields}))
        return self

    async def cut(self) -> None:
        """Drop the connection and wait until it is gone."""
        await self._cut()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
            self._reading = None

    async def wait_for(self, *types: str, seconds: float = 60) -> Message:
        """The first message of one of these types, now or later."""
        return await self.wait_until(lambda m: m["type"] in types, seconds=seconds)

    async def wait_until(self, wanted: Callable[[Message], bool], *, seconds: float = 60) -> Message:
        seen = 0
        async with asyncio.timeout(seconds):
            while True:
                self._changed.clear()
                for message in self.messages[seen:]:
                    seen += 1
                    if wanted(message):
                        return message
                assert not self.is_gone, f"{self.protocol}: the connection ended; last: {self.messages[-1:]}"
                await self._changed.wait()

    def of(self, *types: str) -> list[Message]:
        return [m for m in self.messages if m["type"] in types]

    @property
    def finals(self) -> list[str]:
        return [m["hypothesis"]["text"] for m in self.of("final")]

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.cut()

    def _began(self, ready: Message) -> None:
        assert ready["type"] == "ready", ready
        self.session, self.audio_offset = ready["session"], ready["audio_offset"]
        # Events may have gone on before whoever attached looks.
        self.seq = max(self.seq, ready["seq"])
        self._reading = asyncio.create_task(self._read_all(), name=f"{self.protocol} peer")

    async def _read_all(self) -> None:
        try:
            await self._read()
        finally:
            self.is_gone = True
            self._changed.set()

    def _take(self, message: Message) -> None:
        if message["type"] == "ready":
            return
        if message["type"] == "error" and message.get("scope", "connection") == "connection":
            assert message["seq"] == self.seq, (self.protocol, message, self.seq)
        else:
            wanted = self.seq + 1 + message.get("skipped", 0)
            assert message["seq"] == wanted, (self.protocol, message, self.seq)
            self.seq = message["seq"]
        self.messages.append(message)
        self._changed.set()
