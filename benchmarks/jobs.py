"""
What do a thousand files at once do to the hub: is each taken within 100 ms (95th percentile) while a hundred are
worked at, do those with priority go first, does memory stay flat and the disk within retention, and what does a file
cost that was heard before?

`python -m benchmarks.jobs [--jobs 1000] [--concurrency 100] [--rate 5] [--engine 4] [--seconds 60] [--rounds 1]`

`asr-hub serve` in a process of its own, with an engine that takes `--engine` seconds for each segment and no processor,
as one on a device of its own does; what is measured is everything else. Files are made beforehand from a seed, of 1 to
`--seconds` seconds (the logarithm is spread evenly), half WAV and half FLAC. They are sent as people send them: by
chance, `--rate` a second, whether or not those before are answered, over connections that stay. That is more than the
engine is through with, so that as many are worked at as may be, and the rest waits. The last twentieth of the jobs has
priority 1, all others 50.

`--rate 0 --submitters 4`: as fast as they are answered, by so many. That shows what the machine takes in, with the
client and the decoders on it, and says little of how long anybody waits.

* submit: from when it was due to the answer, when the file and its job outlive a power cut.
* floor: every fourth file goes to a bare server, too, right after its submission: it hashes the body, writes it and
  waits for the disk, and promises nothing else. It has the same neighbours, and the same disk.
* again: files whose jobs are kept are submitted once more, after the queue is empty.

Times of jobs are the hub's own, from its log. Memory is that of the server, and of the processes that it started,
twice a second. Exits with 1 where the question is answered with no.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import os
import platform
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx
import msgspec
import numpy as np
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.processes import cpu_seconds, free_port, memory_mb

RATE = 16_000
SUBMIT_P95_MS = 100.0
GROWTH = 1.15
"""Times the memory of the second quarter of a round that the last quarter may have."""
URGENT_OF = 20
"""One job in so many is urgent."""
FLOOR_OF = 4
ON_THEIR_WAY = 64
"""Files that may be on their way at the same time, where they are sent by their rate."""
AGAIN = 50
SEGMENTS = 64
"""That the engine hears at the same time."""
IDLE_S = 5.0
PATIENCE_S = 540.0
SETTLE_S = 30.0


class Options(argparse.Namespace):
    jobs: int
    concurrency: int
    rate: float
    engine: float
    submitters: int
    seconds: float
    rounds: int
    seed: int
    floor: Path | None
    port: int


class Sent(NamedTuple):
    """One answer to a submission."""

    id: str
    ms: float
    is_new: bool
    status: str


class Moment(NamedTuple):
    """What the hub took at one time."""

    server_mb: float
    children_mb: float
    disk_mb: float
    audio_files: int


class Told(msgspec.Struct, kw_only=True):
    """What the hub's log says of a job. Times are seconds since the epoch."""

    id: str
    created: float = 0.0
    started: float = 0.0
    done: int = 0
    """How often"""
    seconds: float = 0.0
    segments: int = 0


class Round(msgspec.Struct, kw_only=True):
    """What one thousand files did."""

    submitted: list[Sent]
    floor_ms: list[float]
    again: list[Sent]
    told: list[Told]
    urgent: frozenset[str]
    moments: list[Moment]
    submit_s: float
    """Seconds until all were submitted."""
    all_s: float
    """Seconds until all were done."""
    waiting: int
    """Jobs that waited when the last was submitted."""
    idle: float
    """Cores, while there was nothing to do."""
    kept: int
    """Jobs that are kept in the end"""


