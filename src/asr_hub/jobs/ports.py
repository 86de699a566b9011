"""The parts of file transcription as they see each other: who hears, who cuts, where audio is kept, and the jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from asr_hub.jobs.job import Channels, Handling, Job, JobId, JobState, Result, Segment, Wish
from asr_hub.model import Hypothesis

DATABASE_FILE = "jobs.sqlite"
"""In the folder of the jobs, where no other database is named."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub makes of one segment."""

    hypothesis: Hypothesis
    """The last reading; its times count in milliseconds from the segment's first sample."""
    warnings: tuple[str, ...] = ()
    """`code: message`"""


class Hear(Protocol):
    """The hub hears a segment whole: with failover, hotwords, later passes, as any utterance."""

    async def __call__(self, pcm: bytes, rate: int, wish: Wish, principal: str) -> Heard:
        """
        `pcm` as in `AudioFrame`. Waits while live sessions need the engine.

        Raises HubError: nobody could hear it; `retryable` says whether it is worth trying again.
        """
        ...

    def at_once(self, wish: Wish) -> int:
        """How many segments may be heard at the same time, so that live sessions keep their share of the engine."""
        ...


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """The decoded audio of a file, while it is worked at: one file of raw mono 16-bit samples for each channel."""

    folder: Path
    rate: int
    """Hertz"""
    channels: int
    samples: int
    """Of each channel"""

    def path(self, channel: int) -> Path:
        return self.folder / f"{channel}.pcm"

    def read(self, segment: Segment) -> bytes:
        """Its audio, as in `AudioFrame`. Blocks while it is read. Raises OSError."""
        with self.path(segment.channel).open("rb") as file:
            file.seek(2 * segment.start)
            return file.read(2 * (segment.end - segment.start))

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A file, decoded and cut into segments."""

    spool: Spool
    segments: tuple[Segment, ...]
    """In the order of their beginnings, numbered from 0."""
    warnings: tuple[str, ...] = ()
    """What people should know, such as that the file breaks off."""


class Cutter(Protocol):
    """Decodes files and cuts them, in processes that can be killed."""

    async def cut(
        self, source: Path, folder: Path, channels: Channels, *, on_progress: Callable[[float], None] = lambda _: None
    ) -> Cut:
        """
        Decode `source` into a spool in `folder`, and cut it. `on_progress` is told the seconds of audio decoded so far.

        The same file gives the same segments. Raises UnsupportedAudio, TooLarge, NotFound as `audio.files.decode`
        does; ProviderTimeout (`decode-timeout`) where it takes far too long. Cancelled, it ends its process.
        """
        ...


class AudioStore(Protocol):
    """Where the files of jobs are kept, by the hash of what is in them."""

    async def put(self, sha256: str, source: Path) -> None:
        """Keep this file; nothing where it is kept already. The source may be moved away. Raises HubError."""
        ...

    async def fetch(self, sha256: str, target: Path) -> Path:
        """A local file with it: `target`, or where it lies already. Raises NotFound, HubError."""
        ...

    async def size(self, sha256: str) -> int:
        """Bytes. Raises NotFound."""
        ...

    def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `end`, without `end`. Raises NotFound at the first piece."""
        ...

    async def delete(self, sha256: str) -> None:
        """Nothing where it is gone already."""
        ...

    async def all(self) -> Sequence[tuple[str, int, float]]:
        """The hash, the bytes and the time (seconds since the epoch) of each file that is kept."""
        ...


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are wanted, the newest first."""

    principal: str | None = None
    """Of this key only; none: of everybody."""
    states: tuple[JobState, ...] = ()
    """Empty: any"""
    text: str = ""
    """In the name of the file, or in what was said."""
    since: float | None = None
    """Created then or later, seconds since the epoch."""
    until: float | None = None
    """Created before then."""
    limit: int = 50
    after: str | None = None
    """Where the page before ended, as it said."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the jobs that are wanted."""

    jobs: tuple[Job, ...]
    next: str | None = None
    """For `after` of the next page; none where this is the last."""
    total: int
    """Of all pages"""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job stands in its queue."""

    position: int
    """How many are before it; 0 for one that runs or is over."""
    wait_s: float | None
    """Until it is begun, as far as the last jobs tell; none where none has been done yet."""


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of one provider, and the rest together."""

    queued: dict[str, int]
    """Jobs that wait, by provider."""
    processing: dict[str, int]
    """Jobs that are worked at, by provider."""
    over: dict[str, int]
    """Jobs that are kept, by state: `done`, `failed`, `cancelled`."""
    executors: tuple[str, ...]
    """Who is alive"""
    speed: float | None
    """Seconds of audio that one job is through in a second, of the last jobs; none before there was one."""


class JobStore(Protocol):
    """The jobs there are. Every call may wait for the database, and raises Overloaded where that does not answer."""

    async def submit(
        self, audio: Path, *, sha256: str, size: int, name: str, principal: str, wish: Wish, handling: Handling
    ) -> tuple[Job, bool]:
        """
        Write a job down and keep its audio: when this returns, it will be done. `audio` may be moved away.

        Returns the job, and whether it is new. One with the same audio, wish and principal is returned as it is; where
        it had failed or was cancelled it is tried again. Raises Overloaded where too many wait.
        """
        ...

    async def job(self, id: JobId) -> Job:
        """Raises NotFound (`unknown-job`)."""
        ...

    async def place(self, job: Job) -> Place: ...

    async def result(self, id: JobId) -> Result:
        """Raises NotFound, Conflict (`not-done`)."""
        ...

    async def cancel(self, id: JobId) -> Job:
        """Nothing where it is over. What was heard so far is kept for a retry. Raises NotFound."""
        ...

    async def retry(self, id: JobId) -> Job:
        """Go on with a job that failed or was cancelled. Raises NotFound, Conflict (`not-failed`), Overloaded."""
        ...

    async def delete(self, id: JobId) -> None:
        """Cancel and forget it, with its result, and its audio where no other job has the same. Raises NotFound."""
        ...

    async def history(self, query: Query) -> Page:
        """Raises ProtocolError (`bad-value`) for an `after` that no page said."""
        ...

    async def queue(self) -> QueueState: ...
