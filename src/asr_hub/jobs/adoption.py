"""
Jobs that nobody works at are put into the queue again: those of hubs that died, and those the queue lost.

So are webhooks that nobody tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from asr_hub.jobs.job import Failure, JobId
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.tables import Standing
from asr_hub.jobs.workflow import MOST_RUNS, Announcement, Entry, Workflows
from asr_hub.telemetry import logs

SETTLED_S = 10.0
"""Seconds for which a job may look lost: between what is read of the queue and of the jobs, others go on."""

_log = logs.get("asr_hub.jobs")


def orphans(
    unfinished: Iterable[Standing], entries: Iterable[Entry], alive: Collection[str], *, before: float
) -> list[Standing]:
    """
    The jobs that nobody works at, and nobody will.

    Their entry is not in the queue, or a hub has it that is not `alive`. What changed after `before` is left alone.
    """
    kept = {(one.job, one.turn): one for one in entries}
    lost: list[Standing] = []
    for one in unfinished:
        entry = kept.get((one.job.id, one.turn))
        is_held = entry is not None and (entry.executor is None or entry.executor in alive)
        if not is_held and one.job.updated_at < before:
            lost.append(one)
    return lost


def left_behind(unfinished: Iterable[Standing], entries: Iterable[Entry], alive: Collection[str]) -> list[Entry]:
    """The entries that a hub has which is not `alive`, and with which nothing is to be done any more."""
    wanted = {(one.job.id, one.turn) for one in unfinished}
    return [
        one
        for one in entries
        if one.executor is not None and one.executor not in alive and (one.job, one.turn) not in wanted
    ]


class Adoption:
    """Finds orphans and takes them in. Everything here blocks."""

    def __init__(self, ledger: Ledger, queue: Workflows, name: str, *, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._queue = queue
        self._name = name
        self._now = now
        self._suspected: dict[str, float] = {}
        """Since when an entry of the queue looks left behind."""

    def of_dead(self, alive: Collection[str]) -> Sequence[Standing]:
        """Those whose hub gave no sign of life for too long, put into the queue again."""
        return self._take([one for one in self._ledger.processing() if one.job.executor not in alive])

    def of_all(self, alive: Collection[str], mine: Collection[JobId]) -> Sequence[Standing]:
        """
        Those and all that the queue has lost. `mine` are those that run here, whatever the queue says.

        Lost is also what it says that this hub has, and does not run here: it was handed out, and the database went
        away before anybody was told. Webhooks that are lost so are announced again.
        """
        # Before the jobs: what is handed out meanwhile is one of those that wait here.
        entries = self._queue.entries()
        unfinished = self._ledger.unfinished()
        others = set(alive) - {self._name}
        lost = orphans(unfinished, entries, others, before=self._now() - SETTLED_S)
        taken = self._take([one for one in lost if one.job.id not in mine])
        self._clear_up(left_behind(unfinished, entries, alive), others)
        return taken

    def _clear_up(self, left: Sequence[Entry], others: Collection[str]) -> None:
        """
        What looked so for a while: a hub may have begun since it was asked who is alive.

        A webhook is told twice where its hub lives after all, with the same id.
        """
        unheld = {one.id: one for one in self._queue.announcements() if one.executor not in others}
        stale = {f"{one.turn} {one.job}": one for one in left}
        now = self._now()
        self._suspected = {id: self._suspected.get(id, now) for id in (*unheld, *stale)}
        settled = {id for id, since in self._suspected.items() if now - since >= SETTLED_S}
        self._queue.forget([one for id, one in stale.items() if id in settled])
        for one in (one for id, one in unheld.items() if id in settled):
            self._announce_again(one)

    def _announce_again(self, one: Announcement) -> None:
        self._queue.announce_again(one)
        _log.warning("job.webhook-adopted", job=one.job, executor=one.executor, by=self._name)

    def _take(self, lost: Sequence[Standing]) -> Sequence[Standing]:
        taken: list[Standing] = []
        for one in lost:
            changed = self._give_up(one) if one.job.runs >= MOST_RUNS else self._ledger.requeue(one)
            if changed is not None:
                taken.append(changed)
                _log.warning("job.adopted", job=one.job.id, executor=one.job.executor, by=self._name)
        return taken

    def _give_up(self, one: Standing) -> Standing | None:
        return self._ledger.give_up(
            one,
            Failure(
                code="job-crashes",
                message=f"it was begun {one.job.runs} times and the hub ended each time; see its log",
            ),
        )
