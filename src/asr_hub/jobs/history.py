"""
What the hub has done, job by job: `history.jsonl` beside the database, one JSON line for each end of a job.

It stays when retention forgets a job. What was said is not in it; who submitted what, and how long it took, is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from asr_hub.jobs.job import Job, JobState, Result
from asr_hub.telemetry import logs
from asr_hub.telemetry.rotating_file import RotatingFile, open_all
from asr_hub.text.words import words

NAME = "history.jsonl"

MAX_BYTES = 10 * 2**20
"""Of one file: about 25,000 ends."""

KEEP = 9
"""Older files"""

_log = logs.get(__name__)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a job. One that is tried again has several."""

    time: datetime
    """Of the end, in UTC."""
    id: str
    principal: str
    name: str
    """What the client called the file."""
    provider: str
    language: str | None = None
    state: JobState
    seconds: float | None = None
    """Of audio; none where it was never decoded."""
    size: int
    """Bytes of the file"""
    wait_s: float | None = None
    """From its submission to its beginning; none where it was never begun."""
    run_s: float | None = None
    """From its beginning to its end"""
    rtf: float | None = None
    """`run_s` by `seconds`"""
    words: int
    code: str | None = None
    """Of its failure"""


class History:
    """Appends to the history in a folder."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> None:
        self._path = folder / NAME
        self._max_bytes = max_bytes
        self._keep = keep
        self._lock = threading.Lock()

    async def append(self, job: Job, count: int) -> None:
        """
        Write the end of a job with so many words down. Waits for the disk, beside the event loop.

        Nobody's job fails where that cannot be written: it is logged.
        """
        line = msgspec.json.encode(ended(job, count)) + b"\n"
        try:
            await asyncio.to_thread(self._write, line)
        except OSError as exc:
            _log.error("history.write", path=self._path, detail=exc.strerror, job=job.id)

    def _write(self, line: bytes) -> None:
        # Opened for each: ends are rare, and what is not open needs nobody to close it.
        with self._lock:
            file = RotatingFile(self._path, max_bytes=self._max_bytes, keep=self._keep)
            try:
                file.write(line)
            finally:
                file.close()


def ended(job: Job, count: int) -> Ended:
    """What is written of a job that is over, in whose result there are so many words."""
    end = job.finished_at if job.finished_at is not None else job.updated_at
    wait = run = None
    if job.started_at is not None:
        wait = round(max(0.0, job.started_at - job.created_at), 3)
        run = round(max(0.0, end - job.started_at), 3)
    return Ended(
        time=datetime.fromtimestamp(end, UTC),
        id=job.id,
        principal=job.principal,
        name=job.name,
        provider=job.wish.provider,
        language=job.wish.language,
        state=job.state,
        seconds=job.seconds,
        size=job.size,
        wait_s=wait,
        run_s=run,
        rtf=round(run / job.seconds, 4) if run is not None and job.seconds else None,
        words=count,
        code=job.failure.code if job.failure is not None else None,
    )


def words_in(result: Result) -> int:
    """How many there are; of writing without spaces, characters. A text of many hours takes some tenths of a second."""
    return sum(len(words(one.text)) for one in result.hypotheses)


def read_history(folder: Path) -> Iterator[Ended]:
    """
    What is kept of it, in the order it was written; nothing where there is none.

    Half a line, as a crash leaves it, is passed over. Blocks. Raises OSError.
    """
    for file in open_all(folder / NAME):
        for line in file:
            try:
                yield _decoder.decode(line)
            except msgspec.DecodeError:
                continue


_decoder = msgspec.json.Decoder(Ended)
