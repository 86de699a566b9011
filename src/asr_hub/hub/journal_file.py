"""The journal on disk: one JSON line for each fact, written in batches beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

from asr_hub.errors import ConfigError, Overloaded
from asr_hub.store.journal import Entry, Sink, encode, header
from asr_hub.telemetry import logs

MAX_BATCHES = 1_000
"""Batches that may wait for the disk. Past that they are lost to the file, and a reader of it is told of the gap."""

_log = logs.get("asr_hub.journal")


@contextlib.asynccontextmanager
async def journal_file(path: Path) -> AsyncIterator[Sink]:
    """
    A sink for the journal that writes to `path` until the block is left.

    A file that is there already is kept, under its name and the time of its last change. Raises ConfigError where the
    file cannot be written.
    """
    with _open(path) as file:
        waiting: asyncio.Queue[Sequence[Entry] | None] = asyncio.Queue(MAX_BATCHES)

        def sink(batch: Sequence[Entry]) -> None:
            try:
                waiting.put_nowait(batch)
            except asyncio.QueueFull:
                raise Overloaded(f"{path} is written too slowly: {len(batch)} facts are lost to it") from None

        writer = asyncio.create_task(_write(waiting, file), name="journal file")
        try:
            yield sink
        finally:
            await waiting.put(None)
            await writer


async def _write(waiting: asyncio.Queue[Sequence[Entry] | None], file: BinaryIO) -> None:
    while (batch := await waiting.get()) is not None:
        try:
            await asyncio.to_thread(_append, file, batch)
        except OSError as exc:
            _log.error("journal.write", detail=exc.strerror, lost=len(batch))


def _append(file: BinaryIO, batch: Sequence[Entry]) -> None:
    file.write(encode(batch))
    file.flush()


def _open(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(path.with_name(f"{path.name}.{path.stat().st_mtime_ns}"))
        file = path.open("xb")
        file.write(header())
    except OSError as exc:
        raise ConfigError(f"journal.path: cannot write {path}: {exc.strerror}; choose another file") from None
    return file
