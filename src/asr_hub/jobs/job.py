"""The nouns of file transcription. What a job is, what is wanted of it, and what comes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import msgspec

from asr_hub.model import Hypothesis, ProviderName

JobId = NewType("JobId", str)
"""32 hexadecimal digits, of what is to be heard and how: the same file with the same options is the same job."""

FIRST_PRIORITY = 1
LAST_PRIORITY = 100
USUAL_PRIORITY = 50


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    """It can be tried again, and goes on where it stopped."""
    CANCELLED = "cancelled"
    """Likewise."""

    @property
    def is_over(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Channels(StrEnum):
    """What is done with the channels of a file."""

    MIX = "mix"
    """They become one."""
    SPLIT = "split"
    """Each is heard by itself; the speaker of what is said on it is its number, from 1."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file is to be heard: what makes two jobs with the same audio the same, or not."""

    provider: ProviderName
    language: str | None = None
    """BCP 47"""
    hotwords: tuple[str, ...] = ()
    channels: Channels = Channels.MIX


class Handling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a job is handled; changes nothing in what is heard."""

    batch_size: int = 0
    """Segments that are heard at the same time; 0: as the configuration says."""
    priority: int = USUAL_PRIORITY
    """`FIRST_PRIORITY` to `LAST_PRIORITY`: the lower, the sooner."""
    formats: tuple[str, ...] = ()
    """In which the result is offered by its own address."""
    webhook: str | None = None
    """Where its end is told."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    """As errors are called on the wire."""
    message: str
    retryable: bool = False


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands. Times are seconds since the epoch."""

    id: JobId
    principal: str
    """The name of the key it was submitted with; empty where none was needed."""
    name: str
    """What the client called the file: for people, never a path here."""
    sha256: str
    """Of the file, in hexadecimal digits."""
    size: int
    """Bytes of the file"""
    wish: Wish
    handling: Handling
    state: JobState
    created_at: float
    updated_at: float
    started_at: float | None = None
    finished_at: float | None = None
    seconds: float | None = None
    """Of audio, once the file is cut."""
    segments: int | None = None
    """How many it has, once it is cut."""
    segments_done: int = 0
    executor: str = ""
    """Who works at it, or did."""
    runs: int = 0
    """How often it was begun."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()

    @property
    def progress(self) -> float:
        """0 to 1"""
        if self.state is JobState.DONE:
            return 1.0
        return self.segments_done / self.segments if self.segments else 0.0


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A timed piece of a file, cut where nobody speaks, or where somebody speaks for too long."""

    number: int
    """From 0, in the order of their beginnings."""
    channel: int
    """From 0; always 0 where the channels are mixed."""
    start: int
    """Samples since the file began, at the rate of the spool."""
    end: int
    overlap: int = 0
    """Samples that the segment before it on the same channel has too: somebody was speaking where they were cut."""


class HeardSegment(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine heard in a segment, with times in milliseconds since the file began."""

    segment: Segment
    hypothesis: Hypothesis
    warnings: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What is said in a file."""

    duration_ms: int
    hypotheses: tuple[Hypothesis, ...]
    """In order of their beginnings; those of several channels have a `speaker`. Times since the file began."""
    language: str | None = None
    warnings: tuple[str, ...] = ()
