"""The native protocol over HTTP: audio and commands in requests, messages in an event stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
from msgspec.structs import replace

from asr_hub_client.errors import LinkBroken, Refused, Unreachable, refused, refused_over_http
from asr_hub_client.events import EventParser
from asr_hub_client.links.link import Address
from asr_hub_client.messages import (
    AnyServerMessage,
    Attach,
    Clear,
    Close,
    Command,
    Configure,
    Finalize,
    Ready,
    Start,
    Unknown,
    decode,
    to_object,
)

EVENT_TIMEOUT = 30.0
"""Seconds without a byte, after which the event stream is dead: the hub sends a heartbeat every 10."""

REQUEST_TIMEOUT = 60.0
"""Seconds until a request about audio is answered: the hub holds it back while the engine is behind."""


class HttpLink:
    """One event stream, and requests beside it."""

    def __init__(self, client: httpx.AsyncClient, events: httpx.Response) -> None:
        self._client = client
        self._events = events
        self._chunks: AsyncIterator[bytes] = events.aiter_raw()
        self._parser = EventParser()
        self._waiting: deque[AnyServerMessage | Unknown] = deque()
        self.ready: Ready

    async def welcome(self, *, take_over: bool) -> None:
        """Read `ready`, and become the publisher if asked to. Raises LinkBroken, Refused."""
        message = await self.receive()
        if not isinstance(message, Ready):
            raise LinkBroken(f"the event stream began with `{type(message).__name__}`, not with `ready`")
        self.ready = message
        if take_over:
            # An empty body says that the audio comes from here now, and asks where it is to go on.
            try:
                taken = _Taken.of(await self._answer("POST", "/audio", params={"take_over": 1}))
            except Refused as exc:
                if exc.code != "closing":
                    raise
                # There is nothing to take over, and what the session still says is in the events.
                return
            self.ready = replace(message, audio_offset=message.audio_offset if taken is None else taken)

    async def send_audio(self, offset: int, data: bytes) -> int | None:
        answer = await self._ask("POST", "/audio", params={"offset": offset}, content=data)
        return _Taken.of(answer)

    async def send(self, command: Command) -> None:
        match command:
            case Finalize():
                await self._ask("POST", "/finalize")
            case Clear():
                await self._ask("POST", "/clear")
            case Configure():
                body = {name: value for name, value in to_object(command).items() if name != "type"}
                await self._ask("PATCH", "", json=body)
            case Close():
                await self._ask("DELETE", "")

    async def receive(self) -> AnyServerMessage | Unknown:
        while not self._waiting:
            try:
                data = await anext(self._chunks)
            except StopAsyncIteration:
                raise LinkBroken("the event stream ended") from None
            except httpx.HTTPError as exc:
                raise LinkBroken(f"the event stream broke: {exc or type(exc).__name__}") from exc
            try:
                self._waiting.extend(decode(event.data) for event in self._parser.feed(data))
            except ValueError as exc:
                raise LinkBroken(f"what came is no message of the protocol: {exc}") from exc
        return self._waiting.popleft()

    async def aclose(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            await self._events.aclose()

    async def _ask(self, method: str, path: str, **request: Any) -> bytes:
        """As `_answer`, while somebody reads the events. Of the end of a session these tell."""
        try:
            return await self._answer(method, path, **request)
        except Refused as exc:
            if exc.code != "closing":
                raise
        return await asyncio.Future()

    async def _answer(self, method: str, path: str, params: dict[str, Any] | None = None, **request: Any) -> bytes:
        """Raises LinkBroken where the same request may succeed on a new link, and Refused."""
        try:
            answer = await self._client.request(
                method, f"/v1/sessions/{self.ready.session}{path}", params=params, timeout=REQUEST_TIMEOUT, **request
            )
        except httpx.HTTPError as exc:
            raise LinkBroken(f"{method} failed: {exc or type(exc).__name__}") from exc
        if answer.is_success:
            return answer.content
        raise _told(refused_over_http(answer.status_code, answer.content, answer.headers))


class HttpTransport:
    """Opens an event stream for each connection; the requests of all share a pool."""

    def __init__(self, address: Address, client: httpx.AsyncClient) -> None:
        self._address = address
        self._client = client

    async def open(self, first: Start | Attach) -> HttpLink:
        if isinstance(first, Attach):
            return await self._listen(first.session, first.seq, take_over=first.take_over)
        body = {name: value for name, value in to_object(first).items() if name != "type"}
        try:
            answer = await self._client.post("/v1/sessions", json=body)
        except httpx.HTTPError as exc:
            raise self._unreachable(exc) from exc
        if not answer.is_success:
            raise refused_over_http(answer.status_code, answer.content, answer.headers)
        try:
            ready = decode(answer.content)
        except ValueError as exc:
            raise Unreachable(f"{self._address.url} is no ASR Hub: {exc}") from exc
        if not isinstance(ready, Ready):
            raise Unreachable(f"{self._address.url} answered `{type(ready).__name__}`, not `ready`")
        link = await self._listen(ready.session, ready.seq, take_over=False)
        link.ready = ready
        return link

    async def aclose(self) -> None:
        pass

    async def _listen(self, session: str, seq: int | None, *, take_over: bool) -> HttpLink:
        headers = {"Accept": "text/event-stream", **({} if seq is None else {"Last-Event-ID": str(seq)})}
        request = self._client.build_request(
            "GET",
            f"/v1/sessions/{session}/events",
            headers=headers,
            timeout=httpx.Timeout(self._address.connect_timeout, read=EVENT_TIMEOUT),
        )
        try:
            events = await self._client.send(request, stream=True)
        except httpx.HTTPError as exc:
            raise self._unreachable(exc) from exc
        try:
            if events.status_code == httpx.codes.NO_CONTENT:
                raise refused("unknown-session", "the session is over, and all of it was read")
            if not events.is_success:
                raise refused_over_http(events.status_code, await events.aread(), events.headers)
            link = HttpLink(self._client, events)
            await link.welcome(take_over=take_over)
        except (LinkBroken, httpx.HTTPError) as exc:
            await events.aclose()
            raise self._unreachable(exc) from exc
        except BaseException:
            await events.aclose()
            raise
        return link

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"no hub answers at {self._address.url}: {error or type(error).__name__}")


class _Taken(msgspec.Struct, frozen=True):
    audio_offset: int

    @classmethod
    def of(cls, answer: bytes) -> int | None:
        try:
            return msgspec.json.decode(answer, type=cls).audio_offset
        except msgspec.MsgspecError:
            return None


def _told(error: Refused) -> Refused | LinkBroken:
    """What a refusal means: the end, or to come back and send from the offset that the hub then says."""
    if error.is_retryable or error.code in _ASK_AGAIN:
        return LinkBroken(str(error), retry_after=error.retry_after)
    return error


_ASK_AGAIN = frozenset({"audio-gap", "audio-busy"})
