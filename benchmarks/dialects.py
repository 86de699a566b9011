"""
What does a client of a foreign dialect cost the hub, beside one of its own protocol that says the same?

`python -m benchmarks.dialects [--sessions 8] [--seconds 30] [--rounds 3] [--only vosk]`

`asr-hub serve` in a process of its own, with an engine that hears a made-up word per 200 ms and costs next to nothing.
Each session is a client that sends the same audio in frames of 100 ms, with partials, reads all it is told, and ends as
its dialect does. Clients are a few lines over the bare `websockets` library or a socket, and do not pace themselves:
what is measured is the cost, not how late anything is. CPU is that of the server's process, and of nothing it starts.
The protocols take turns, round by round; the ratio to the native WebSocket is taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import yaml
from websockets.asyncio.client import connect

from benchmarks.processes import cpu_seconds, free_port

FRAME_S = 0.1
NATIVE = "native"


class Ports(NamedTuple):
    """Of one hub."""

    main: int
    vosk: int
    funasr: int
    wyoming: int


def frames(seconds: float, rate: int) -> list[bytes]:
    """Tones of a second with pauses of a second between, in pieces of 100 ms."""
    at = np.arange(int(seconds * rate)) / rate
    sound = np.sin(2 * np.pi * 220 * at) * 0.3 * (at % 2 < 1)
    pcm = (sound * 32767).astype("<i2").tobytes()
    size = int(FRAME_S * rate) * 2
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


async def native(ports: Ports, audio: list[bytes]) -> None:
    async with connect(f"ws://127.0.0.1:{ports.main}/v1/stream", ping_interval=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "start"}))
        reading = asyncio.create_task(_read_all(socket))
        for frame in audio:
            await socket.send(frame)
        await socket.send(json.dumps({"type": "close"}))
        await reading


async def deepgram(ports: Ports, audio: list[bytes]) -> None:
    where = f"ws://127.0.0.1:{ports.main}/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
    async with connect(where, ping_interval=None, compression=None) as socket:
        reading = asyncio.create_task(_read_all(socket))
        for frame in audio:
            await socket.send(frame)
        await socket.send(json.dumps({"type": "CloseStream"}))
        await reading


async def realtime(ports: Ports, audio: list[bytes]) -> None:
    where = f"ws://127.0.0.1:{ports.main}/v1/realtime?intent=transcription"
    pcm16 = {"type": "audio/pcm", "rate": 24000}
    async with connect(where, ping_interval=None, compression=None) as socket:
        told = {"type": "transcription", "audio": {"input": {"format": pcm16, "turn_detection": None}}}
        await socket.send(json.dumps({"type": "session.update", "session": told}))
        reading = asyncio.create_task(_read_until(socket, "transcription.completed"))
        for frame in audio:
            data = base64.b64encode(frame).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": data}))
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        await reading


async def vosk(ports: Ports, audio: list[bytes]) -> None:
    async with connect(f"ws://127.0.0.1:{ports.vosk}", ping_interval=None, compression=None) as socket:
        await socket.send(json.dumps({"config": {"sample_rate": 16000}}))
        for frame in audio:
            await socket.send(frame)
            await socket.recv()
        await socket.send(json.dumps({"eof": 1}))
        await _read_all(socket)


async def funasr(ports: Ports, audio: list[bytes]) -> None:
    async with connect(f"ws://127.0.0.1:{ports.funasr}", ping_interval=None, compression=None) as socket:
        await socket.send(json.dumps({"mode": "2pass", "wav_format": "pcm", "is_speaking": True, "wav_name": "a"}))
        reading = asyncio.create_task(_read_until(socket, '"is_end"'))
        for frame in audio:
            await socket.send(frame)
        await socket.send(json.dumps({"is_speaking": False, "is_end": True}))
        await reading


async def wyoming(ports: Ports, audio: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.wyoming)
    format = {"rate": 16000, "width": 2, "channels": 1}
    writer.write(_event("transcribe", {}) + _event("audio-start", format))
    for frame in audio:
        writer.write(_event("audio-chunk", format, frame))
        await writer.drain()
    writer.write(_event("audio-stop", {}))
    while b'"transcript"' not in await reader.readline():
        pass
    writer.close()
    await writer.wait_closed()


DIALECTS: dict[str, tuple[Callable[[Ports, list[bytes]], Awaitable[None]], int]] = {
    NATIVE: (native, 16_000),
    "deepgram": (deepgram, 16_000),
    "realtime": (realtime, 24_000),
    "vosk": (vosk, 16_000),
    "funasr": (funasr, 16_000),
    "wyoming": (wyoming, 16_000),
}
"""Each with the rate of its audio, in Hertz."""


def _event(type: str, data: dict[str, object], payload: bytes = b"") -> bytes:
    head = {"type": type, "data": data, "payload_length": len(payload)}
    return json.dumps(head).encode() + b"\n" + payload


async def _read_all(socket: object) -> None:
    async for _ in socket:  # type: ignore[attr-defined]
        pass


async def _read_until(socket: object, word: str) -> None:
    async for message in socket:  # type: ignore[attr-defined]
        if word in message:
            return


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dialects", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="of audio in each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=tuple(DIALECTS))
    options = parser.parse_args()
    names = [name for name in DIALECTS if options.only in (None, name) or name == NATIVE]
    print(__doc__)
    print(f"CPython {platform.python_version()}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{options.sessions} sessions at the same time, each of {options.seconds:g} s\n")
    spent: dict[str, list[float]] = {name: [] for name in names}
    with hub() as (pid, ports):
        for name in names:
            # What is loaded with the first session of its kind is no cost of a session.
            measure(pid, ports, name, 1, 2.0)
        for _ in range(options.rounds):
            for name in names:
                spent[name].append(measure(pid, ports, name, options.sessions, options.seconds))
    print(f"{'protocol':12} {'CPU ms per second of audio':>28} {'of native':>10} {'from':>8} {'to':>8}")
    for name in names:
        ratios = [one / base for one, base in zip(spent[name], spent[NATIVE], strict=True)]
        print(
            f"{name:12} {statistics.median(spent[name]) * 1000:28.2f} {statistics.median(ratios):10.2f} "
            f"{min(ratios):8.2f} {max(ratios):8.2f}"
        )
    return 0


def measure(pid: int, ports: Ports, name: str, sessions: int, seconds: float) -> float:
    """CPU seconds of the server for each second of audio."""
    say, rate = DIALECTS[name]
    audio = frames(seconds, rate)

    async def all_at_once() -> None:
        async with asyncio.timeout(300), asyncio.TaskGroup() as group:
            for _ in range(sessions):
                group.create_task(_run(say, ports, audio))

    before = cpu_seconds(pid)
    asyncio.run(all_at_once())
    return (cpu_seconds(pid) - before) / (sessions * seconds)


async def _run(say: Callable[[Ports, list[bytes]], Awaitable[None]], ports: Ports, audio: list[bytes]) -> None:
    await say(ports, audio)


@contextmanager
def hub() -> Iterator[tuple[int, Ports]]:
    """Yields its process and its ports."""
    ports = Ports(*(free_port() for _ in Ports._fields))
    own = {name: {"port": port} for name, port in ports._asdict().items() if name != "main"}
    config = {
        "provider": "engine",
        "providers": {"engine": {"kind": "scripted", "settings": {"max_streams": 256, "wait_s": 60.0}}},
        "audio": {"vad": "light"},
        "server": {"port": ports.main},
        "dialects": own,
        "logging": {"level": "error"},
        "jobs": {"enabled": "off"},
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-dialects-") as folder:
        path = Path(folder) / "hub.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "asr_hub", "serve", "--config", str(path)]
        with subprocess.Popen(command) as process:
            try:
                _wait_for(f"http://127.0.0.1:{ports.main}/ready")
                yield process.pid, ports
            finally:
                process.terminate()


def _wait_for(address: str) -> None:
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        try:
            if httpx.get(address, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("the hub did not start")


if __name__ == "__main__":
    sys.exit(main())
