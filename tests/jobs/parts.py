"""The parts that jobs are made of, as small as they can be and still be real: files of numbered segments."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from array import array
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from asr_hub.config.schema import Jobs
from asr_hub.errors import HubError, NotFound, UnsupportedAudio
from asr_hub.jobs.engine import DbosJobs, open_jobs
from asr_hub.jobs.job import Channels, Handling, Job, Segment, Wish
from asr_hub.jobs.ports import Cut, Heard, Spool
from asr_hub.jobs.telling import Sender
from asr_hub.model import Hypothesis, ProviderName
from asr_hub.store.event import Event, JobEvent

RATE = 100
"""Samples of one segment, and in a second."""


def audio_of(path: Path, segments: int, *, name: str = "a") -> tuple[Path, str, int]:
    """A file whose segments are numbered, with its hash and its bytes. Another name: another file."""
    path.mkdir(parents=True, exist_ok=True)
    file = path / f"{name}-{segments}.numbers"
    file.write_text(f"{name} {segments}")
    data = file.read_bytes()
    return file, hashlib.sha256(data).hexdigest(), len(data)


class Knife:
    """A `Cutter` of such files."""

    def __init__(self) -> None:
        self.cuts = 0
        self.hold: asyncio.Event | None = None
        self.failures: list[Exception] = []

    async def cut(
        self, source: Path, folder: Path, channels: Channels, *, on_progress: Callable[[float], None] = lambda _: None
    ) -> Cut:
        self.cuts += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.failures:
            (folder / "0.pcm").write_bytes(b"half")
            raise self.failures.pop(0)
        name, _, number = (await asyncio.to_thread(source.read_text)).partition(" ")
        if name == "noise":
            raise UnsupportedAudio("this is no audio", code="no-audio")
        count = int(number)
        samples = array("h")
        for segment in range(count):
            samples.extend([segment + 1] * RATE)
        (folder / "0.pcm").write_bytes(samples.tobytes())
        return Cut(
            spool=Spool(folder=folder, rate=RATE, channels=1, samples=len(samples)),
            segments=tuple(Segment(number=n, channel=0, start=n * RATE, end=(n + 1) * RATE) for n in range(count)),
            warnings=("cut-short: it breaks off",) if name == "short" else (),
        )


class Ear:
    """A `Hear` that says the number of the segment, counts how often each is heard, and can be held or made to fail."""

    def __init__(self, *, lanes: int = 2) -> None:
        self.heard: Counter[int] = Counter()
        self.order: list[int] = []
        self.lanes = lanes
        self.busy = 0
        self.most_busy = 0
        self.failures: dict[int, list[HubError]] = {}
        self.held: set[int] = set()
        self.cancelled: list[int] = []
        self._begun: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._go: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    def at_once(self, wish: Wish) -> int:
        return self.lanes

    def hold(self, *numbers: int) -> None:
        """From now on these are not let go, and others are."""
        self.held = set(numbers)
        for number in numbers:
            self._begun[number].clear()
            self._go[number].clear()

    async def begun(self, number: int) -> None:
        await self._begun[number].wait()

    def let_go(self) -> None:
        for number in self.held:
            self._go[number].set()
        self.held.clear()

    async def __call__(self, pcm: bytes, rate: int, wish: Wish, principal: str) -> Heard:
        values = set(array("h", pcm))
        assert len(values) == 1, "a segment has the samples of one number"
        number = values.pop() - 1
        self.order.append(number)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        self._begun[number].set()
        try:
            if number in self.held:
                await self._go[number].wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self.busy -= 1
        if self.failures.get(number):
            raise self.failures[number].pop(0)
        self.heard[number] += 1
        return Heard(hypothesis=Hypothesis(text=f"word{number}", start=0, end=1000, is_final=True))


class Shelf:
    """An `AudioStore` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures: list[Exception] = []
        """Of `fetch`"""
        self.refusal: Exception | None = None
        """Of `all`"""
        folder.mkdir(parents=True, exist_ok=True)

    async def put(self, sha256: str, source: Path) -> None:
        if not (self.folder / sha256).exists():
            shutil.copy(source, self.folder / sha256)

    async def fetch(self, sha256: str, target: Path) -> Path:
        if self.failures:
            raise self.failures.pop(0)
        if not (self.folder / sha256).exists():
            raise NotFound(f"there is no audio {sha256}", code="unknown-audio")
        return self.folder / sha256

    async def size(self, sha256: str) -> int:
        return (self.folder / sha256).stat().st_size

    async def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        yield (self.folder / sha256).read_bytes()[start:end]

    async def delete(self, sha256: str) -> None:
        (self.folder / sha256).unlink(missing_ok=True)

    async def all(self) -> Sequence[tuple[str, int, float]]:
        if self.refusal is not None:
            raise self.refusal
        stats = [(file, file.stat()) for file in self.folder.iterdir()]
        return [(file.name, stat.st_size, stat.st_mtime) for file, stat in stats]

    @property
    def names(self) -> set[str]:
        return {file.name for file in self.folder.iterdir()}


class Facts:
    """What the store is told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[JobEvent] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def dispatch(self, event: Event) -> None:
        assert isinstance(event, JobEvent)
        self.told.append(event)
        task = asyncio.ensure_future(self._wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def of(self, job: str) -> list[JobEvent]:
        return [one for one in self.told if one.job == job]

    async def until(self, kind: type[JobEvent], job: str, *, times: int = 1) -> JobEvent:
        """The fact of this kind about this job, the `times`th."""

        def found() -> list[JobEvent]:
            return [one for one in self.told if one.job == job and isinstance(one, kind)]

        async with self._news:
            await self._news.wait_for(lambda: len(found()) >= times)
        return found()[times - 1]

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()


class Workshop:
    """A folder with jobs, that can be opened again and again as a process is started again and again."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = Jobs(**settings)
        self.shelf = Shelf(folder / "audio")
        self.knife = Knife()
        self.ear = Ear()
        self.facts = Facts()
        self.sender: Sender | None = None
        self.time: float | None = None
        self.pauses: list[float] = []
        self.spooled: list[list[Path]] = []
        """The files of spools at each pause."""
        self.model = "one"

    def open(self) -> AbstractAsyncContextManager[DbosJobs]:
        extra: dict[str, Any] = {} if self.time is None else {"now": lambda: self.time}
        return open_jobs(
            self.settings,
            folder=self.folder,
            hear=self.ear,
            cutter=self.knife,
            audio=self.shelf,
            webhooks=self.sender,
            fingerprint=lambda provider: f"{provider} {self.model}",
            dispatch=self.facts.dispatch,
            pause=self._pause,
            **extra,
        )

    async def submit(
        self, jobs: DbosJobs, segments: int, *, name: str = "a", provider: str = "scripted", **handling: Any
    ) -> tuple[Job, bool]:
        file, sha256, size = audio_of(self.folder / "uploads", segments, name=name)
        return await jobs.submit(
            file,
            sha256=sha256,
            size=size,
            name=f"{name}.wav",
            principal="",
            wish=Wish(provider=ProviderName(provider)),
            handling=Handling(**handling),
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.spooled.append(list((self.folder / "spools").glob("*/*")))
        await asyncio.sleep(0)
