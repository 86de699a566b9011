"""Hubs for files in processes of their own, that are killed and started again, and what their engines heard."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import random
import sys
import time
import wave
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
import sqlalchemy as sa
from tests.chaos.telling_engine import MARK, Told

from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.providers.scripted import BLOCK_MS, Scripted

LONGEST_S = 5
"""Of a segment"""
STEP_S = LONGEST_S - 1
"""Seconds from one to the next: they overlap by one."""
LANES = 4
"""Segments that are heard at the same time."""
JOBS = 2
"""Jobs that are worked at, at the same time."""
COST = 0.03
"""Seconds that the engine takes for one of audio."""

ROOT = Path(__file__).parents[2]
PIECE = 32 * 1024
"""Bytes of a form that are sent at a time."""

T = TypeVar("T")

_WORDS = Scripted(ProviderName("words"), {})


class Tape:
    """A file of noise, whose words and segments are known."""

    def __init__(self, number: int, segments: int) -> None:
        pcm = random.Random(number).randbytes(2 * HUB_RATE * STEP_S * segments)
        written = io.BytesIO()
        with wave.open(written, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(HUB_RATE)
            file.writeframes(pcm)
        block = 2 * HUB_RATE * BLOCK_MS // 1000
        starts = [0, *(2 * HUB_RATE * (STEP_S * n - 1) for n in range(1, segments))]
        self.name = f"noise-{number}.wav"
        self.data = written.getvalue()
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.text = " ".join(_WORDS.word(pcm[at : at + block], 0) for at in range(0, len(pcm), block))
        self.segments = segments
        self.marks = {pcm[at : at + MARK].hex(): Place(self.sha256, n) for n, at in enumerate(starts)}


class Place(NamedTuple):
    """A segment of a file."""

    sha256: str
    number: int


class Hearing(NamedTuple):
    """An engine has begun with a segment."""

    life: int
    place: Place
    at: float


class Event(NamedTuple):
    """A line of a hub's log."""

    life: int
    fields: dict[str, Any]


class Watch:
    """What all hubs of a test have told on stderr, and what their engines heard."""

    def __init__(self) -> None:
        self.tapes: dict[str, Tape] = {}
        self.events: list[Event] = []
        self.begun: list[Hearing] = []
        self.ended: dict[Place, Hearing] = {}
        self.lives = 0
        """How often a hub was started."""
        self._recorded: list[tuple[float, frozenset[Place]]] = []
        self._marks: dict[str, Place] = {}
        self._news = asyncio.Condition()

    def add(self, tape: Tape) -> Tape:
        self.tapes[tape.sha256] = tape
        self._marks.update(tape.marks)
        return tape

    async def read(self, line: bytes, life: int) -> None:
        if line.startswith(b'{"event":"engine.'):
            self._hear(msgspec.json.decode(line, type=Told), life)
        elif line.startswith(b"{"):
            self.events.append(Event(life, json.loads(line)))
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted: Callable[[], T | None], seconds: float = 60) -> T:
        """Wait until what was told has what is wanted in it."""
        found: T | None = None

        def look() -> bool:
            nonlocal found
            found = wanted()
            return found is not None

        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(look)
        assert found is not None
        return found

    async def until_logged(self, event: str, **fields: object) -> Event:
        wanted = {"event": event, **fields}
        return await self.until(
            lambda: next((one for one in self.events if wanted.items() <= one.fields.items()), None)
        )

    def note(self, recorded: frozenset[Place]) -> None:
        """These are written down now, and nobody is to hear them from now on."""
        self._recorded.append((time.monotonic(), recorded))

    def begun_in(self, life: int) -> frozenset[Place]:
        """What the engine of one life began to hear."""
        return frozenset(one.place for one in self.begun if one.life == life)

    @property
    def again(self) -> int:
        """How often a segment was heard again."""
        return len(self.begun) - len({one.place for one in self.begun})

    @property
    def troubles(self) -> list[Event]:
        """Warnings and errors."""
        return [one for one in self.events if one.fields["level"] not in ("info", "debug")]

    def about(self, job: str) -> str:
        """What was logged of a job, for people."""
        return "\n".join(f"{one.life} {one.fields}" for one in self.events if one.fields.get("job") == job)

    @property
    def places(self) -> set[Place]:
        return {place for tape in self.tapes.values() for place in tape.marks.values()}

    def check(self) -> None:
        """Every segment was heard; none twice in one life; and none when it was written down already."""
        assert {one.place for one in self.begun} == self.places
        assert max(Counter((one.life, one.place) for one in self.begun).values()) == 1
        for at, recorded in self._recorded:
            assert not [one for one in self.begun if one.at > at and one.place in recorded]

    def _hear(self, told: Told, life: int) -> None:
        # The engine's test of itself is of no file.
        place = self._marks.get(told.mark)
        if place is None:
            return
        if told.event == "engine.begun":
            self.begun.append(Hearing(life, place, told.at))
        else:
            self.ended[place] = Hearing(life, place, told.at)


