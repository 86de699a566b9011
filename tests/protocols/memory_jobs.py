"""Jobs and their files in memory, over a real hub: what happens to a job is said by the test. Nothing is heard."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from fastapi import FastAPI
from msgspec.structs import replace
from tests.hubs import scripted

from asr_hub.access.grant import Allowance, Grant, Meter, Scope
from asr_hub.app.running import running_hub
from asr_hub.config.schema import Jobs as Settings
from asr_hub.errors import Conflict, NotFound, Overloaded, ProtocolError, Unauthorized
from asr_hub.hub.facts import StoreFacts
from asr_hub.hub.hub import Hub
from asr_hub.hub.jobs import HubJobs, hub_jobs
from asr_hub.jobs.job import Failure, Handling, Job, JobId, JobState, Result, Wish
from asr_hub.jobs.ports import Page, Place, Query, QueueState
from asr_hub.model import Hypothesis, Word
from asr_hub.protocols import jobs_rest
from asr_hub.protocols.facts import ReloadView
from asr_hub.protocols.http import application
from asr_hub.store.slices.jobs import JobCancelled, JobCut, JobDone, JobFailed, JobForgotten, JobQueued, JobStarted

SAID = Result(
    duration_ms=2_500,
    language="en",
    hypotheses=(
        Hypothesis(
            text="Go forward. Ten meters.",
            start=100,
            end=2_000,
            is_final=True,
            language="en",
            words=(
                Word("Go", 100, 200, 0.5),
                Word("forward.", 200, 700),
                Word("Ten", 1_000, 1_400),
                Word("meters.", 1_400, 2_000),
            ),
        ),
    ),
)


class MemoryAudio:
    """Implements AudioStore."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.read_bytes = 0

    async def put(self, sha256: str, source: Path) -> None:
        self.files[sha256] = await asyncio.to_thread(source.read_bytes)
        await asyncio.to_thread(source.unlink)

    async def fetch(self, sha256: str, target: Path) -> Path:
        await asyncio.to_thread(target.write_bytes, self._get(sha256))
        return target

    async def size(self, sha256: str) -> int:
        return len(self._get(sha256))

    async def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        data = self._get(sha256)
        for at in range(start, end, 1000):
            piece = data[at : min(at + 1000, end)]
            self.read_bytes += len(piece)
            yield piece

    async def delete(self, sha256: str) -> None:
        self.files.pop(sha256, None)

    async def all(self) -> Sequence[tuple[str, int, float]]:
        return [(sha256, len(data), 0.0) for sha256, data in self.files.items()]

    def _get(self, sha256: str) -> bytes:
        if sha256 not in self.files:
            raise NotFound("no such audio", code="unknown-audio")
        return self.files[sha256]


