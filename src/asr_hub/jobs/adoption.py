"""Jobs that nobody works at are put into the queue again: those of hubs that died, and those the queue lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from asr_hub.jobs.job import Failure, JobId
from asr_hub.jobs.ledger import Ledger
from asr_hub.jobs.tables import Standing
from asr_hub.jobs.workflow import MOST_RUNS, Entry, Workflows
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


class Adoption:
    """Finds orphans and takes them in. Everything here blocks."""

    def __init__(self, ledger: Ledger, queue: Workflows, name: str, *, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._queue = queue
        self._name = name
        self._now = now

    def of_dead(self, alive: Collection[str]) -> Sequence[Standing]:
        """Those whose hub gave no sign of life for too long, put into the queue again."""
        return self._take([one for one in self._ledger.processing() if one.job.executor not in alive])

    def of_all(self, alive: Collection[str], mine: Collection[JobId]) -> Sequence[Standing]:
        """
        Those and all that the queue has lost. `mine` are those that run here, whatever the queue says.

        Lost is also what it says that this hub has, and does not run here: it was handed out, and the database went
        away before anybody was told.
        """
        unfinished = self._ledger.unfinished()
        others = set(alive) - {self._name}
        lost = orphans(unfinished, self._queue.entries(), others, before=self._now() - SETTLED_S)
        return self._take([one for one in lost if one.job.id not in mine])

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
