"""File transcription as a protocol sees it: what a client asks for, what it is told, and the port to the jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from asr_hub.access.grant import Grant
from asr_hub.protocols.facts import View

JobStatus = Literal["queued", "processing", "done", "failed", "cancelled"]

JOBS_PATH = "/api/v1/asr"
"""Where the routes of jobs begin."""


class UploadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is taken from a client."""

    folder: Path
    """Where it lies until it is a job's. It exists."""
    max_bytes: int
    """Of one file"""
    at_once: int = 256
    """Files that may be on their way."""
    grace_s: float = 60.0
    """Seconds that one may take whatever its size."""
    slowest: float = 1024.0
    """Bytes per second that have to come after that, on the whole."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has come whole."""

    path: Path
    """It may be moved away; what is left there is removed."""
    sha256: str
    """In hexadecimal digits"""
    size: int
    """Bytes"""
    name: str
    """What the client called it, made fit to be shown. Never a path."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants made of a file."""

    provider: str | None = None
    """None: the default."""
    language: str | None = None
    """BCP 47"""
    hotwords: tuple[str, ...] = ()
    channels: Literal["mix", "split"] = "mix"
    batch_size: int = 0
    """Segments that are heard at the same time; 0: as the hub has it."""
    priority: int = 50
    """1 to 100: the lower, the sooner."""
    formats: tuple[str, ...] = ()
    """In which the result is offered; empty: all there are."""
    webhook: str | None = None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a client wants to see, the newest first."""

    states: tuple[JobStatus, ...] = ()
    """Empty: any"""
    text: str = ""
    """In the name of the file, or in what was said."""
    since: float | None = None
    """Created then or later, seconds since the epoch."""
    until: float | None = None
    """Created before then."""
    limit: int = 50
    after: str | None = None
    """Where the page before ended."""
    everybody: bool = False
    """Not only the jobs of the caller's key."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A result as the text of a file."""

    text: str
    media_type: str
    name: str
    """Of the file, for people."""


class StoredAudio(Protocol):
    """The file of a job."""

    sha256: str
    size: int
    """Bytes"""
    name: str
    """What the client called it."""

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `end`, without `end`. Raises NotFound at the first piece."""
        ...


class JobErrorView(View):
    """Why a job failed."""

    code: str
    """As errors are called everywhere on the wire."""
    message: str
    """What happened and what to do, for people."""
    retryable: bool
    """Whether the same may succeed when it is tried again as it is."""


class SubmittedView(View):
    """A file that the hub has taken: it will be heard, whatever happens to the hub."""

    task_id: str
    status: JobStatus
    position: int
    """How many jobs are before it; 0 where it is worked at, or over."""
    estimated_wait: float | None
    """Seconds until it is begun, as far as the last jobs tell; null where there were none."""
    is_new: bool
    """Whether there was no job yet with the same audio and options."""
    provider: str
    """Who hears it."""
    result_url: str
    """Where to ask for the result."""


class TaskView(View):
    """A job as it stands. Times are seconds since the epoch."""

    task_id: str
    status: JobStatus
    name: str
    """What the client called the file."""
    size: int
    """Bytes of the file"""
    sha256: str
    provider: str
    language: str | None = None
    """That was asked for, or once it is done, that was heard; BCP 47."""
    channels: Literal["mix", "split"] = "mix"
    priority: int
    """1 to 100: the lower, the sooner."""
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    progress: float
    """Per cent of the file that is heard."""
    position: int | None = None
    """How many jobs are before it, while it waits."""
    estimated_wait: float | None = None
    """Seconds until it is begun, while it waits, as far as the last jobs tell."""
    duration: float | None = None
    """Seconds of audio, once the file is decoded."""
    warnings: tuple[str, ...] = ()
    """What people should know, such as that the file breaks off."""
    error: JobErrorView | None = None
    """Why it failed"""
    principal: str | None = None
    """The name of the key it was submitted with; told to administrators."""
    result_url: str
    audio_url: str
    """The file itself"""
    retry_url: str | None = None
    """Where to have it tried again, of one that failed or was cancelled."""


class WordView(View):
    """A word and when it was said, in milliseconds since the file began."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None
    """0 to 1, where the engine has it."""


