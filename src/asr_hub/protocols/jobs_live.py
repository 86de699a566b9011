"""How a job goes on, as a protocol sees it: told, never asked for. From here there is no way to the jobs themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asr_hub.access.grant import Grant
from asr_hub.errors import ProviderUnavailable
from asr_hub.wire.jobs import JobProgress


class JobWatch(Protocol):
    """One reader's look at one job. Every call returns at once; none may be made after `close`."""

    def read(self) -> JobProgress | None:
        """
        The job as it stands, where that is not what was read last: what came in between is left out.

        Nothing before the first state is known; `on_change` is called then. Raises NotFound (`unknown-job`: also for
        the job of somebody else), Overloaded where nobody could say; then it raises this again each time.
        """
        ...

    @property
    def is_over(self) -> bool:
        """The last state there is has been read: nothing follows."""
        ...

    def close(self) -> None:
        """Nobody looks any more. May be called twice."""
        ...


class JobsLivePort(Protocol):
    """Tells how jobs go on."""

    def watch(self, job: str, *, grant: Grant, on_change: Callable[[], None]) -> JobWatch:
        """
        Look at a job of one's own, or with the scope `admin` at any. Whether there is one is told by `read`.

        `on_change` is called on the event loop, in the middle of the hub's work: it may wake somebody, and no more.
        Raises Forbidden (not granted), Overloaded (too many look, or the hub stops).
        """
        ...


OFF = "this hub keeps no jobs; whoever runs it turns them on with `jobs.enabled: on` and pip install 'asr-hub[jobs]'"


def jobs_unavailable(why: str = OFF) -> ProviderUnavailable:
    """What whoever asks for a job is told where the hub keeps none."""
    return ProviderUnavailable(why, code="jobs-unavailable", retryable=False)