class Files:
    """Speech-like sounds: tones of about 200 ms, and pauses. The same number gives the same file."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._seed = seed
        self._seconds = seconds
        drawn = np.random.default_rng(seed)
        at = np.arange(int((seconds + 30) * RATE)) / RATE
        pitch = 110 + 40 * np.sin(2 * np.pi * 0.7 * at)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(n * phase) / n for n in range(1, 12))
        # Utterances of 1 to 6 s with pauses of about a second, as people talk.
        loud = np.zeros_like(at)
        start = 0
        while start < len(at):
            end = start + int(drawn.uniform(1, 6) * RATE)
            loud[start:end] = 1
            start = end + int(drawn.uniform(0.6, 1.4) * RATE)
        syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4.5 * at)
        sound = 0.2 * voice * loud * syllables + 0.002 * drawn.standard_normal(len(at))
        self._samples = (np.clip(sound, -1, 1) * 32_000).astype("<i2")
        self._folder = Path()

    def write(self, folder: Path, count: int) -> None:
        """Make so many, before anything is measured."""
        folder.mkdir()
        self._folder = folder
        for number in range(count):
            name, data = self._made(number)
            (folder / name).write_bytes(data)

    def read(self, number: int) -> tuple[str, bytes]:
        """A name and a file."""
        path = self._folder / _name(number)
        return path.name, path.read_bytes()

    def _made(self, number: int) -> tuple[str, bytes]:
        drawn = random.Random(f"{self._seed} {number}")
        count = int(self._seconds ** drawn.random() * RATE)
        start = drawn.randrange(len(self._samples) - count)
        samples = self._samples[start : start + count].copy()
        # No two are the same.
        samples[:4] = np.frombuffer(number.to_bytes(8, "little"), "<i2")
        file = io.BytesIO()
        if number % 2:
            with av.open(file, "w", format="flac") as container:
                stream = container.add_stream("flac", rate=RATE, layout="mono")
                frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
                frame.sample_rate = RATE
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            return _name(number), file.getvalue()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(RATE)
            writer.writeframes(samples.tobytes())
        return _name(number), file.getvalue()


def _name(number: int) -> str:
    return f"{number}.flac" if number % 2 else f"{number}.wav"


class Watch:
    """Looks at the hub's processes and its folder, in a thread."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.moments: list[Moment] = []
        self._pid = pid
        self._folder = folder
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.5):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                server = memory_mb(self._pid, "VmRSS")
                children = sum(_memory(child) for child in _children(self._pid))
                size, files = _disk(self._folder)
                self.moments.append(Moment(server, children, size, files))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__.split("\n\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5.0, help="files that are sent each second; 0: by submitters")
    parser.add_argument("--engine", type=float, default=4.0, help="seconds that the engine takes for a segment")
    parser.add_argument("--submitters", type=int, default=4, help="files that are sent at the same time, without rate")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the longest file")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(namespace=Options())
    if options.floor is not None:
        serve_floor(options.floor, options.port)
        return 0
    print(__doc__)
    print(
        f"CPython {platform.python_version()}, dbos {version('dbos')}, SQLAlchemy {version('sqlalchemy')}; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
    )
    files = Files(options.seed, options.seconds)
    is_well = True
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="benchmark-jobs-") as folder:
            files.write(Path(folder) / "files", options.jobs + 1)
            is_well &= report(measure(files, options, Path(folder)), options)
        print(f"\nround {number + 1}: load of the machine now {os.getloadavg()[0]:.1f}\n", flush=True)
    return 0 if is_well else 1