class MemoryJobs:
    """Implements JobStore."""

    def __init__(self, hub: Hub, audio: MemoryAudio) -> None:
        self.jobs: dict[str, Job] = {}
        self.results: dict[str, Result] = {}
        self.refusal: Exception | None = None
        self.submitted = asyncio.Event()
        self._hub = hub
        self._audio = audio
        self._clock = 1_000.0

    async def submit(
        self, audio: Path, *, sha256: str, size: int, name: str, principal: str, wish: Wish, handling: Handling
    ) -> tuple[Job, bool]:
        if self.refusal is not None:
            raise self.refusal
        id = JobId(hashlib.sha256(msgspec.json.encode((sha256, wish, principal))).hexdigest()[:32])
        if id in self.jobs:
            if self.jobs[id].state in (JobState.FAILED, JobState.CANCELLED):
                await self.retry(id)
            return self.jobs[id], False
        await self._audio.put(sha256, audio)
        self._clock += 1
        self.jobs[id] = Job(
            id=id,
            principal=principal,
            name=name,
            sha256=sha256,
            size=size,
            wish=wish,
            handling=handling,
            state=JobState.QUEUED,
            created_at=self._clock,
            updated_at=self._clock,
        )
        self._hub.dispatch(JobQueued(at=self._clock, job=id, principal=principal, provider=wish.provider))
        self.submitted.set()
        return self.jobs[id], True

    async def job(self, id: JobId) -> Job:
        if self.refusal is not None:
            raise self.refusal
        if id not in self.jobs:
            raise NotFound("no such job", code="unknown-job")
        return self.jobs[id]

    async def place(self, job: Job) -> Place:
        waiting = [one.id for one in self.jobs.values() if one.state is JobState.QUEUED]
        return Place(position=waiting.index(job.id) if job.id in waiting else 0, wait_s=None)

    async def result(self, id: JobId) -> Result:
        await self.job(id)
        if id not in self.results:
            raise Conflict("the job is not done", code="not-done")
        return self.results[id]

    async def cancel(self, id: JobId) -> Job:
        if not (await self.job(id)).state.is_over:
            self._set(id, JobState.CANCELLED)
            self._hub.dispatch(JobCancelled(at=self._clock, job=id))
        return self.jobs[id]

    async def retry(self, id: JobId) -> Job:
        job = await self.job(id)
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise Conflict("the job has not failed", code="not-failed")
        self._set(id, JobState.QUEUED)
        self._hub.dispatch(JobQueued(at=self._clock, job=id, principal=job.principal, provider=job.wish.provider))
        return self.jobs[id]

    async def delete(self, id: JobId) -> None:
        await self.job(id)
        await self._audio.delete(self.jobs.pop(id).sha256)
        self._hub.dispatch(JobForgotten(at=self._clock, job=id))

    async def history(self, query: Query) -> Page:
        if query.after is not None and query.after not in self.jobs:
            raise ProtocolError("no page ended there", code="bad-value")
        found = [
            job
            for job in reversed(self.jobs.values())
            if query.principal in (None, job.principal)
            and (not query.states or job.state in query.states)
            and query.text in job.name
            and (query.since is None or job.created_at >= query.since)
            and (query.until is None or job.created_at < query.until)
        ]
        ids = [str(job.id) for job in found]
        begin = ids.index(query.after) + 1 if query.after in ids else 0
        jobs = found[begin : begin + query.limit]
        more = begin + query.limit < len(found)
        return Page(jobs=tuple(jobs), next=jobs[-1].id if more else None, total=len(found))

    async def queue(self) -> QueueState:
        def count(state: JobState) -> int:
            return sum(job.state is state for job in self.jobs.values())

        return QueueState(
            queued={"scripted": count(JobState.QUEUED)},
            processing={"scripted": count(JobState.PROCESSING)},
            over={state.value: count(state) for state in JobState if state.is_over and count(state)},
            executors=("here:1",),
            speed=20.0,
        )

    # What the test has happen.

    def cut(self, id: str, seconds: float) -> None:
        self._set(id, JobState.PROCESSING, seconds=seconds, segments=4, segments_done=1)
        self._hub.dispatch(JobStarted(at=self._clock, job=id))
        self._hub.dispatch(JobCut(at=self._clock, job=id, seconds=seconds, segments=4))

    def finish(self, id: str, result: Result = SAID) -> None:
        self.results[id] = result
        self._set(id, JobState.DONE, seconds=result.duration_ms / 1000)
        self._hub.dispatch(JobDone(at=self._clock, job=id))

    def fail(self, id: str, failure: Failure) -> None:
        self._set(id, JobState.FAILED, failure=failure)
        self._hub.dispatch(JobFailed(at=self._clock, job=id, code=failure.code, message=failure.message))

    def _set(self, id: str, state: JobState, **fields: object) -> None:
        self._clock += 1
        self.jobs[id] = replace(self.jobs[id], state=state, updated_at=self._clock, **fields)


class Keys:
    """A door: `NAME` may speak and watch, `NAME:SCOPE` just that, `admin` everything; `NAME@` is for one session."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meters: dict[str, Meter] = {}

    def admit(self, secret: str | None) -> Grant:
        if not secret:
            raise Unauthorized("no key")
        name, _, scope = secret.partition(":")
        scopes = frozenset({Scope(scope)}) if scope else frozenset({Scope.SPEAK, Scope.WATCH})
        if name == "admin":
            scopes = frozenset(Scope)
        session = "somebody's" if name.endswith("@") else None
        name = name.rstrip("@")
        return Grant(name=name, scopes=scopes, session=session, meter=self.meters.get(name))

    def limit(self, name: str, seconds: float) -> None:
        """The key may use so much audio in an hour."""
        self.meters[name] = Meter(Allowance(audio_s_per_hour=seconds), now=lambda: self.now)


class Files:
    """A hub that takes files, and all that stands around it."""

    def __init__(self, hub: Hub, jobs: HubJobs, store: MemoryJobs, audio: MemoryAudio, folder: Path) -> None:
        self.hub = hub
        self.jobs = jobs
        self.store = store
        self.audio = audio
        self.folder = folder
        self.keys = Keys()
        self.facts = StoreFacts(hub, _no_reload)

    def app(self, *, patience: float = 60.0, linger: float = 0.0) -> FastAPI:
        return application(
            jobs_rest.router(self.jobs, self.facts, self.keys, patience=patience, linger=linger),
        )

    @property
    def left(self) -> list[str]:
        """What lies in the folder of files that are on their way."""
        return [path.name for path in self.folder.iterdir()]


@asynccontextmanager
async def files(folder: Path, *, webhooks: bool = False, max_file_bytes: int = 1 << 20) -> AsyncIterator[Files]:
    settings = Settings(max_file_bytes=max_file_bytes)
    async with running_hub(scripted({"languages": ["en", "de"]})) as hub:
        audio = MemoryAudio()
        store = MemoryJobs(hub, audio)
        check = _check_webhook if webhooks else None
        async with hub_jobs(hub, store, audio, settings, folder / "uploads", check_webhook=check) as jobs:
            yield Files(hub, jobs, store, audio, folder / "uploads")


def _check_webhook(url: str) -> None:
    if not url.startswith("https://example.org/"):
        raise ProtocolError("it leads inside", code="webhook-refused")


async def _no_reload() -> ReloadView:
    raise Overloaded("nothing is read again here")
