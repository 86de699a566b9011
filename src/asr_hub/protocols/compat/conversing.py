"""One connection of a foreign dialect: a codec between a client and its sessions, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

import msgspec

from asr_hub.access.grant import Grant
from asr_hub.errors import HubError, Overloaded, ProtocolError, SlowClient, unwrapped
from asr_hub.model import SessionId
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Audio, Binary, Codec, Encoded, HangUp, Reply, Step, Text
from asr_hub.wire.messages import AnyServerMessage, Clear, Close, Closed, Configure, Finalize, Start

ENCODED_BYTES = 1 << 20
"""Of a file that is coming in, before the client has to wait for the decoder."""


class Link(Protocol):
    """A client's connection."""

    async def receive(self) -> str | bytes | None:
        """The next frame; None where the client is gone."""
        ...

    async def send(self, reply: Text | Binary) -> None:
        """Waits while the client does not read. Raises OSError or nothing where it is gone."""
        ...

    async def hang_up(self, code: int, reason: str) -> None: ...


class ConversingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds."""

    silence: float | None = None
    """How long a client may say nothing; the codec is asked what becomes of it. None: as long as it likes."""
    stall: float = 30.0
    """How long a client may leave a message unread."""


class Conversing:
    """
    `run` serves the connection to its end. Sessions are closed when the client goes: what was said is heard to its end,
    for those who watch, and nobody can come back to it.

    `admit` lets the client in for each session after the first. Audio waits while its session has no room.
    """

    def __init__(
        self,
        codec: Codec,
        link: Link,
        compat: Compat,
        *,
        protocol: str,
        grant: Grant,
        admit: Callable[[], Grant],
        settings: ConversingSettings = ConversingSettings(),
        limits: Limits | None = None,
    ) -> None:
        self._codec = codec
        self._link = link
        self._compat = compat
        self._protocol = protocol
        self._grant: Grant | None = grant
        self._admit = admit
        self._settings = settings
        self._limits = limits or compat.limits
        self._dialogue: Dialogue | None = None
        self._began = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_closing = False
        """The client has ended its session."""
        self._frame = 1
        """Bytes of one sample of every channel."""
        self._rest = b""
        """Of one of which not all has come."""
        self._turn = asyncio.Lock()
        """Of whoever writes."""
        self._decoding: _Decoding | None = None
        self._has_begun = False
        self._is_over = False

    async def begin(self) -> SessionId | None:
        """
        Start the first session before the client is connected, where the codec greets with its `Start` alone; its id.

        Raises HubError. `run` or `leave` is next.
        """
        self._has_begun = True
        for step in self._codec.greet():
            await self._take(step)
        attachment = self._dialogue.attachment if self._dialogue is not None else None
        return attachment.session if attachment is not None else None

    async def run(self, stopping: asyncio.Event | None = None) -> None:
        """Returns when the connection has ended. `stopping` is set when the hub goes down."""
        others: list[asyncio.Task[None]] = []
        try:
            with unwrapped():
                async with asyncio.TaskGroup() as group:
                    others.append(group.create_task(self._follow_all(), name=f"{self._protocol} writer"))
                    if stopping is not None:
                        others.append(group.create_task(self._stop(stopping), name=f"{self._protocol} stop"))
                    listening = group.create_task(self._listen(), name=f"{self._protocol} reader")
                    await asyncio.wait((listening, *others), return_when=asyncio.FIRST_COMPLETED)
                    for task in (listening, *others):
                        task.cancel()
        except (OSError, SlowClient):
            # The client is gone, or reads nothing: nobody is there to be told.
            _log.debug("compat.gone", extra={"protocol": self._protocol})
        finally:
            await self.leave()

    async def leave(self) -> None:
        """The client is gone. May be called twice."""
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            await decoding.give_up()
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            with contextlib.suppress(HubError):
                dialogue.take(Close())
            dialogue.leave()

    async def _listen(self) -> None:
        if not self._has_begun:
            await self._do(self._codec.greet)
        while not self._is_over:
            try:
                async with asyncio.timeout(self._settings.silence):
                    frame = await self._link.receive()
            except TimeoutError:
                await self._tell(self._codec.late())
                continue
            if frame is None:
                return
            if isinstance(frame, str):
                await self._do(partial(self._codec.receive_text, frame))
            else:
                await self._do(partial(self._codec.receive_binary, frame))

    async def _do(self, said: Callable[[], Iterable[Step]]) -> None:
        """Take the steps, or refuse what the client said."""
        try:
            for step in said():
                await self._take(step)
        except HubError as error:
            await self._tell(self._codec.refuse(error))
        except OSError:
            raise
        except Exception:  # noqa: BLE001  the edge: a defect ends one connection, and is told
            _log.exception("compat.defect")
            await self._tell(self._codec.refuse(HubError("the hub failed; its log has the details")))

    async def _take(self, step: Step) -> None:
        match step:
            case Text() | Binary() | HangUp():
                await self._tell((step,))
            case Start():
                await self._open(step)
            case Audio(data):
                await self._hear(data)
            case Encoded(data):
                await self._decode(data)
            case Close():
                await self._end_of_file()
                self._command(step)
            case Configure() | Finalize() | Clear():
                self._command(step)

    async def _open(self, start: Start) -> None:
        if self._is_closing and self._dialogue is not None:
            # Some clients begin again before they have read how the session before ended.
            await self._ended.wait()
        if self._dialogue is not None:
            raise ProtocolError("the session before this one is not over", code="already-started")
        grant, self._grant = self._grant, None
        dialogue = Dialogue(
            self._compat.hub, protocol=self._protocol, grant=grant or self._admit(), limits=self._limits
        )
        try:
            dialogue.take(start)
        except BaseException:
            dialogue.leave()
            raise
        self._dialogue = dialogue
        self._frame, self._rest = start.format.bytes_per_frame, b""
        self._is_closing = False
        self._ended.clear()
        self._began.set()

    async def _hear(self, data: bytes) -> None:
        dialogue = self._dialogue
        if dialogue is None or not data:
            return
        # These clients cut audio as they read it, and not between samples.
        data = self._rest + data
        whole = len(data) // self._frame * self._frame
        self._rest = data[whole:]
        most = self._limits.max_audio_bytes // self._frame * self._frame
        for at in range(0, whole, most):
            if self._dialogue is not dialogue:
                # It ended while this waited for room.
                return
            await dialogue.hear(data[at : min(at + most, whole)])

    async def _decode(self, data: bytes) -> None:
        if self._dialogue is None or not data:
            return
        if self._decoding is None:
            self._decoding = _Decoding(self._compat.files.decoded_live, self._hear, name=self._protocol)
        await self._decoding.add(data)

    async def _end_of_file(self) -> None:
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            await decoding.end()

    def _command(self, message: Configure | Finalize | Clear | Close) -> None:
        if self._dialogue is not None:
            self._is_closing = self._is_closing or isinstance(message, Close)
            self._dialogue.take(message)

    async def _follow_all(self) -> None:
        while not self._is_over:
            await self._began.wait()
            self._began.clear()
            if (dialogue := self._dialogue) is not None:
                await self._follow(dialogue)

    async def _follow(self, dialogue: Dialogue) -> None:
        """Tell what a session says, to its end."""
        try:
            while messages := await dialogue.read():
                for encoded in messages:
                    message = _decoder.decode(encoded)
                    if isinstance(message, Closed):
                        # The client may begin the next session as soon as it reads of this one's end.
                        self._done(dialogue)
                    await self._tell(self._codec.tell(message))
            self._done(dialogue)
        except HubError as error:
            if isinstance(error, SlowClient) and self._is_over:
                raise
            self._done(dialogue)
            await self._tell(self._codec.refuse(error))
            await self._tell(self._codec.tell(Closed(reason=error.code)))

    def _done(self, dialogue: Dialogue) -> None:
        dialogue.leave()
        if self._dialogue is dialogue:
            self._dialogue = None
            self._ended.set()

    async def _tell(self, replies: Iterable[Reply]) -> None:
        seconds = self._settings.stall
        async with self._turn:
            for reply in replies:
                if self._is_over:
                    return
                try:
                    async with asyncio.timeout(seconds):
                        if isinstance(reply, HangUp):
                            self._is_over = True
                            await self._link.hang_up(reply.code, reply.reason)
                        else:
                            await self._link.send(reply)
                except TimeoutError:
                    self._is_over = True
                    raise SlowClient(f"nothing was read for {seconds:g} s") from None
        if self._is_over and (dialogue := self._dialogue) is not None:
            with contextlib.suppress(HubError):
                dialogue.take(Close())

    async def _stop(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        error = Overloaded("the hub restarts; connect again", code="shutting-down", retry_after=1.0)
        await self._tell((*self._codec.refuse(error), HangUp(1012, "the hub restarts")))


class _Decoding:
    """A file that is coming in, decoded and heard as it comes."""

    def __init__(
        self,
        decoded: Callable[[AsyncIterator[bytes]], AsyncGenerator[bytes, None]],
        hear: Callable[[bytes], Awaitable[None]],
        *,
        name: str,
    ) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting = 0
        self._room = asyncio.Event()
        self._room.set()
        self._task = asyncio.create_task(self._run(decoded, hear), name=f"{name} decoder")

    async def add(self, data: bytes) -> None:
        """Raises what decoding raises, of what came before."""
        if self._task.done():
            self._task.result()
        self._waiting += len(data)
        self._pieces.put_nowait(data)
        if self._waiting > ENCODED_BYTES:
            self._room.clear()
            room = asyncio.create_task(self._room.wait())
            try:
                await asyncio.wait((room, self._task), return_when=asyncio.FIRST_COMPLETED)
            finally:
                room.cancel()

    async def end(self) -> None:
        """Waits until all is heard. Raises what decoding raises."""
        self._pieces.put_nowait(None)
        try:
            await asyncio.wait((self._task,))
        finally:
            if not self._task.done():
                await self.give_up()
        self._task.result()

    async def give_up(self) -> None:
        """Nobody is there to be told what decoding raised."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(
        self,
        decoded: Callable[[AsyncIterator[bytes]], AsyncGenerator[bytes, None]],
        hear: Callable[[bytes], Awaitable[None]],
    ) -> None:
        async with contextlib.aclosing(decoded(self._come())) as all_samples:
            async for samples in all_samples:
                await hear(samples)

    async def _come(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            self._waiting -= len(piece)
            if self._waiting <= ENCODED_BYTES // 2:
                self._room.set()
            yield piece


_log = logging.getLogger(__name__)

_decoder: msgspec.json.Decoder[AnyServerMessage] = msgspec.json.Decoder(AnyServerMessage)
