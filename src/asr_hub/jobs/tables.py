"""The tables of the jobs, beside those of DBOS in the same database."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from asr_hub.jobs.job import Failure, Handling, Job, JobId, JobState, Wish

_metadata = sa.MetaData()

jobs = sa.Table(
    "asr_jobs",
    _metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("wish", sa.Text, nullable=False),
    sa.Column("handling", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("queued_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("seconds", sa.Double),
    sa.Column("segments", sa.Integer),
    sa.Column("segments_done", sa.Integer, nullable=False),
    sa.Column("executor", sa.Text, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    # Of its entry in the queue.
    sa.Column("turn", sa.String(24), nullable=False),
    # Of the run that works at it. Who has another has lost the job, and changes nothing.
    sa.Column("token", sa.Text, nullable=False),
    # Counts the changes, so that who reads knows the newer of two readings.
    sa.Column("version", sa.Integer, nullable=False),
    # By the clock of the database, so that who follows the changes of several hubs misses none.
    sa.Column("changed_at", sa.Double, nullable=False, index=True),
    sa.Column("failure", sa.Text),
    sa.Column("warnings", sa.Text, nullable=False),
    sa.Column("plan", sa.Text),
    sa.Column("result", sa.Text),
    # The name and what was said, casefolded.
    sa.Column("search", sa.Text, nullable=False),
    sa.Index("asr_jobs_queue", "state", "provider", "priority", "queued_at"),
    sa.Index("asr_jobs_history", "created_at", "id"),
    # Of the last that are done: everybody who submits a file is told how fast they went.
    sa.Index("asr_jobs_last", "state", "provider", "finished_at"),
)

segments = sa.Table(
    "asr_segments",
    _metadata,
    sa.Column("job", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("heard", sa.Text, nullable=False),
)

executors = sa.Table(
    "asr_executors",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # By the clock of the database.
    sa.Column("beat_at", sa.Double, nullable=False),
)

_LARGE = {"plan", "result", "search", "token", "provider", "priority"}
STANDING = tuple(column for column in jobs.c if column.name not in _LARGE)
"""What `standing` reads."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A job as its row says, with what only the engine needs to know."""

    job: Job
    queued_at: float
    turn: str
    version: int
    changed_at: float = 0.0


def create(connection: sa.Connection) -> None:
    """The tables and their indexes, where they are not there yet."""
    if connection.dialect.name == "postgresql":
        # Two hubs that start at the same time would both create them.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    _metadata.create_all(connection)
    for index in jobs.indexes:
        index.create(connection, checkfirst=True)


def standing(row: sa.Row[tuple[object, ...]]) -> Standing:
    fields = row._mapping
    job = Job(
        id=JobId(fields["id"]),
        principal=fields["principal"],
        name=fields["name"],
        sha256=fields["sha256"],
        size=fields["size"],
        wish=msgspec.json.decode(fields["wish"], type=Wish),
        handling=msgspec.json.decode(fields["handling"], type=Handling),
        state=JobState(fields["state"]),
        created_at=fields["created_at"],
        updated_at=fields["updated_at"],
        started_at=fields["started_at"],
        finished_at=fields["finished_at"],
        seconds=fields["seconds"],
        segments=fields["segments"],
        segments_done=fields["segments_done"],
        executor=fields["executor"],
        runs=fields["runs"],
        failure=msgspec.json.decode(fields["failure"], type=Failure) if fields["failure"] else None,
        warnings=msgspec.json.decode(fields["warnings"], type=tuple[str, ...]),
    )
    return Standing(
        job=job,
        queued_at=fields["queued_at"],
        turn=fields["turn"],
        version=fields["version"],
        changed_at=fields["changed_at"],
    )


def text(value: object) -> str:
    """As it is written into a column: JSON."""
    return msgspec.json.encode(value).decode()


_LOCK = 0x617372
