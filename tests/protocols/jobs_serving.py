"""Jobs on a free port of 127.0.0.1, told over every protocol that tells them, and a reader for each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Protocol

import httpx
import uvicorn
from httpx_sse import EventSource
from socketio.exceptions import ConnectionError as Refusing
from tests.protocols.echo_hub import EchoHub
from tests.protocols.socket_io.serving import Client
from tests.store.facts import store as new_store
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import Unauthorized
from asr_hub.hub.job_watch import JobWatches, Lookup
from asr_hub.protocols.http import application
from asr_hub.protocols.jobs_sse import JobEvents
from asr_hub.protocols.socket_io.mount import SocketIo
from asr_hub.protocols.sse import EventSettings
from asr_hub.protocols.websocket import LaneSettings, websocket_lane
from asr_hub.store.event import JobEvent
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.jobs import JobQueued, JobStarted

A, B = ("a" * 32, "b" * 32)

GRANTS = {
    "key": Grant(name="key", scopes=frozenset({Scope.WATCH})),
    "other": Grant(name="other", scopes=frozenset({Scope.WATCH})),
    "admin": Grant(name="admin", scopes=frozenset({Scope.WATCH, Scope.ADMIN})),
    "speaker": Grant(name="key", scopes=frozenset({Scope.SPEAK})),
}
"""By their secrets."""


class Door:
    """Implements DoorPort."""

    def __init__(self) -> None:
        self.grants = dict(GRANTS)

    def admit(self, secret: str | None) -> Grant:
        try:
            return self.grants[secret or ""]
        except KeyError:
            raise Unauthorized("no such key") from None


class Server:
    """What runs, and where."""

    def __init__(
        self, store: HubStore, watches: JobWatches, events: JobEvents, mount: SocketIo, door: Door, port: int
    ) -> None:
        self.store = store
        self.watches = watches
        self.events = events
        self.mount = mount
        self.door = door
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.uvicorn: uvicorn.Server

    def tell(self, *events: JobEvent) -> None:
        for event in events:
            self.store.dispatch(event)

    async def until_nobody_watches(self) -> None:
        async with asyncio.timeout(10):
            while len(self.watches) or self.watches.tasks or len(self.events):  # noqa: ASYNC110  it is in no event
                await asyncio.sleep(0)


def web(**options: Any) -> httpx.AsyncClient:
    """A client over plain HTTP: it reads no certificates, which takes longer than most of what it is for."""
    return httpx.AsyncClient(verify=False, **options)


def begun(job: str = A, principal: str = "key") -> tuple[JobEvent, ...]:
    return JobQueued(job=job, principal=principal, at=1.0), JobStarted(job=job, at=2.0)


@contextlib.asynccontextmanager
async def serve(
    *,
    lookup: Lookup | None = None,
    is_on: bool = True,
    events_settings: EventSettings | None = None,
    lane_settings: LaneSettings | None = None,
    is_left: bool = True,
) -> AsyncIterator[Server]:
    """`is_left`: the readers go before the hub does."""
    store, hub, door = new_store(), EchoHub(), Door()
    watches = JobWatches(store, lookup)
    live = watches if is_on else None
    events = JobEvents(live, door, settings=events_settings)
    mount = SocketIo(hub, door, application(events.router), jobs=live)
    config = uvicorn.Config(
        mount,
        ws=websocket_lane(hub, door=door, settings=lane_settings, jobs=live),
        lifespan="off",
        log_config=None,
        ws_ping_interval=None,
        ws_max_size=mount.max_request_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
    )
    config.load()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        running = Server(store, watches, events, mount, door, listener.getsockname()[1])
        running.uvicorn = server
        try:
            async with mount.running():
                yield running
                while is_left and mount.clients:  # noqa: ASYNC110  there is no event
                    await asyncio.sleep(0)
        finally:
            events.close()
            for one in server.servers:
                one.close()
            for connection in list(server.server_state.connections):
                one_of_ours: Any = connection
                transport = getattr(connection, "_transport", None) or one_of_ours.transport
                transport.abort()
            while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110  uvicorn has sets and no event
                await asyncio.sleep(0)
            await watches.aclose()
            store.close()


class Refused(Exception):
    """What a reader is told instead."""

    def __init__(self, error: dict[str, Any], status: int | None = None) -> None:
        super().__init__(error["code"])
        self.code: str = error["code"]
        self.message: str = error["message"]
        self.status = status
        """HTTP status, or WebSocket close code; none over Socket.IO."""


class Address(Protocol):
    """Where a hub is."""

    @property
    def url(self) -> str: ...


class Reader:
    """Watches one job over one protocol. `next` is the message that comes next; nothing at the end."""

    def __init__(self, server: Address, job: str = A, secret: str | None = "key") -> None:
        self.server = server
        self.job = job
        self.secret = secret
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Reader:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def next(self) -> dict[str, Any] | None:
        async with asyncio.timeout(10):
            return await self._next()

    async def _open(self) -> None:
        raise NotImplementedError

    async def _next(self) -> dict[str, Any] | None:
        raise NotImplementedError

    @property
    def _headers(self) -> dict[str, str]:
        return {} if self.secret is None else {"Authorization": f"Bearer {self.secret}"}


class SseReader(Reader):
    async def _open(self) -> None:
        http = await self._stack.enter_async_context(web())
        url = f"{self.server.url}/api/v1/asr/events/{self.job}"
        response = await self._stack.enter_async_context(http.stream("GET", url, headers=self._headers))
        if response.status_code != 200:
            raise Refused(json.loads(await response.aread())["error"], response.status_code)
        self._events = EventSource(response).aiter_sse()

    async def _next(self) -> dict[str, Any] | None:
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            return None
        assert event.event == "job"
        message: dict[str, Any] = event.json()
        return message


class WebSocketReader(Reader):
    async def _open(self) -> None:
        url = f"ws{self.server.url.removeprefix('http')}/v1/jobs/{self.job}"
        try:
            self.link = await self._stack.enter_async_context(connect(url, additional_headers=self._headers))
        except InvalidStatus as exc:
            raise Refused(json.loads(exc.response.body)["error"], exc.response.status_code) from None
        self._first = await self._next()

    async def next(self) -> dict[str, Any] | None:
        first, self._first = self._first, None
        return first or await super().next()

    async def _next(self) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = json.loads(await self.link.recv())
        except ConnectionClosed:
            assert self.link.close_code == 1000, self.link.close_code
            return None
        if message["type"] == "error":
            await self.link.wait_closed()
            raise Refused(message, self.link.close_code)
        return message


class SocketIoReader(Reader):
    async def _open(self) -> None:
        self.client = Client(self.server.url, "/v1/jobs")
        self._stack.push_async_exit(self.client.__aexit__)
        try:
            await self.client.connect(auth={"token": self.secret} if self.secret else None)
        except Refusing:
            ((_, refusal),) = self.client.events
            raise Refused(refusal["data"]) from None
        answer = await self.client.call("watch_job", {"id": self.job})
        if "code" in answer:
            raise Refused(answer)
        assert answer["ok"] is True
        self._first: dict[str, Any] | None = answer["job"]
        self._told = 0
        self._is_over = False

    async def _next(self) -> dict[str, Any] | None:
        message, self._first = self._first, None
        if message is None:
            if self._is_over:
                return None
            self._told += 1
            message = await self.client.wait_for("job", count=self._told, seconds=10)
        assert message is not None
        self._is_over = message["status"] in ("done", "failed", "cancelled")
        return message


READERS = (SseReader, WebSocketReader, SocketIoReader)
