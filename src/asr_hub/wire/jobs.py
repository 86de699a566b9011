"""The messages of a job's progress. Every protocol that tells it carries these and only these."""

from __future__ import annotations

import msgspec


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job came to nothing."""

    code: str
    message: str


class JobProgress(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="job"):
    """A job as it stands. Replaces whatever was told of it before; the one that is over comes last."""

    id: str
    status: str
    """`queued`, `processing`, `done`, `failed` or `cancelled`"""
    progress: float
    """Per cent, rounded down to a tenth."""
    segments: int | None = None
    """How many it has, once it is cut."""
    segments_done: int = 0
    seconds: float | None = None
    """Of audio, once it is cut."""
    position: int | None = None
    """How many were before it when the watch began; none where anything has happened since, or it waits no more."""
    error: JobError | None = None
    """Where it failed, or was deleted."""
    updated_at: float = 0.0
    """When it came to stand so, seconds since the epoch."""


class WatchJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell me of this job: how it stands now, as the acknowledgement, then what changes, until it is over."""

    id: str


class UnwatchJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell me of this job no more."""

    id: str
