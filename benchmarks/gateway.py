"""
What does the gateway cost? The native WebSocket path takes at most 1.5 times the server CPU of a bare TCP server that
reads the same frames, and with `--product` the whole hub at most 2 times.

`python -m benchmarks.gateway [--sessions 1000] [--frame-ms 20] [--product CONFIG.yaml]`

* floor: an asyncio protocol on uvloop; frames are a length and bytes. Nothing in Python reads audio for less.
* lane: uvicorn with the hub's WebSocket lane, and behind it a hub that only counts.
* library (with `--library`): the lane with its way past the parser of `websockets` closed.
* product: `asr-hub serve --config CONFIG.yaml`.

Floor and lane append the audio to a ring and say a 150-byte `audio-ack` after each half second of it; the product
acknowledges when it does. The clients are benchmarks/loadgen.c, another process, compiled on the fly.
CPU is that of the server's process, from /proc. Latency counts from the time at which the frame that was acknowledged
*should* have been sent. Servers take turns, round by round; figures are medians, with the smallest and largest round.
Exits with 1 where the question is answered with no, or a session was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, cast

import uvicorn
import uvloop

from asr_hub.protocols.websocket import LaneSettings, websocket_lane
from asr_hub.wire.encode import encode
from benchmarks.counting import READY, CountingHub, Sink

ROUNDS = 3
WANTED = {"lane": 1.5, "product": 2.0}
"""Times the CPU of the floor"""
P99_MS = 50.0
"""For the product: a server that falls behind reads several frames at once, and would look cheap."""
BACKLOG = 4096


class Floor(asyncio.Protocol):
    """The bare TCP server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sink = Sink()
        self._rest = b""
        self._send(encode(READY))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, size = 0, len(data)
        while size - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            if end > size:
                break
            if answer := self._sink.take(data[at + 4 : end]):
                self._send(answer)
            at = end
        if at < size:
            self._rest = data[at:]

    def _send(self, message: bytes) -> None:
        self._transport.write(len(message).to_bytes(4, "little") + message)


