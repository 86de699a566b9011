"""The webhook of a job: its end is told where the client said, tried again for days, and never at the job's cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import sqlalchemy as sa

from asr_hub.errors import HubError
from asr_hub.jobs.database import Database
from asr_hub.jobs.facts import Telling
from asr_hub.jobs.job import JobId
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.tables import Standing
from asr_hub.jobs.webhook import body_of, delays, event_of, id_of
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.jobs")


class Sender(Protocol):
    """Sends signed messages outside."""

    async def send(self, url: str, body: bytes, *, id: str, timestamp: int) -> None:
        """One attempt. Raises HubError: `retryable` says whether another may help."""
        ...


class Announcing(Protocol):
    """The part of the queue that holds what is to be told."""

    def announce(
        self, connection: sa.Connection, standing: Standing, attempt: int = 1, delay_s: float | None = None
    ) -> None: ...


class Teller:
    """Tells ends of jobs, one attempt at a time: the next one waits in the queue."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        telling: Telling,
        sender: Sender | None,
        queue: Announcing,
        *,
        attempts: int,
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._telling = telling
        self._sender = sender
        self._queue = queue
        self._attempts = attempts
        self._now = now

    async def tell(self, id: JobId, turn: str, attempt: int) -> None:
        """Nothing where the job was deleted, or runs again."""
        found = await self._database.insist(self._ledger.find, id)
        if found is None or found.turn != turn:
            return
        job, url = found.job, found.job.handling.webhook
        if url is None:
            return
        try:
            if self._sender is None:
                raise HubError("this hub sends no webhooks", code="webhooks-off")
            await self._sender.send(url, body_of(job, event_of(job)), id=id_of(job), timestamp=int(self._now()))
        except HubError as error:
            await self._failed(found, attempt, error)

    async def _failed(self, standing: Standing, attempt: int, error: HubError) -> None:
        id = standing.job.id
        _log.warning("job.webhook-failed", job=id, attempt=attempt, code=error.code, detail=str(error))
        if error.retryable and attempt < self._attempts:
            pause = max(delays(self._attempts, id_of(standing.job))[attempt - 1], error.retry_after or 0.0)
            await self._database.insist(self._again, standing, attempt + 1, pause)
            return
        warned = await self._database.insist(self._ledger.warn, id, standing.turn, f"{error.code}: {error}")
        if warned is not None:
            self._telling.tell(warned)

    def _again(self, standing: Standing, attempt: int, delay_s: float) -> None:
        with self._database.writing() as connection:
            self._queue.announce(connection, standing, attempt, delay_s)