class SentenceView(View):
    """A sentence and when it was said, in milliseconds since the file began."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str | None = None


class SegmentView(View):
    """What was heard in one stretch of the file, with times in milliseconds since the file began."""

    text: str
    start_ms: int
    end_ms: int
    language: str | None = None
    """BCP 47"""
    speaker: str | None = None
    """The number of the channel, from 1, where each is heard by itself."""
    confidence: float | None = None
    """0 to 1, where the engine has it."""
    provider: str | None = None
    """Who heard it."""
    words: tuple[WordView, ...] = ()
    """Empty where the engine has no times for them."""


class ResultView(TaskView):
    """A job, and once it is done what was said."""

    text: str | None = None
    """All of it; null while it is not done, as are the next three."""
    sentences: list[SentenceView] | None = None
    segments: list[SegmentView] | None = None
    formats: dict[str, str] | None = None
    """Where to get it as the text of a file, by format."""


class HistoryView(View):
    """Jobs, the newest first."""

    jobs: list[TaskView]
    next: str | None = None
    """For `after` of the next page; null where this is the last."""
    total: int
    """Of all pages"""


class QueueView(View):
    """How busy the hub is with files."""

    queued: dict[str, int]
    """Jobs that wait, by provider."""
    processing: dict[str, int]
    """Jobs that are worked at, by provider."""
    workers: int
    """Hubs that work at them"""
    speed: float | None = None
    """Seconds of audio that one job is through in a second, of the last jobs; null before there were some."""


class JobStatsView(View):
    """What became of the files so far, of those that are kept."""

    jobs: dict[str, int]
    """By state"""
    audio_hours: float
    """Heard, in the jobs that are done."""
    queue: QueueView
    executors: list[str]
    """Who is alive"""
    audio_files: int
    audio_bytes: int
    kept_days: float
    """How long jobs are kept when they are over, at most."""
    kept_jobs: int
    """How many are kept, at most."""
    kept_bytes: int
    """Of audio, at most."""


class ModelView(View):
    """An engine that can hear files."""

    name: str
    """For `provider`"""
    kind: str
    description: str
    is_default: bool
    is_ready: bool
    languages: list[str]
    """BCP 47; empty: any."""
    word_times: bool
    hotwords: bool


class ModelsView(View):
    """The engines of this hub."""

    models: list[ModelView]


class OutputFormatView(View):
    """What a result can be written as."""

    name: str
    """For `format` and `formats`"""
    media_type: str


class FormatsView(View):
    """What the hub reads and writes."""

    inputs: list[str]
    """Containers, as FFmpeg calls them."""
    outputs: list[OutputFormatView]
    max_bytes: int
    """Of one file"""
    max_seconds: float
    """Of audio in one file"""


class JobsPort(Protocol):
    """
    The jobs, for whoever is let in. The scopes that a call needs are the caller's to check; whose a job is, is not.

    `id` may be anything. A job that the grant does not reach is unknown to it: every call with an `id` raises NotFound
    (`unknown-job`) for it. Every call that waits raises Overloaded where the database does not answer.
    """

    uploads: UploadSettings

    def check_room(self, grant: Grant) -> None:
        """Whether a file may come, before it does. Raises Overloaded (`draining`), RateLimited (`audio-quota`)."""
        ...

    async def submit(self, upload: Upload, order: Order, grant: Grant) -> SubmittedView:
        """
        Make a job of a file: when this returns, it will be done.

        Raises NotFound (`unknown-provider`, `unsupported-language`), ProtocolError (also `webhook-refused` and
        `webhooks-off`), RateLimited, Overloaded.
        """
        ...

    async def wait(self, id: str, grant: Grant) -> None:
        """Until the job is over. Cancel it to wait no longer: the job goes on."""
        ...

    async def result(self, id: str, grant: Grant) -> ResultView:
        """How the job stands, and what was said once it is done."""
        ...

    async def document(self, id: str, format: str, grant: Grant) -> Document:
        """What was said, in one of the formats. Raises ProtocolError for another, Conflict (`not-done`)."""
        ...

    async def history(self, search: Search, grant: Grant) -> HistoryView:
        """Raises ProtocolError for an `after` that no page said, Forbidden for everybody's without ADMIN."""
        ...

    async def audio(self, id: str, grant: Grant) -> StoredAudio: ...

    async def cancel(self, id: str, grant: Grant) -> TaskView:
        """Nothing where it is over."""
        ...

    async def retry(self, id: str, grant: Grant) -> TaskView:
        """Go on with one that failed or was cancelled. Raises Conflict (`not-failed`), Overloaded."""
        ...

    async def forget(self, id: str, grant: Grant) -> None:
        """Cancel it, and keep nothing of it."""
        ...

    async def queue(self) -> QueueView: ...

    async def stats(self) -> JobStatsView: ...

    def formats(self) -> FormatsView: ...
