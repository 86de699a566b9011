"""One client's stay in one session, over one call: what it says is taken, what the hub says is written."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import msgspec
from msgspec.structs import replace

from asr_hub.errors import HubError, Overloaded, ProtocolError, SlowClient, TooLarge, unwrapped
from asr_hub.model import Role
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.grpc import translate
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import AnyServerMessage, Attach, Close


class TalkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client may be silent or stuck. Times are in seconds."""

    start_timeout: float = 20.0
    """From the call to its first request."""
    stall_timeout: float = 30.0
    """How long a client may leave a message unread."""


class Talk:
    """
    One call of `Stream` or `Watch`.

    Nothing is buffered here. While the session has no room no request is read, and HTTP/2 makes the client wait; while
    the client reads nothing no message is taken from the session, whose log may then forget it.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        context: Any,
        *,
        answer: type[pb.StreamResponse] | type[pb.WatchResponse],
        limits: Limits,
        settings: TalkSettings,
        stopping: asyncio.Event,
    ) -> None:
        self._dialogue = dialogue
        self._context = context
        self._answer = answer
        self._limits = limits
        self._settings = settings
        self._stopping = stopping
        self._turn = asyncio.Lock()
        """Of whoever writes: gRPC takes one message at a time."""
        self._seq = 0
        """Of the session's message written last: what an error of this call repeats."""
        self._has_closed = False
        """The client said `close`."""

    async def run(self, watch: Attach | None = None) -> None:
        """
        Returns when the session is closed or the client has left. With `watch` the client says nothing more.

        Raises the HubError that ended the call; the client has been told of it in a message where that was possible.
        """
        try:
            with unwrapped():
                async with asyncio.TaskGroup() as group:
                    others = [group.create_task(self._stop(), name="grpc stop")]
                    if watch is None:
                        others.append(group.create_task(self._listen(), name="grpc listen"))
                    else:
                        await self._attach(watch)
                    await self._tell()
                    for other in others:
                        other.cancel()
        except grpc.aio.InternalError:
            # What is read or written on a call whose client is gone: nobody is there to be told.
            _log.debug("grpc.gone")
        finally:
            self._dialogue.leave()

    async def _listen(self) -> None:
        """Take what the client says until it has no more to say."""
        try:
            request = await self._first()
            while request is not None:
                await self._take(request)
                request = await self._request()
            self._half_closed()
        except HubError as error:
            await self._refuse(error)

    async def _first(self) -> pb.StreamRequest | None:
        seconds = self._settings.start_timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._request()
        except TimeoutError:
            raise ProtocolError(
                f"no `start` or `attach` came in {seconds:g} s; make the call when it is needed", code="start-timeout"
            ) from None

    async def _request(self) -> pb.StreamRequest | None:
        """The next request; nothing where the client has half-closed."""
        request = await self._context.read()
        return request if isinstance(request, pb.StreamRequest) else None

    async def _take(self, request: pb.StreamRequest) -> None:
        """Do what one request asks, or refuse it."""
        try:
            said = translate.client_message(request)
            if isinstance(said, bytes):
                await self._dialogue.hear(said)
                return
            if (size := request.ByteSize()) > self._limits.max_text_bytes:
                raise TooLarge(
                    f"a message of {size} bytes without audio; at most {self._limits.max_text_bytes} are taken",
                    code="text-too-large",
                )
            self._has_closed = isinstance(self._dialogue.take(said), Close) or self._has_closed
        except HubError as error:
            await self._refuse(error)
        except Exception:  # noqa: BLE001  the edge: a defect ends one call, and is told
            _log.exception("grpc.defect")
            await self._refuse(HubError("the hub failed; its log has the details"))

    def _half_closed(self) -> None:
        """The client has nothing more to say, and did not say `close`."""
        attachment = self._dialogue.attachment
        if attachment is None:
            raise ProtocolError("the call ended before the session; send `start` or `attach` first", code="not-started")
        if attachment.role is Role.PUBLISHER and not self._has_closed:
            self._dialogue.leave()

    async def _attach(self, watch: Attach) -> None:
        try:
            self._dialogue.take(watch)
        except HubError as error:
            await self._refuse(error)

    async def _tell(self) -> None:
        """Write what the session says, to its end."""
        try:
            while messages := await self._dialogue.read():
                async with self._turn:
                    if self._dialogue.is_over:
                        return
                    for encoded in messages:
                        message = translate.decode(encoded)
                        await self._write(message)
                        self._seq = message.seq
        except HubError as error:
            await self._refuse(error)

    async def _stop(self) -> None:
        await self._stopping.wait()
        error = Overloaded("the hub restarts; come back with `attach`", code="shutting-down", retry_after=1.0)
        await self._refuse(error)

    async def _refuse(self, error: HubError) -> None:
        """Tell the client of an error. Raises it where the call ends with it."""
        async with self._turn:
            if self._dialogue.is_over:
                raise error
            refusal = self._dialogue.refuse(error)
            await self._write(replace(refusal.message, seq=self._seq))
        if refusal.close_code is None:
            return
        if refusal.message.code != error.code:
            raise ProtocolError(refusal.message.message, code=refusal.message.code)
        raise error

    async def _write(self, message: AnyServerMessage) -> None:
        """Waits until the client's window has room. Raises SlowClient."""
        seconds = self._settings.stall_timeout
        try:
            async with asyncio.timeout(seconds):
                await self._context.write(self._answer(message=translate.server_message(message)))
        except TimeoutError:
            # That message is still on its way, and no other can be written: the status alone tells.
            self._dialogue.leave()
            raise SlowClient(f"nothing was read for {seconds:g} s; come back with `attach`") from None


_log = logging.getLogger(__name__)
