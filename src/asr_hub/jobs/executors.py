"""Who works at jobs: each process under a name of its own, which it has again after a restart, with signs of life."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from asr_hub.errors import ConfigError
from asr_hub.jobs.database import Database
from asr_hub.jobs.tables import executors

FOLDER = "executors"

MOST = 64
"""Processes on one folder."""


@contextmanager
def slot(folder: Path) -> Iterator[str]:
    """
    The name of this process: the first that nobody has, of those in `folder`.

    The lock goes with the process, however that ends, so that it finds its own jobs again when it is back; two that run
    at the same time get different ones. Raises ConfigError.
    """
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        file, name = _first_free(folder / FOLDER)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}; set jobs.folder to one that can") from None
    try:
        yield name
    finally:
        os.close(file)


def _first_free(folder: Path) -> tuple[int, str]:
    for number in range(MOST):
        file = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        return file, _name(file, number)
    raise ConfigError(f"{MOST} processes work in {folder} already; give this one a folder of its own")


def _name(file: int, number: int) -> str:
    kept = os.read(file, 200).decode("ascii", "replace").strip()
    if _NAME.fullmatch(kept):
        return kept
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60] or "host"
    # Machines that were copied have the same name.
    name = f"{host}-{number}-{secrets.token_hex(2)}"
    os.lseek(file, 0, os.SEEK_SET)
    os.ftruncate(file, 0)
    os.write(file, name.encode("ascii"))
    os.fsync(file)
    return name


_NAME = re.compile(r"[A-Za-z0-9.-]{1,60}-\d+-[0-9a-f]{4}")


class Pulse:
    """Signs of life, by the clock of the database."""

    def __init__(self, database: Database, name: str, *, dead_after_s: float) -> None:
        self._database = database
        self._name = name
        self._dead_after_s = dead_after_s
        self._clock = database.clock

    def beat(self) -> tuple[str, ...]:
        """Give a sign of life. Returns who else gave one lately, and this one. Blocks."""
        with self._database.writing() as connection:
            changed = connection.execute(
                sa.update(executors).where(executors.c.id == self._name).values(beat_at=self._clock)
            )
            if not changed.rowcount:
                connection.execute(sa.insert(executors).values(id=self._name, beat_at=self._clock))
            # Nobody asks any more who was there days ago.
            connection.execute(sa.delete(executors).where(executors.c.beat_at < self._clock - _FORGOTTEN_S))
            alive = sa.select(executors.c.id).where(executors.c.beat_at > self._clock - self._dead_after_s)
            return tuple(sorted(connection.execute(alive).scalars()))

    def is_alone(self, within_s: float) -> bool:
        """Whether no other gave a sign of life in so many seconds, and none has ended on purpose since. Blocks."""
        others = sa.select(executors.c.id).where(
            executors.c.id != self._name, executors.c.beat_at > self._clock - within_s
        )
        with self._database.reading() as connection:
            return connection.execute(others.limit(1)).first() is None

    def stop(self) -> None:
        """This one ends on purpose: others may take its jobs at once. Blocks."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(executors).where(executors.c.id == self._name))


_FORGOTTEN_S = 86_400.0
