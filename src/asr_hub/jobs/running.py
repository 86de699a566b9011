"""What is done with a job: its file is cut, its segments are heard, and the text is written down."""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from asr_hub.errors import HubError, Overloaded, ProviderError, ProviderUnavailable, unwrapped
from asr_hub.jobs.database import Database
from asr_hub.jobs.facts import Telling
from asr_hub.jobs.history import History, words_in
from asr_hub.jobs.job import Failure, HeardSegment, JobId, Segment
from asr_hub.jobs.ledger import Claim, Ledger, Lost, Plan
from asr_hub.jobs.ports import AudioStore, Cut, Cutter, Hear, Spool
from asr_hub.jobs.precedence import Precedence
from asr_hub.jobs.tables import Standing
from asr_hub.jobs.work import hear_segment, result_of
from asr_hub.telemetry import logs

SPOOLS = "spools"

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

P = ParamSpec("P")
T = TypeVar("T")

_log = logs.get("asr_hub.jobs")


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What runs need."""

    hear: Hear
    cutter: Cutter
    audio: AudioStore
    folder: Path
    executor: str
    timeout_s: float
    attempts: int
    history: History
    precedence: Precedence
    pause: Callable[[float], Awaitable[None]]
    """Waits for so many seconds."""


class Runs:
    """The jobs that this process works at. Each has a task, which is told to stop, or is cancelled where all ends."""

    def __init__(self, database: Database, ledger: Ledger, telling: Telling, parts: Parts) -> None:
        self._database = database
        self._ledger = ledger
        self._telling = telling
        self._parts = parts
        self._running: dict[JobId, _Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def tokens(self) -> dict[JobId, str]:
        """Of each job that runs here, that of its run."""
        return {id: run.claim.token for id, run in self._running.items()}

    async def transcribe(self, id: JobId, turn: str) -> None:
        """
        Work at a job, until it is over or somebody else's.

        Returns at once where it is not to be worked at. Cancelled only where all ends: the job stays as it is then.
        """
        if self._is_closed:
            raise asyncio.CancelledError
        task = asyncio.ensure_future(self._work(id, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await task

    def stop(self, id: JobId) -> None:
        """Nobody is to work at this any more; nothing where it does not run here."""
        run = self._running.get(id)
        if run is not None:
            run.stop()

    async def close(self) -> None:
        """End the runs and leave their jobs as they are."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, id: JobId, turn: str) -> None:
        await self._parts.precedence.given()
        claim = await self._database.insist(self._ledger.claim, id, turn, self._parts.executor, secrets.token_hex(8))
        if claim is None:
            return
        self._telling.tell(claim.standing)
        _log.info("job.started", job=id, run=claim.standing.job.runs, segments_done=len(claim.done))
        # Where it was taken from this process and given back, the run from before is still ending, and tidies up.
        while (before := self._running.get(id)) is not None:
            before.stop()
            await before.ended.wait()
        run = self._running[id] = _Run(self, claim)
        try:
            await run.until_stopped()
        finally:
            del self._running[id]
            run.ended.set()


