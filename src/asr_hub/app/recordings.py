"""A running hub gets its recorder, as the configuration says."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from asr_hub.config import schema
from asr_hub.hub.hub import Hub
from asr_hub.hub.names import public_name
from asr_hub.hub.recordings import HubRecordings
from asr_hub.models.folder import data_folder
from asr_hub.recordings.library import Keep, Library
from asr_hub.recordings.recorder import Recorder, Settings
from asr_hub.recordings.redaction import hook_of
from asr_hub.recordings.writing import Writer
from asr_hub.store.slice import State
from asr_hub.telemetry import logs

SWEEP_S = 600.0
"""Seconds between two looks at how old the recordings are"""

STOP_S = 10.0
"""Seconds that a hub which stops waits for a disk"""

_log = logs.get("asr_hub.recordings")


@contextlib.asynccontextmanager
async def recorder_of(
    settings: schema.Recorder,
    *,
    state: Callable[[], State],
    seq: Callable[[], int],
    env: Mapping[str, str] = os.environ,
    patience: float = STOP_S,
) -> AsyncIterator[Recorder]:
    """
    A recorder until the block is left; what is recorded then is written to its end, if the disk takes it in time.

    Raises ConfigError where the folder or the redaction cannot be had.
    """
    hook = hook_of(settings.redact)
    library = Library(
        _folder(settings, env),
        Keep(days=settings.keep.days, recordings=settings.keep.recordings, bytes=settings.keep.bytes),
        max_bytes=settings.max_bytes,
    )
    if settings.mode != "off":
        await asyncio.to_thread(library.make)
    await asyncio.to_thread(library.load)
    writer = Writer()
    recorder = Recorder(
        library,
        writer,
        Settings(mode=settings.mode, audio=settings.audio, max_s=settings.max_s, max_bytes=settings.max_bytes),
        state=state,
        seq=seq,
        public_name=public_name,
        hook=hook,
    )
    writing = asyncio.create_task(writer.run(sweep=library.sweep, every=SWEEP_S), name="recordings")
    try:
        yield recorder
    finally:
        recorder.stop()
        writer.close()
        await asyncio.wait([writing], timeout=patience)
        if not writing.done():
            writing.cancel()
            _log.error("recorder.unwritten", recordings=recorder.unwritten, **writer.unwritten)
        with contextlib.suppress(asyncio.CancelledError):
            await writing


def recordings_of(config: schema.Config, hub: Hub) -> HubRecordings:
    """The recordings of a hub that runs, for its protocols."""
    if hub.recorder is None:
        raise RuntimeError("the hub was made without a recorder")
    return HubRecordings(hub, hub.recorder, max_bytes=config.recorder.max_bytes)


def _folder(settings: schema.Recorder, env: Mapping[str, str]) -> Path:
    """That of the configuration, or `asr-hub/recordings` in the XDG data directory. It need not exist."""
    return Path(settings.folder).expanduser() if settings.folder is not None else data_folder(env) / "recordings"