class Hub:
    """`asr-hub serve`, one life after the other."""

    def __init__(self, path: Path, watch: Watch) -> None:
        self.path = path
        self.url = ""
        self.life = 0
        self._watch = watch
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._watch.lives += 1
        self.life = self._watch.lives
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asr_hub", "serve", "-c", str(self.path)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "src", self.path.parent)))},
        )
        self._reading = asyncio.create_task(self._read(self._process, self.life))
        serving = await self._watch.until(self._serving)
        self.url = serving.fields["url"]

    async def kill(self) -> None:
        """With SIGKILL. Returns when all its processes are gone; at once where it does not run."""
        if self._process is not None:
            self._process.kill()
            await self._end()

    async def stop(self) -> None:
        """With SIGTERM. Returns when it has ended; at once where it does not run."""
        if self._process is not None:
            self._process.terminate()
            assert await self._end() == 0

    async def _end(self) -> int:
        assert self._process is not None
        assert self._reading is not None
        process, self._process = self._process, None
        async with asyncio.timeout(60):
            # The end of its stderr, which its children have too.
            await self._reading
            return await process.wait()

    async def _read(self, process: asyncio.subprocess.Process, life: int) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            await self._watch.read(line, life)

    def _serving(self) -> Event | None:
        events = self._watch.events
        return next((one for one in events if one.life == self.life and one.fields["event"] == "hub.serving"), None)


def configuration(folder: Path, *, database: str | None = None, **jobs: Any) -> Path:
    """A file of settings with the telling engine, and what makes it known to a hub. `jobs` are settings."""
    brought = folder / "telling_engine-1.dist-info"
    brought.mkdir(parents=True)
    (brought / "METADATA").write_text("Metadata-Version: 2.1\nName: telling-engine\nVersion: 1\n")
    (brought / "entry_points.txt").write_text("[asr_hub.providers]\ntelling = tests.chaos.telling_engine:Telling\n")
    settings: dict[str, Any] = {
        "provider": "telling",
        "providers": {"telling": {"kind": "telling", "settings": {"faults": {"cost": COST}}}},
        "server": {"port": 0},
        "audio": {"vad": "off"},
        "logging": {"format": "json"},
        "jobs": {
            "enabled": "on",
            "folder": str(folder / "jobs"),
            "longest_segment_s": LONGEST_S,
            "segments_at_once": LANES,
            "concurrency": JOBS,
            "dead_after_s": 2,
            "database": database,
            **jobs,
        },
    }
    path = folder / "hub.yaml"
    path.write_text(json.dumps(settings))
    return path


async def submit(
    hub: Hub, tape: Tape, *, share: float = 1.0, then: Callable[[], Awaitable[object]] | None = None
) -> httpx.Response:
    """
    Send a file; `then` is awaited when this share of the form is sent.

    Raises httpx.TransportError where the hub ends meanwhile.
    """
    boundary = b"part-of-a-form"
    head = b'--%b\r\nContent-Disposition: form-data; name="audio"; filename="%b"\r\n\r\n'
    form = head % (boundary, tape.name.encode()) + tape.data + b"\r\n--%b--\r\n" % boundary
    half = round(share * len(form))

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, half, PIECE):
            yield form[at : min(at + PIECE, half)]
        if then is not None:
            await then()
        yield form[half:]

    headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}", "Content-Length": str(len(form))}
    async with httpx.AsyncClient(base_url=hub.url, timeout=60) as client:
        return await client.post("/api/v1/asr/submit", content=body(), headers=headers)


def recorded(database: str) -> frozenset[Place]:
    """The segments that are written down, with all those of jobs that are done."""
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("asr_segments"):
            return frozenset()
        done = connection.execute(sa.text("SELECT sha256, segments FROM asr_jobs WHERE state = 'done'")).all()
        kept = connection.execute(
            sa.text("SELECT sha256, number FROM asr_segments JOIN asr_jobs ON asr_jobs.id = asr_segments.job")
        ).all()
    places = [Place(sha256, number) for sha256, number in kept]
    places += [Place(sha256, number) for sha256, segments in done for number in range(segments)]
    return frozenset(places)