class _Run:
    """One job on its way through this process."""

    def __init__(self, runs: Runs, claim: Claim) -> None:
        self.claim = claim
        self._runs = runs
        self._parts = runs._parts
        self._database = runs._database
        self._ledger = runs._ledger
        self.ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._waits_for: HubError | None = None
        """What was away when it was wanted last."""

    def stop(self) -> None:
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()

    async def until_stopped(self) -> None:
        if self._is_stopped:
            return
        self._task = asyncio.ensure_future(self._to_its_end())
        try:
            await self._task
        except asyncio.CancelledError:
            # Where all ends, what is decoded stays for the next start.
            if not self._is_stopped:
                raise
        await asyncio.to_thread(self._tidy)

    async def _to_its_end(self) -> None:
        id = self.claim.id
        try:
            await self._in_time()
        except Lost:
            _log.info("job.lost", job=id)
            self._is_stopped = True
            # It may be this run that changed it, where the answer of the database was lost.
            found = await self._database.insist(self._ledger.find, id)
            if found is not None:
                self._runs._telling.tell(found)
        except HubError as error:
            await self._fail(Failure(code=error.code, message=str(error), retryable=error.retryable))
        except Exception as error:  # noqa: BLE001 - a defect must not take the queue with it
            _log.exception("job.defect", error, job=id)
            await self._fail(
                Failure(code="internal", message=f"the hub has a defect ({type(error).__name__}): see its log")
            )

    async def _in_time(self) -> None:
        # Of this run: what went by while no hub was there is not the job's.
        try:
            async with asyncio.timeout(self._parts.timeout_s) as limit:
                await self._transcribe()
        except TimeoutError:
            if not limit.expired():
                raise
            waited = "" if self._waits_for is None else f" ({self._waits_for})"
            raise ProviderError(
                f"it took longer than jobs.timeout_s, {self._parts.timeout_s:g} s{waited}; try again to go on where it "
                "stopped",
                code="job-timeout",
                retryable=True,
            ) from None

    async def _fail(self, failure: Failure) -> None:
        try:
            failed = await self._database.insist(self._ledger.fail, self.claim, failure)
        except Lost:
            return
        await self._parts.history.append(failed.job, 0)
        self._told(failed)
        _log.warning("job.failed", job=self.claim.id, code=failure.code, detail=failure.message)

    async def _transcribe(self) -> None:
        claim = self.claim
        plan, spool = await self._cut()
        missing = [one for one in plan.segments if one.number not in claim.done]
        if missing:
            await self._hear(missing, spool)
        heard = await self._write(self._ledger.heard, claim.id)
        duration_ms = plan.samples * 1000 // plan.rate
        wish = claim.standing.job.wish
        result = await asyncio.to_thread(result_of, duration_ms, heard, wish, plan.warnings, rate=plan.rate)
        done = await self._write(self._ledger.finish, claim, result)
        await self._parts.history.append(done.job, await asyncio.to_thread(words_in, result))
        self._told(done)
        _log.info("job.done", job=claim.id, seconds=plan.samples / plan.rate, segments=len(plan.segments))

    async def _cut(self) -> tuple[Plan, Spool]:
        """How the file is cut, and the file decoded: from before where they are there still."""
        plan = self.claim.plan
        if plan is not None:
            spool = await asyncio.to_thread(self._spool_from_before, plan)
            if spool is not None or len(self.claim.done) >= len(plan.segments):
                return plan, spool or self._spool_of(plan)
        cut = await self._patiently(self._cut_or_nothing)
        if plan is None:
            plan = Plan(
                rate=cut.spool.rate,
                channels=cut.spool.channels,
                samples=cut.spool.samples,
                segments=cut.segments,
                warnings=cut.warnings,
            )
            self._told(await self._write(self._ledger.keep_plan, self.claim, plan))
        return plan, cut.spool

    async def _cut_or_nothing(self) -> Cut:
        """Raises HubError. Jobs that wait for room on the disk must not hold what there is."""
        try:
            return await self._cut_anew()
        except HubError:
            await asyncio.to_thread(self._tidy)
            raise

    async def _cut_anew(self) -> Cut:
        """Raises HubError, also for what the disk says."""
        job = self.claim.standing.job
        try:
            await asyncio.to_thread(self._tidy)
            await asyncio.to_thread(self._folder.mkdir, parents=True)
            source = await self._parts.audio.fetch(job.sha256, self._folder / "audio")
            cut = await self._parts.cutter.cut(source, self._folder, job.wish.channels)
            await asyncio.to_thread(self._mark, cut.spool)
        except OSError as error:
            raise _of_disk(error) from error
        return cut

    async def _hear(self, missing: list[Segment], spool: Spool) -> None:
        """So many at the same time, each begun in its order."""
        job = self.claim.standing.job
        most = max(1, self._parts.hear.at_once(job.wish))
        at_once = min(most, job.handling.batch_size or most, len(missing))
        segments = iter(missing)

        async def lane() -> None:
            for segment in segments:
                heard = await self._hear_one(segment, spool)
                self._told(await self._write(self._ledger.keep_segment, self.claim, heard))

        with unwrapped():
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(lane(), name=f"job {job.id}")

    async def _hear_one(self, segment: Segment, spool: Spool) -> HeardSegment:
        job = self.claim.standing.job

        async def hear() -> HeardSegment:
            try:
                return await hear_segment(spool, segment, job.wish, job.principal, self._parts.hear)
            except OSError as error:
                # To hear it again would not bring it back: the next run cuts the file anew.
                raise _Final(
                    f"the decoded audio is gone ({error.strerror}); try again", code="spool-lost", retryable=True
                ) from error

        return await self._patiently(hear, segment.number)

    async def _patiently(self, step: Callable[[], Awaitable[T]], segment: int | None = None) -> T:
        """
        Do this, of a segment or of the file, until it is done.

        What has no room or is away is waited for, as long as the job may take: else a short outage would fail all that
        wait for it. What fails otherwise is tried so often as `attempts` says. Raises what cannot be tried again.
        """
        pauses = _pauses()
        attempt = 1
        while True:
            await self._parts.precedence.given()
            try:
                return await step()
            except _Final:
                raise
            except HubError as error:
                is_away = isinstance(error, Overloaded | ProviderUnavailable)
                if not error.retryable or (not is_away and attempt >= self._parts.attempts):
                    raise
                self._note(error, attempt, segment, is_away=is_away)
                attempt += not is_away
                pause = error.retry_after or 0.0
            await self._parts.pause(max(next(pauses), pause))

    async def _write(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        await self._parts.precedence.given()
        return await self._database.insist(function, *args, **kwargs)

    def _note(self, error: HubError, attempt: int, segment: int | None, *, is_away: bool) -> None:
        id = self.claim.id
        if not is_away:
            _log.warning("job.step-failed", job=id, segment=segment, attempt=attempt, code=error.code)
            return
        if self._waits_for is None or self._waits_for.code != error.code:
            _log.warning("job.waits", job=id, segment=segment, code=error.code, detail=str(error))
        self._waits_for = error

    def _told(self, standing: Standing) -> None:
        self._runs._telling.tell(standing)

    @property
    def _folder(self) -> Path:
        return self._parts.folder / SPOOLS / f"{self.claim.id}-{self._parts.executor}"

    def _spool_of(self, plan: Plan) -> Spool:
        return Spool(folder=self._folder, rate=plan.rate, channels=plan.channels, samples=plan.samples)

    def _mark(self, spool: Spool) -> None:
        """Say that the spool is whole."""
        (self._folder / _MARK).write_bytes(msgspec.json.encode([spool.rate, spool.channels, spool.samples]))

    def _spool_from_before(self, plan: Plan) -> Spool | None:
        try:
            marked = msgspec.json.decode((self._folder / _MARK).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        spool = self._spool_of(plan)
        is_whole = marked == [plan.rate, plan.channels, plan.samples] and all(
            spool.path(channel).exists() for channel in range(plan.channels)
        )
        return spool if is_whole else None

    def _tidy(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class _Final(ProviderError):
    """This run cannot go on, though another may."""


def _of_disk(error: OSError) -> HubError:
    """No path of this machine is in it: it reaches whoever sent the file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Overloaded("the disk for decoded audio is full: make room, then try again", code="disk-full")
    return ProviderError(
        f"the audio cannot be read or written: {error.strerror or type(error).__name__}; see jobs.folder",
        code="unreadable-audio",
    )


def _pauses() -> Iterator[float]:
    """Seconds, longer each time."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(LONGEST_PAUSE_S, 2 * pause)


_MARK = "whole"
