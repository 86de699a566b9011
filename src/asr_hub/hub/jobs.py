"""The hub's jobs as protocols see them: who may reach which, what a file may ask for, and waiting for its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from asr_hub.access.grant import Grant, Scope
from asr_hub.audio.files import CONTAINERS
from asr_hub.config import schema
from asr_hub.errors import NotFound, Overloaded, ProtocolError, ProviderUnavailable
from asr_hub.hub.engines import hears
from asr_hub.hub.hub import Hub
from asr_hub.hub.job_charges import Charges
from asr_hub.hub.job_views import queue_view, result_view, submitted_view, task_view, transcript_of
from asr_hub.hub.job_watch import unknown_job
from asr_hub.jobs.ids import is_job_id
from asr_hub.jobs.job import Channels, Handling, Job, JobId, JobState, Wish
from asr_hub.jobs.ports import AudioStore, JobStore, Place, Query
from asr_hub.model import ProviderName
from asr_hub.protocols.jobs_port import (
    Document,
    FormatsView,
    HistoryView,
    JobStatsView,
    Order,
    OutputFormatView,
    QueueView,
    ResultView,
    Search,
    StoredAudio,
    SubmittedView,
    TaskView,
    Upload,
    UploadSettings,
)
from asr_hub.protocols.jobs_upload import UPLOAD_PREFIX
from asr_hub.store.slice import State
from asr_hub.store.slices.jobs import Jobs, jobs, select_job
from asr_hub.text.formats import Format, render

LOOK_S = 2.0
"""Seconds between two looks at a job that somebody waits for: another hub may be the one that works at it."""

LEFT_S = 3600.0
"""Seconds since it grew after which a file on its way is what a hub that was killed has left."""

PAGE = 200
"""Jobs that are read at a time where all are counted."""


@contextlib.asynccontextmanager
async def hub_jobs(
    hub: Hub,
    store: JobStore,
    audio: AudioStore,
    settings: schema.Jobs,
    folder: Path,
    *,
    check_webhook: Callable[[str], None] | None,
) -> AsyncIterator[HubJobs]:
    """
    The jobs of a running hub, until the block is left. Files on their way lie in `folder`, which is made.

    `check_webhook` raises ProtocolError for an address that is not called; without it webhooks are off.
    """
    await asyncio.to_thread(_prepare, folder, time.time())
    mine = HubJobs(hub, store, audio, settings, folder, check_webhook=check_webhook)
    subscription = hub.store.select(_part).subscribe(mine.told)
    try:
        yield mine
    finally:
        subscription.dispose()


class HubJobs:
    """Implements `JobsPort`."""

    def __init__(
        self,
        hub: Hub,
        store: JobStore,
        audio: AudioStore,
        settings: schema.Jobs,
        folder: Path,
        *,
        check_webhook: Callable[[str], None] | None,
    ) -> None:
        self.uploads = UploadSettings(folder=folder, max_bytes=settings.max_file_bytes)
        self._hub = hub
        self._store = store
        self._audio = audio
        self._settings = settings
        self._check_webhook = check_webhook
        self._swept_at = time.time()
        self._charges = Charges()
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def told(self, part: Jobs) -> None:
        """A job has changed."""
        record = part.records.get(part.changed)
        self._charges.told(part.changed, record)
        if record is None or record.is_over:
            for over in self._waiting.get(part.changed, ()):
                over.set()

    def check_room(self, grant: Grant) -> None:
        if self._hub.is_draining:
            raise Overloaded("the hub is shutting down; send the file to another or try again later", code="draining")
        self._charges.check(grant)

    async def submit(self, upload: Upload, order: Order, grant: Grant) -> SubmittedView:
        self.check_room(grant)
        await self._sweep()
        wish, handling = self._wish(order), self._handling(order)
        counted = self._charges.count(grant, upload.size)
        is_new = is_counted = False
        try:
            job, is_new = await self._store.submit(
                upload.path,
                sha256=upload.sha256,
                size=upload.size,
                name=upload.name,
                principal=grant.name,
                wish=wish,
                handling=handling,
            )
            # One that was cancelled before it was decoded, and begins anew, was counted by nobody.
            is_counted = is_new or (self._is_uncounted(job) and not job.state.is_over)
        finally:
            if not is_counted:
                self._charges.give_back(grant, counted)
        if is_counted:
            self._open_charge(job.id, grant, counted)
        return submitted_view(job, await self._store.place(job), is_new=is_new)

    async def _sweep(self) -> None:
        """Now and then, what uploads have left that were killed with their hub."""
        now = time.time()
        if now - self._swept_at > LEFT_S:
            self._swept_at = now
            await asyncio.to_thread(_prepare, self.uploads.folder, now)

    async def wait(self, id: str, grant: Grant) -> None:
        over = asyncio.Event()
        self._waiting[id].add(over)
        try:
            while not (await self._own(id, grant)).state.is_over:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await over.wait()
                over.clear()
        finally:
            self._waiting[id].discard(over)
            if not self._waiting[id]:
                del self._waiting[id]

    async def result(self, id: str, grant: Grant) -> ResultView:
        job = await self._own(id, grant)
        result = await self._store.result(job.id) if job.state is JobState.DONE else None
        place = await self._place(job)
        formats = job.handling.formats or tuple(Format)
        # A text of many hours takes a while: live sessions do not wait for it.
        return await asyncio.to_thread(result_view, job, place, result, formats, is_admin=_is_admin(grant))

    async def document(self, id: str, format: str, grant: Grant) -> Document:
        wanted = _format(format)
        job = await self._own(id, grant)
        result = await self._store.result(job.id)
        text = await asyncio.to_thread(render, transcript_of(job, result), wanted)
        ending = _ENDINGS.get(wanted.value, wanted.value)
        return Document(text=text, media_type=_media_type(wanted), name=f"{_stem(job.name)}.{ending}")

    async def history(self, search: Search, grant: Grant) -> HistoryView:
        if search.everybody:
            grant.must(Scope.ADMIN)
        page = await self._store.history(
            Query(
                principal=None if search.everybody else grant.name,
                states=tuple(map(JobState, search.states)),
                text=search.text,
                since=search.since,
                until=search.until,
                limit=search.limit,
                after=search.after,
            )
        )
        views = [task_view(job, None, is_admin=_is_admin(grant)) for job in page.jobs]
        return HistoryView(jobs=views, next=page.next, total=page.total)

    async def audio(self, id: str, grant: Grant) -> StoredAudio:
        job = await self._own(id, grant)
        return _StoredAudio(self._audio, job.sha256, await self._audio.size(job.sha256), job.name)

    async def cancel(self, id: str, grant: Grant) -> TaskView:
        return await self._view(await self._store.cancel((await self._own(id, grant)).id), grant)

    async def retry(self, id: str, grant: Grant) -> TaskView:
        job = await self._own(id, grant)
        counted = self._charges.count(grant, job.size) if self._is_uncounted(job) else None
        try:
            retried = await self._store.retry(job.id)
        except BaseException:
            if counted is not None:
                self._charges.give_back(grant, counted)
            raise
        if counted is not None:
            self._open_charge(job.id, grant, counted)
        return await self._view(retried, grant)

    def _is_uncounted(self, job: Job) -> bool:
        return job.seconds is None and not self._charges.is_open(job.id)

    def _open_charge(self, job: JobId, grant: Grant, counted: float) -> None:
        self._charges.open(job, grant, counted)
        # Its length may have been told already.
        if (record := select_job(self._hub.store.state, job)) is not None:
            self._charges.told(job, record)

    async def forget(self, id: str, grant: Grant) -> None:
        await self._store.delete((await self._own(id, grant)).id)

    async def queue(self) -> QueueView:
        return queue_view(await self._store.queue())

    async def stats(self) -> JobStatsView:
        queue = await self._store.queue()
        files = await self._audio.all()
        kept = self._settings.retention
        waiting = {"queued": sum(queue.queued.values()), "processing": sum(queue.processing.values())}
        return JobStatsView(
            jobs={**waiting, **{state: queue.over.get(state, 0) for state in _OVER}},
            audio_hours=await self._seconds_done() / 3600,
            queue=queue_view(queue),
            executors=list(queue.executors),
            audio_files=len(files),
            audio_bytes=sum(size for _, size, _ in files),
            kept_days=kept.days,
            kept_jobs=kept.jobs,
            kept_bytes=kept.bytes,
        )

    def formats(self) -> FormatsView:
        return FormatsView(
            inputs=CONTAINERS.split(","),
            outputs=[OutputFormatView(name=one.value, media_type=_media_type(one)) for one in Format],
            max_bytes=self._settings.max_file_bytes,
            max_seconds=self._settings.max_audio_s,
        )

    async def _own(self, id: str, grant: Grant) -> Job:
        """Raises NotFound, the same for a job that is not there and for one of somebody else."""
        if is_job_id(id):
            with contextlib.suppress(NotFound):
                job = await self._store.job(JobId(id))
                if job.principal == grant.name or _is_admin(grant):
                    return job
        raise unknown_job()

    async def _view(self, job: Job, grant: Grant) -> TaskView:
        return task_view(job, await self._place(job), is_admin=_is_admin(grant))

    async def _place(self, job: Job) -> Place | None:
        return await self._store.place(job) if job.state is JobState.QUEUED else None

    def _wish(self, order: Order) -> Wish:
        """Raises NotFound."""
        name = ProviderName(order.provider) if order.provider is not None else self._hub.default
        try:
            provider = self._hub.engines.get(name)
        except ProviderUnavailable:
            # It may come up yet: a file can wait, and its job says so where it does not.
            pass
        else:
            if not hears(provider, order.language):
                raise NotFound(
                    f"{name} does not hear {order.language!r}, only {', '.join(provider.capabilities.languages)}; "
                    "choose another provider",
                    code="unsupported-language",
                )
        return Wish(provider=name, language=order.language, hotwords=order.hotwords, channels=Channels(order.channels))

    def _handling(self, order: Order) -> Handling:
        """Raises ProtocolError."""
        formats = tuple(_format(name).value for name in order.formats)
        if order.webhook is not None:
            if self._check_webhook is None:
                raise ProtocolError(
                    f"no webhooks are sent here: whoever runs the hub sets {self._settings.webhooks.secret_env}; ask "
                    "for the result instead",
                    code="webhooks-off",
                )
            self._check_webhook(order.webhook)
        return Handling(batch_size=order.batch_size, priority=order.priority, formats=formats, webhook=order.webhook)

    async def _seconds_done(self) -> float:
        """Of audio, in the jobs that are done and kept."""
        seconds, after = 0.0, None
        while True:
            page = await self._store.history(Query(states=(JobState.DONE,), limit=PAGE, after=after))
            seconds += sum(job.seconds or 0.0 for job in page.jobs)
            after = page.next
            if after is None:
                return seconds


class _StoredAudio(msgspec.Struct):
    """Implements `StoredAudio`."""

    store: AudioStore
    sha256: str
    size: int
    name: str

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        return self.store.read(self.sha256, start, end)


def _prepare(folder: Path, now: float) -> None:
    """The folder, without what a hub that was killed has left there."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"{UPLOAD_PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < now - LEFT_S:
                path.unlink(missing_ok=True)


def _part(state: State) -> Jobs:
    return jobs.part(state)


def _is_admin(grant: Grant) -> bool:
    return Scope.ADMIN in grant.scopes


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        raise ProtocolError(
            f"there is no format {name[:32]!r}; there are: {', '.join(Format)}", code="bad-value"
        ) from None


def _media_type(format: Format) -> str:
    """With the charset, which JSON has no parameter for (RFC 8259, 11)."""
    name = format.media_type
    return name if name == "application/json" else f"{name}; charset=utf-8"


def _stem(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


_OVER = tuple(state.value for state in JobState if state.is_over)

_ENDINGS = {"verbose_json": "json"}