def serve_floor(listener: socket.socket) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Floor, sock=listener, backlog=BACKLOG)
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def serve_lane(listener: socket.socket, *, is_quick: bool = True) -> None:
    async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    config = uvicorn.Config(
        nothing_else,
        ws=websocket_lane(CountingHub(), settings=LaneSettings(is_quick=is_quick)),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        backlog=BACKLOG,
    )
    uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def stub(name: str) -> Iterator[tuple[int, int]]:
    """A server of this file in a process of its own. Yields its process id and port."""
    command = [sys.executable, "-m", "benchmarks.gateway", "--serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


@contextlib.contextmanager
def product(config: Path) -> Iterator[tuple[int, int]]:
    """The whole hub in a process of its own. Yields its process id and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "asr_hub", "serve", "--config", str(config), "--port", str(port)]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(port, process, log)
            yield process.pid, port
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def measure(mode: str, pid: int, port: int, options: argparse.Namespace, loadgen: Path) -> dict[str, float]:
    """One round against one server."""
    resting = _resident(pid)
    command = [
        *(str(loadgen), mode, str(port), str(options.sessions), str(options.frame_ms)),
        *(str(options.warm), str(options.seconds), "/v1/stream"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdin and clients.stdout
        _expect(clients.stdout, "connected")
        connected = _resident(pid)
        clients.stdin.write("go\n")
        clients.stdin.flush()
        _expect(clients.stdout, "window")
        before, began = _cpu(pid), time.monotonic()
        _expect(clients.stdout, "done")
        spent, lasted = _cpu(pid) - before, time.monotonic() - began
        told = json.loads(clients.stdout.readline())
    if told["dead"]:
        raise SystemExit(f"{told['dead']} sessions were lost: {told['failure']}")
    return {
        **{key: value for key, value in told.items() if isinstance(value, int | float)},
        "us_frame": spent / told["frames"] * 1e6,
        "cores_per_1000": spent / lasted / options.sessions * 1000,
        "kb_connection": (connected - resting) / options.sessions / 1024,
        "taken": told["frames"] / told["expected"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--frame-ms", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0, help="of measurement per round")
    parser.add_argument("--warm", type=float, default=2.0, help="seconds before it")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--product", type=Path, metavar="CONFIG.yaml", help="measure the whole hub, too")
    parser.add_argument("--library", action="store_true", help="measure the lane without its shortcut, too")
    parser.add_argument("--serve", choices=["floor", "lane", "library"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.serve:
        _serve(options.serve)
        return 0

    servers: dict[str, tuple[str, Callable[[], contextlib.AbstractContextManager[tuple[int, int]]]]] = {
        "floor": ("raw", lambda: stub("floor")),
        "lane": ("ws", lambda: stub("lane")),
    }
    if options.library:
        servers["library"] = ("ws", lambda: stub("library"))
    if options.product:
        servers["product"] = ("ws", lambda: product(options.product))
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    print(
        f"{options.sessions} sessions of {options.frame_ms} ms frames; "
        f"{options.rounds} rounds of {options.seconds:g} s; "
        f"{platform.python_implementation()} {platform.python_version()}, websockets {version('websockets')}, "
        f"uvicorn {version('uvicorn')}, uvloop {version('uvloop')}; {os.cpu_count()} cores"
    )
    with tempfile.TemporaryDirectory() as folder:
        loadgen = _compile(Path(folder))
        for number in range(options.rounds):
            print(f"round {number + 1}: load of the machine {os.getloadavg()[0]:.2f}", file=sys.stderr)
            for name, (mode, serving) in servers.items():
                with serving() as (pid, port):
                    rounds[name].append(measure(mode, pid, port, options, loadgen))
    return _report(rounds)


COLUMNS = {
    "us_frame": ("µs CPU / frame", "{:.1f}"),
    "cores_per_1000": ("cores / 1000 sessions", "{:.2f}"),
    "p50_ms": ("p50 ms", "{:.1f}"),
    "p99_ms": ("p99 ms", "{:.1f}"),
    "kb_connection": ("kB / connection", "{:.0f}"),
    "taken": ("sent / scheduled", "{:.2f}"),
    "late_p99_ms": ("generator late p99 ms", "{:.1f}"),
    "generator_cores": ("generator cores", "{:.2f}"),
}


def _report(rounds: dict[str, list[dict[str, float]]]) -> int:
    print("\n| server | " + " | ".join(title for title, _ in COLUMNS.values()) + " | x floor |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    # The ratio is taken within each round, where both had the same neighbours.
    floor = [row["us_frame"] for row in rounds["floor"]]
    is_well = True
    for name, rows in rounds.items():
        cells = [_cell([row[key] for row in rows], form) for key, (_, form) in COLUMNS.items()]
        ratios = [row["us_frame"] / least for row, least in zip(rows, floor, strict=True)]
        print(f"| {name} | " + " | ".join([*cells, _cell(ratios, "{:.2f}")]) + " |")
        is_well = is_well and statistics.median(ratios) <= WANTED.get(name, math.inf)
        if name == "product":
            is_well = is_well and statistics.median([row["p99_ms"] for row in rows]) < P99_MS
    bounds = ", ".join(f"{name} {most} x floor" for name, most in WANTED.items())
    print(f"\nAt most {bounds}, and p99 of the product below {P99_MS:.0f} ms: {'yes' if is_well else 'NO'}")
    return 0 if is_well else 1


def _cell(values: list[float], form: str) -> str:
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _serve(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        print(listener.getsockname()[1], flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            if name == "floor":
                serve_floor(listener)
            else:
                serve_lane(listener, is_quick=name == "lane")


def _compile(folder: Path) -> Path:
    target = folder / "loadgen"
    source = Path(__file__).with_name("loadgen.c")
    try:
        subprocess.run(["cc", "-O2", "-o", target, source], check=True)
    except FileNotFoundError:
        raise SystemExit("no C compiler: install `cc` (a client in Python would be the bottleneck)") from None
    return target


def _expect(lines: IO[str], word: str) -> None:
    if (line := lines.readline().strip()) != word:
        raise SystemExit(f"the load generator said {line!r} instead of {word!r}")


def _wait_for(port: int, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    patience = time.monotonic() + 60
    while time.monotonic() < patience and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    log.seek(0)
    raise SystemExit(f"the hub did not start:\n{log.read().decode(errors='replace')[-2000:]}")


def _cpu(pid: int) -> float:
    """Seconds of all threads of a process. schedstat counts nanoseconds where stat counts ticks of 10 ms."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def _resident(pid: int) -> int:
    """Bytes"""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    raise SystemExit(main())