def retained(options: Options) -> int:
    """Jobs that retention keeps."""
    return max(1, options.jobs * 3 // 10)


def measure(files: Files, options: Options, folder: Path) -> Round:
    """One round."""
    jobs = folder / "jobs"
    with hub(options, folder) as (pid, url), floor(folder / "floor") as floor_url, httpx.Client(timeout=120) as client:
        # DBOS and the processes that decode are loaded with the first job.
        name, data = files.read(options.jobs)
        first = submit(client, url, name, data, 50)
        until_done(client, url)
        before, began = cpu_seconds(pid), time.monotonic()
        time.sleep(IDLE_S)
        idle = (cpu_seconds(pid) - before) / (time.monotonic() - began)
        with Watch(pid, jobs) as watch:
            began = time.monotonic()
            urgent_from = options.jobs - options.jobs // URGENT_OF
            sent, floor_ms = submit_all(files, options, range(urgent_from), url, floor_url, 50)
            urgent, more_ms = submit_all(files, options, range(urgent_from, options.jobs), url, floor_url, 1)
            submit_s = time.monotonic() - began
            waiting = queue_of(client, url)[0]
            until_done(client, url)
            all_s = time.monotonic() - began
            settle(client, url, retained(options))
            moments = list(watch.moments)
        told = [one for one in log_of(folder / "logs") if one.id != first.id]
        kept_ids = recent(client, url)
        numbers = [number for number, one in enumerate(sent + urgent) if one.id in kept_ids][:AGAIN]
        again = [submit(client, url, *files.read(number), 1 if number >= urgent_from else 50) for number in numbers]
        kept = client.get(f"{url}/api/v1/asr/history", params={"limit": 1}).raise_for_status().json()["total"]
    return Round(
        submitted=sent + urgent,
        floor_ms=floor_ms + more_ms,
        again=again,
        told=told,
        urgent=frozenset(one.id for one in urgent),
        moments=moments,
        submit_s=submit_s,
        all_s=all_s,
        waiting=waiting,
        idle=idle,
        kept=kept,
    )


def submit_all(
    files: Files, options: Options, numbers: range, url: str, floor_url: str, priority: int
) -> tuple[list[Sent], list[float]]:
    """In the order of the numbers, each when it is due."""
    floor_ms: list[float] = []
    local = threading.local()
    clients: list[httpx.Client] = []
    # Reading the certificates of the world takes a client longer than the hub takes for a file: they are read once.
    certificates = ssl.create_default_context()
    due = due_at(options, numbers)

    def send(number: int) -> Sent:
        if not hasattr(local, "client"):
            local.client = httpx.Client(timeout=120, verify=certificates)
            clients.append(local.client)
        name, data = files.read(number)
        at = due.get(number)
        if at is not None:
            time.sleep(max(0.0, at - time.perf_counter()))
        sent = submit(local.client, url, name, data, priority, at)
        if number % FLOOR_OF == 0 or number % FLOOR_OF == 3:
            began = time.perf_counter()
            local.client.post(floor_url, content=data).raise_for_status()
            floor_ms.append((time.perf_counter() - began) * 1000)
        return sent

    try:
        with ThreadPoolExecutor(ON_THEIR_WAY if options.rate else options.submitters) as threads:
            return list(threads.map(send, numbers)), floor_ms
    finally:
        for client in clients:
            client.close()


def due_at(options: Options, numbers: range) -> dict[int, float]:
    """When each is to be sent, as `time.perf_counter` has it: as Poisson says. Nothing without a rate."""
    if not options.rate:
        return {}
    drawn = random.Random(f"{options.seed} {numbers}")
    at, due = time.perf_counter(), {}
    for number in numbers:
        at += drawn.expovariate(options.rate)
        due[number] = at
    return due


def submit(client: httpx.Client, url: str, name: str, data: bytes, priority: int, due: float | None = None) -> Sent:
    # From when it was due: what waits behind a slow one counts, too.
    began = time.perf_counter() if due is None else due
    answer = client.post(f"{url}/api/v1/asr/submit", files={"audio": (name, data)}, data={"priority": str(priority)})
    ms = (time.perf_counter() - began) * 1000
    if answer.is_error:
        raise SystemExit(f"{name} was not taken: {answer.status_code} {answer.text}")
    said = answer.json()
    return Sent(said["task_id"], ms, said["is_new"], said["status"])


def queue_of(client: httpx.Client, url: str) -> tuple[int, int]:
    """How many wait, and how many are worked at."""
    said = client.get(f"{url}/api/v1/asr/queue/status").raise_for_status().json()
    return sum(said["queued"].values()), sum(said["processing"].values())


def until_done(client: httpx.Client, url: str) -> None:
    patience = time.monotonic() + PATIENCE_S
    while sum(queue_of(client, url)):
        if time.monotonic() > patience:
            raise SystemExit(f"after {PATIENCE_S:.0f} s jobs are still not done: {queue_of(client, url)}")
        time.sleep(0.5)


def settle(client: httpx.Client, url: str, jobs: int) -> None:
    """Until no more is kept than may be, or that takes far too long."""
    patience = time.monotonic() + SETTLE_S
    while time.monotonic() < patience:
        said = client.get(f"{url}/api/v1/asr/history", params={"limit": 1}).raise_for_status().json()
        if said["total"] <= jobs:
            break
        time.sleep(0.5)
    # What it looks like then is looked at once more.
    time.sleep(1.1)


def recent(client: httpx.Client, url: str) -> frozenset[str]:
    """Jobs that are kept."""
    said = client.get(f"{url}/api/v1/asr/history", params={"limit": 200}).raise_for_status().json()
    return frozenset(one["task_id"] for one in said["jobs"])


def log_of(folder: Path) -> list[Told]:
    """Of every job, also of those that are kept no longer."""
    told: dict[str, Told] = {}
    lines = [line for path in folder.glob("worker.log*") for line in path.read_bytes().splitlines()]
    for said in map(msgspec.json.decode, lines):
        job = told.setdefault(said.get("job", ""), Told(id=said.get("job", "")))
        at = datetime.fromisoformat(said["time"]).timestamp()
        match said["event"]:
            case "job.submitted" if said["is_new"]:
                job.created = at
            case "job.started":
                job.started = at
            case "job.done":
                job.done += 1
                job.seconds, job.segments = said["seconds"], said["segments"]
    return [one for one in told.values() if one.created]


def overtaken(urgent: frozenset[str], told: Sequence[Told]) -> list[int]:
    """For each urgent job, how many that waited beside it, and were less urgent, were begun before it."""
    usual = [one for one in told if one.id not in urgent]
    return [sum(one.created < it.created < one.started < it.started for one in usual) for it in told if it.id in urgent]


def report(it: Round, options: Options) -> bool:
    """Whether all is as it should be."""
    audio_s = sum(one.seconds for one in it.told)
    segments = sum(one.segments for one in it.told)
    done = sum(one.done for one in it.told)
    usual_wait = [one.started - one.created for one in it.told if one.id not in it.urgent]
    urgent_wait = [one.started - one.created for one in it.told if one.id in it.urgent]
    before = overtaken(it.urgent, it.told)
    print(f"{'milliseconds':34} {'count':>6} {'p50':>8} {'p95':>8} {'p99':>8} {'most':>8}")
    row("submit", [one.ms for one in it.submitted])
    row("floor: hash, write, fsync", it.floor_ms)
    row("the same audio again", [one.ms for one in it.again])
    print(f"\n{'seconds from submit to begin':34} {'count':>6} {'p50':>8} {'p95':>8} {'p99':>8} {'most':>8}")
    row("priority 50", usual_wait)
    row("priority 1, submitted last", urgent_wait)
    print(
        f"\n{done} of {len(it.submitted)} jobs done, {audio_s / 3600:.1f} hours in {segments} segments; submitted in "
        f"{it.submit_s:.0f} s, done in {it.all_s:.0f} s: {done / it.all_s:.1f} jobs/s, {segments / it.all_s:.1f} "
        f"segments/s, {audio_s / it.all_s:.0f} times real time\n"
        f"{it.waiting} waited when the last was submitted\n"
        f"an empty queue takes {it.idle * 100:.1f}% of a core\n"
    )
    print(f"{'part of the round':20} {'server MiB':>11} {'children MiB':>13} {'disk MiB':>9} {'files kept':>11}")
    for part in range(10):
        some = it.moments[len(it.moments) * part // 10 : max(1, len(it.moments) * (part + 1) // 10)]
        print(
            f"{f'{part * 10} to {part * 10 + 10}%':20} {_middle(one.server_mb for one in some):11.0f} "
            f"{_middle(one.children_mb for one in some):13.0f} {_middle(one.disk_mb for one in some):9.0f} "
            f"{_middle(one.audio_files for one in some):11.0f}"
        )
    last = it.moments[-1]
    print(
        f"{'in the end':20} {last.server_mb:11.0f} {last.children_mb:13.0f} {last.disk_mb:9.0f} {last.audio_files:11}\n"
    )
    quarter = len(it.moments) // 4
    early = _middle(one.server_mb + one.children_mb for one in it.moments[quarter : 2 * quarter])
    late = _middle(one.server_mb + one.children_mb for one in it.moments[3 * quarter :])
    p95 = percentile([one.ms for one in it.submitted], 95)
    answers = {
        f"submit p95 {p95:.0f} ms, below {SUBMIT_P95_MS:.0f}": p95 < SUBMIT_P95_MS,
        f"every job done once: {done}, {len({one.id for one in it.told})} different": done
        == len({one.id for one in it.told})
        == len(it.submitted),
        f"at most {max(before, default=0)} less urgent ones were begun before an urgent one that waited beside them "
        f"(median {_middle(before):.0f}); handed out already may be {options.concurrency}": max(before, default=0)
        <= options.concurrency,
        f"memory of the last quarter {late:.0f} MiB, of the second {early:.0f}": late <= GROWTH * early,
        f"{it.kept} jobs and {last.audio_files} files kept, {retained(options)} may be": it.kept <= retained(options)
        and last.audio_files <= retained(options),
        f"{len(it.again)} submitted again, {sum(one.is_new for one in it.again)} of them new jobs": bool(it.again)
        and all(not one.is_new and one.status == "done" for one in it.again),
    }
    for said, is_met in answers.items():
        print(f"{said}: {'met' if is_met else 'NOT met'}")
    return all(answers.values())


def row(name: str, values: list[float]) -> None:
    if values:
        figures = (*(percentile(values, share) for share in (50, 95, 99)), max(values))
        print(f"{name:34} {len(values):6} " + " ".join(f"{figure:8.1f}" for figure in figures))


def percentile(values: Sequence[float], share: int) -> float:
    return float(np.percentile(values, share)) if values else 0.0


@contextlib.contextmanager
def hub(options: Options, folder: Path) -> Iterator[tuple[int, str]]:
    """The whole hub in a process of its own. Yields its process id and address."""
    port = free_port()
    config = folder / "hub.yaml"
    config.write_text(yaml.safe_dump(_configuration(options, folder, port)))
    command = [sys.executable, "-m", "asr_hub", "serve", "--config", str(config)]
    with _process(command, f"http://127.0.0.1:{port}/api/v1/health") as pid:
        yield pid, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def floor(folder: Path) -> Iterator[str]:
    """The bare server. Yields its address."""
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.jobs", "--floor", str(folder), "--port", str(port)]
    with _process(command, f"http://127.0.0.1:{port}/") as _:
        yield f"http://127.0.0.1:{port}/"


def serve_floor(folder: Path, port: int) -> None:
    async def take(request: Request) -> Response:
        path = folder / f"{time.monotonic_ns()}-{threading.get_ident()}"
        digest = hashlib.sha256()
        with path.open("wb") as file:
            async for piece in request.stream():
                digest.update(piece)
                file.write(piece)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        path.unlink()
        return Response(digest.hexdigest())

    async def health(request: Request) -> Response:
        return Response("well")

    routes = [Route("/", take, methods=["POST"]), Route("/", health, methods=["GET"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning", loop="uvloop")


def _engine(options: Options) -> dict[str, Any]:
    # As many utterances at the same time as segments: a live session's would find no slot, and there is none.
    return {"partials": False, "max_streams": SEGMENTS, "faults": {"late_s": options.engine}}


def _configuration(options: Options, folder: Path, port: int) -> dict[str, Any]:
    return {
        "provider": "engine",
        "providers": {"engine": {"kind": "scripted", "settings": _engine(options)}},
        "audio": {"vad": "light"},
        "server": {"host": "127.0.0.1", "port": port},
        "logging": {"level": "info", "folder": str(folder / "logs")},
        "jobs": {
            "enabled": "on",
            "folder": str(folder / "jobs"),
            "concurrency": options.concurrency,
            "segments_at_once": SEGMENTS,
            "retention": {"jobs": retained(options)},
        },
    }


@contextlib.contextmanager
def _process(command: list[str], address: str) -> Iterator[int]:
    """Until it answers, and then until the block is left."""
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            patience = time.monotonic() + 120
            while not _answers(address):
                if time.monotonic() > patience or process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"it did not start:\n{log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _children(pid: int) -> Iterator[int]:
    """All processes below this one."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _children(child)


def _memory(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return memory_mb(pid, "VmRSS")
    return 0.0


def _disk(folder: Path) -> tuple[float, int]:
    """MiB below a folder, and files of audio in it."""
    size = files = 0
    for root, _, names in os.walk(folder):
        is_audio = Path(root).parent.name == "audio"
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.stat(os.path.join(root, name)).st_size
                files += is_audio
    return size / 2**20, files


def _middle(values: Any) -> float:
    return float(statistics.median(list(values) or [0.0]))


if __name__ == "__main__":
    sys.exit(main())
