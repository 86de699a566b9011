"""How long jobs are kept, and their audio: by age, by number, and by bytes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from asr_hub.config.schema import Retention
from asr_hub.errors import HubError
from asr_hub.jobs.database import Database
from asr_hub.jobs.facts import Telling
from asr_hub.jobs.job import JobId
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.ports import AudioStore
from asr_hub.jobs.running import SPOOLS
from asr_hub.telemetry import logs

UNWANTED_S = 120.0
"""Seconds for which audio may lie without a job: it is kept before its job is written down."""

DAY_S = 86_400.0

_log = logs.get("asr_hub.jobs")


def expired(over: Sequence[tuple[JobId, str, int, float]], limits: Retention, now: float) -> list[JobId]:
    """
    Which of the jobs that are over are kept no longer: id, hash, bytes and end of each, the newest end first.

    Audio that several jobs have is counted once.
    """
    gone: list[JobId] = []
    hashes: set[str] = set()
    total = 0
    for number, (id, sha256, size, ended) in enumerate(over):
        more = 0 if sha256 in hashes else size
        if now - ended > limits.days * DAY_S or number >= limits.jobs or total + more > limits.bytes:
            gone.append(id)
        else:
            hashes.add(sha256)
            total += more
    return gone


class Others(Protocol):
    """What is known of the other hubs on the same database."""

    def is_alone(self, within_s: float) -> bool:
        """Whether no other was there in so many seconds. Blocks."""
        ...


class Keeping:
    """The audio of jobs: kept before its job is written down, deleted when no job wants it any more."""

    def __init__(self, audio: AudioStore) -> None:
        self.audio = audio
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, sha256: str) -> AsyncIterator[None]:
        """Nobody else in this process keeps or deletes this audio meanwhile."""
        lock = self._locks.get(sha256)
        if lock is None:
            lock = self._locks[sha256] = asyncio.Lock()
        async with lock:
            yield


class Sweeper:
    """Deletes what is kept no longer, so that the disk stays bounded."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        telling: Telling,
        keeping: Keeping,
        folder: Path,
        limits: Retention,
        others: Others,
        *,
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._telling = telling
        self._keeping = keeping
        self._folder = folder
        self._limits = limits
        self._others = others
        self._now = now

    async def is_over_full(self) -> bool:
        """Whether more is kept than may be, but for its age. Raises Overloaded."""
        count, size = await self._database.call(self._ledger.load)
        return count > self._limits.jobs or size > self._limits.bytes

    async def sweep_jobs(self) -> int:
        """Forget the jobs that are kept no longer. Returns how many. Raises Overloaded."""
        over = await self._database.call(self._ledger.over)
        gone = 0
        unshared: list[str] = []
        for id in expired(over, self._limits, self._now()):
            deleted = await self._database.call(self._ledger.expire, id)
            if deleted is None:
                continue
            standing, is_shared = deleted
            self._telling.forget(id, self._now(), created_at=standing.job.created_at)
            gone += 1
            if not is_shared:
                unshared.append(standing.job.sha256)
            if len(unshared) >= _PIECE:
                await self.drop(*unshared)
                unshared.clear()
        await self.drop(*unshared)
        if gone:
            _log.info("jobs.expired", jobs=gone)
        return gone

    async def drop(self, *hashes: str) -> None:
        """
        Delete this audio, unless a job wants it. What cannot be deleted now is found by `sweep_audio` later.

        So is what was put lately while other hubs are there: one of them may be about to write down its job.
        """
        if not hashes:
            return
        try:
            lately = await self._put_lately()
            for sha256 in hashes:
                if sha256 not in lately:
                    await self._drop(sha256)
        except HubError as error:
            _log.warning("jobs.audio-kept", code=error.code, detail=str(error))

    async def _put_lately(self) -> frozenset[str]:
        """Nothing where this hub is alone: its own submits are kept apart by `Keeping.alone`."""
        if await self._database.call(self._others.is_alone, UNWANTED_S):
            return frozenset()
        kept = await self._keeping.audio.all()
        return frozenset(sha256 for sha256, _, at in kept if self._now() - at <= UNWANTED_S)

    async def _drop(self, sha256: str) -> None:
        async with self._keeping.alone(sha256):
            if not await self._database.call(self._ledger.is_wanted, sha256):
                await self._keeping.audio.delete(sha256)

    async def sweep_audio(self) -> int:
        """Delete audio that no job wants. Returns of how many files. Raises HubError."""
        kept = await self._keeping.audio.all()
        old = [sha256 for sha256, _, at in kept if self._now() - at > UNWANTED_S]
        wanted = await self._database.call(self._ledger.wanted, old)
        unwanted = [sha256 for sha256 in old if sha256 not in wanted]
        for at in range(0, len(unwanted), _PIECE):
            await self.drop(*unwanted[at : at + _PIECE])
        return len(unwanted)

    async def sweep_spools(self) -> None:
        """
        Delete what was decoded for jobs that are over. Raises Overloaded.

        What another hub decoded for one that is not stays, though nothing is heard of that hub: it may only have been
        cut off from the database, and fail the job where it finds nothing.
        """
        root = self._folder / SPOOLS
        # Before the jobs are asked for: each is written down before there is anything of it.
        folders = await asyncio.to_thread(lambda: [*root.iterdir()] if root.is_dir() else [])
        wanted = {one.job.id for one in await self._database.call(self._ledger.unfinished)}
        for folder in folders:
            if folder.name.partition("-")[0] not in wanted:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


_PIECE = 20
"""Files that are deleted before others' are looked for again."""
