"""
What does each protocol of the hub cost over its bare library? At most 1.3 times the server CPU of a program of a few
lines that uses the same library, reads the same audio and gives the same answers.

`python -m benchmarks.protocols [--sessions 20] [--frames 250] [--frame-ms 100] [--only grpc]`

* grpc: grpc.aio, one bidirectional call a session, the messages of protos/ on both sides.
* http: FastAPI, one POST a piece of audio, and sse-starlette for what the session says.
* socketio: python-socketio on uvicorn over its WebSocket, binary audio.
* websocket: the `websockets` library's own asyncio server, against the hub's lane.

Both sides keep the audio in a ring and say an `audio-ack` after each half second of it; behind the hub's side is a hub
that only counts. The clients run in another process, each session in a loop of its own without pause, so that what is
measured is the cost of a frame and not the pace. CPU is that of the server's process. The two servers of a protocol
take turns, round by round; the ratio is taken within a round. Exits with 1 where a protocol costs more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from importlib.metadata import version
from typing import Any, cast

import grpc
import httpx
import socketio
import uvicorn
from fastapi import FastAPI, Request
from httpx_sse import aconnect_sse
from sse_starlette import EventSourceResponse
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from asr_hub.access.door import OpenDoor
from asr_hub.protocols.facts import HealthView
from asr_hub.protocols.grpc import translate
from asr_hub.protocols.grpc.server import grpc_server
from asr_hub.protocols.http import application
from asr_hub.protocols.http_sessions import HttpSessions
from asr_hub.protocols.socket_io.mount import SocketIo
from asr_hub.protocols.websocket import websocket_lane
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.v1 import asr_hub_pb2_grpc as stubs
from asr_hub.wire.encode import encode
from benchmarks.counting import READY, CountingHub, Sink
from benchmarks.processes import cpu_seconds

WANTED = 1.3
ROUNDS = 3
NAMESPACE = "/v1/stream"

Served = AsyncIterator[int]
"""A port, while it is served."""


# Bare: each library as its own examples have it.


@contextlib.asynccontextmanager
async def bare_grpc() -> Served:
    class Calls(stubs.AsrHubServiceServicer):
        async def Stream(self, requests: Any, context: Any) -> Any:  # noqa: N802
            sink = Sink()
            async for request in requests:
                match request.WhichOneof("message"):
                    case "audio":
                        if answer := sink.take(request.audio):
                            yield pb.StreamResponse(message=translate.server_message(translate.decode(answer)))
                    case "start":
                        yield pb.StreamResponse(message=translate.server_message(READY))
                    case _:
                        return

    server = grpc.aio.server()
    stubs.add_AsrHubServiceServicer_to_server(Calls(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


def _bare_http() -> FastAPI:
    api = FastAPI()
    sinks: dict[str, tuple[Sink, asyncio.Queue[bytes]]] = {}

    @api.post("/v1/sessions", status_code=201)
    async def create() -> dict[str, str]:
        name = str(len(sinks))
        sinks[name] = Sink(), asyncio.Queue()
        return {"session": name}

    @api.post("/v1/sessions/{session}/audio")
    async def audio(session: str, request: Request) -> dict[str, str]:
        sink, queue = sinks[session]
        if answer := sink.take(await request.body()):
            queue.put_nowait(answer)
        return {"session": session}

    @api.get("/v1/sessions/{session}/events")
    async def events(session: str) -> EventSourceResponse:
        queue = sinks[session][1]

        async def told() -> AsyncIterator[dict[str, str]]:
            yield {"event": "ready", "data": encode(READY).decode()}
            while True:
                yield {"event": "audio-ack", "data": (await queue.get()).decode()}

        return EventSourceResponse(told())

    return api


def _bare_socketio() -> Any:
    server = socketio.AsyncServer(async_mode="asgi", async_handlers=False, cors_allowed_origins="*")
    sinks: dict[str, Sink] = {}

    async def message(sid: str, said: dict[str, Any]) -> None:
        sinks[sid] = Sink()
        await server.emit("message", json.loads(encode(READY)), to=sid, namespace=NAMESPACE)

    async def audio(sid: str, data: bytes) -> None:
        if answer := sinks[sid].take(data):
            await server.emit("message", json.loads(answer), to=sid, namespace=NAMESPACE)

    server.on("message", message, namespace=NAMESPACE)
    server.on("audio", audio, namespace=NAMESPACE)
    server.on("connect", lambda *_: None, namespace=NAMESPACE)
    return socketio.ASGIApp(server)


@contextlib.asynccontextmanager
async def bare_websocket() -> Served:
    async def talk(connection: ServerConnection) -> None:
        sink = Sink()
        await connection.recv()
        await connection.send(encode(READY), text=True)
        async for data in connection:
            if isinstance(data, bytes) and (answer := sink.take(data)):
                await connection.send(answer, text=True)

    async with serve_websockets(talk, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


# The hub's own shells, with nothing behind them.


@contextlib.asynccontextmanager
async def hub_grpc() -> Served:
    async with grpc_server(CountingHub(), OpenDoor(), cast(Any, _NoFacts()), host="127.0.0.1", port=0) as server:
        yield server.port


@contextlib.asynccontextmanager
async def uvicorn_of(app: Any, **options: Any) -> Served:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, lifespan="off", log_level="warning", **options)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        task.cancel()


@contextlib.asynccontextmanager
async def hub_socketio() -> Served:
    shell = SocketIo(CountingHub(), OpenDoor(), _nothing_else)
    async with shell.running(), uvicorn_of(shell) as port:
        yield port


SERVERS: dict[str, Callable[[], contextlib.AbstractAsyncContextManager[int]]] = {
    "grpc bare": bare_grpc,
    "grpc hub": hub_grpc,
    "http bare": lambda: uvicorn_of(_bare_http()),
    "http hub": lambda: uvicorn_of(application(HttpSessions(CountingHub(), OpenDoor()).router)),
    "socketio bare": lambda: uvicorn_of(_bare_socketio()),
    "socketio hub": hub_socketio,
    "websocket bare": bare_websocket,
    "websocket hub": lambda: uvicorn_of(_nothing_else, ws=websocket_lane(CountingHub())),
}


async def _nothing_else(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


class _NoFacts:
    """All that is asked of it is how the hub is."""

    def health(self) -> HealthView:
        return HealthView(
            status="ok", version="", sessions=0, max_sessions=0, default_provider="none", providers={"none": "ready"}
        )


# Clients: each sends its frames and reads the acknowledgements to the last.


async def talk_grpc(port: int, frame: bytes, frames: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = stubs.AsrHubServiceStub(channel).Stream()
        await call.write(pb.StreamRequest(start=pb.Start()))
        await call.read()

        async def hear() -> None:
            for _ in range(_answers(frame, frames)):
                await call.read()

        hearing = asyncio.create_task(hear())
        for _ in range(frames):
            await call.write(pb.StreamRequest(audio=frame))
        await hearing
        call.cancel()


async def talk_http(port: int, frame: bytes, frames: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
        session = (await client.post("/v1/sessions", json={})).json()["session"]

        async def hear() -> None:
            async with aconnect_sse(client, "GET", f"/v1/sessions/{session}/events") as source:
                left = _answers(frame, frames)
                async for event in source.aiter_sse():
                    left -= event.event == "audio-ack"
                    if not left:
                        return

        hearing = asyncio.create_task(hear())
        for _ in range(frames):
            await client.post(f"/v1/sessions/{session}/audio", content=frame)
        await hearing


async def talk_socketio(port: int, frame: bytes, frames: int) -> None:
    client = socketio.AsyncClient(reconnection=False)
    left, done = 1 + _answers(frame, frames), asyncio.Event()

    def hear(message: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    client.on("message", hear, namespace=NAMESPACE)
    await client.connect(f"http://127.0.0.1:{port}", transports=["websocket"], namespaces=[NAMESPACE])
    await client.emit("message", {"type": "start"}, namespace=NAMESPACE)
    for _ in range(frames):
        await client.emit("audio", frame, namespace=NAMESPACE)
    await done.wait()
    await client.disconnect()


async def talk_websocket(port: int, frame: bytes, frames: int) -> None:
    url = f"ws://127.0.0.1:{port}{NAMESPACE}"
    async with connect(url, compression=None, max_size=None, ping_interval=None) as connection:
        await connection.send('{"type":"start"}')
        await connection.recv()

        async def hear() -> None:
            for _ in range(_answers(frame, frames)):
                await connection.recv()

        hearing = asyncio.create_task(hear())
        for _ in range(frames):
            await connection.send(frame)
        await hearing


TALKS: dict[str, Callable[[int, bytes, int], Coroutine[Any, Any, None]]] = {
    "grpc": talk_grpc,
    "http": talk_http,
    "socketio": talk_socketio,
    "websocket": talk_websocket,
}


def _answers(frame: bytes, frames: int) -> int:
    """How many acknowledgements come for so much audio."""
    sink = Sink()
    return sum(sink.take(frame) is not None for _ in range(frames))


# Measuring.


@contextlib.contextmanager
def process(name: str) -> Iterator[tuple[int, int]]:
    """A server in a process of its own. Yields its process id and port."""
    command = [sys.executable, "-m", "benchmarks.protocols", "--serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server.pid, int(server.stdout.readline())
        finally:
            server.kill()


async def measure(name: str, options: argparse.Namespace) -> float:
    """Microseconds of the server's CPU for one frame."""
    talk, frame = TALKS[name.split()[0]], b"\x01\x00" * (16 * options.frame_ms)
    with process(name) as (pid, port):
        await talk(port, frame, 10)
        before = cpu_seconds(pid)
        async with asyncio.timeout(600), asyncio.TaskGroup() as group:
            for _ in range(options.sessions):
                group.create_task(talk(port, frame, options.frames))
        return (cpu_seconds(pid) - before) / (options.sessions * options.frames) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protocols", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--frames", type=int, default=250, help="of each session, in each round")
    parser.add_argument("--frame-ms", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=list(TALKS))
    parser.add_argument("--serve", choices=list(SERVERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.serve))
        return 0
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    print(
        f"{options.sessions} sessions of {options.frames} frames of {options.frame_ms} ms; {options.rounds} rounds; "
        f"{platform.python_implementation()} {platform.python_version()}, {libraries}; {os.cpu_count()} cores\n"
    )
    print("| protocol | bare library, µs CPU / frame | hub, µs CPU / frame | hub / bare |\n|---|---|---|---|")
    is_well = True
    for protocol in [options.only] if options.only else TALKS:
        rounds = [
            (asyncio.run(measure(f"{protocol} bare", options)), asyncio.run(measure(f"{protocol} hub", options)))
            for _ in range(options.rounds)
        ]
        bare, hub = ([row[side] for row in rounds] for side in (0, 1))
        ratios = [ours / theirs for theirs, ours in rounds]
        print(f"| {protocol} | {_cell(bare, '.1f')} | {_cell(hub, '.1f')} | {_cell(ratios, '.2f')} |", flush=True)
        is_well = is_well and statistics.median(ratios) <= WANTED
    print(f"\nEach at most {WANTED} times its bare library: {'yes' if is_well else 'NO'}")
    return 0 if is_well else 1


async def _serve(name: str) -> None:
    async with SERVERS[name]() as port:
        print(port, flush=True)
        await asyncio.Event().wait()


def _cell(values: list[float], form: str) -> str:
    middle, low, high = (format(value, form) for value in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


_LIBRARIES = ("grpcio", "fastapi", "sse-starlette", "python-socketio", "websockets", "uvicorn")


if __name__ == "__main__":
    raise SystemExit(main())
